//! A Postgres of the machine's own binaries, in a temporary folder, for the time of a run.
//!
//! It listens on a socket in that folder and nowhere else. `initdb` refuses root, so root hands both programs to a user
//! without rights.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use color_eyre::eyre::{Context, Result, bail, eyre};
use tempfile::TempDir;

/// A running Postgres; stopped when dropped.
pub(crate) struct Postgres {
    process: Child,
    dir: TempDir,
    bin: PathBuf,
}

/// Programs start within this time or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

impl Postgres {
    /// Starts one.
    ///
    /// # Errors
    /// The machine has no Postgres and none could be installed: the reason, for a line `skipped: …`.
    pub(crate) fn start() -> Result<Self> {
        let bin = find().or_else(|reason| {
            install()
                .and_then(|()| find())
                .map_err(|error| eyre!("{reason}; {error}"))
        })?;
        let dir = tempfile::Builder::new().prefix("rehead-pg-").tempdir()?;
        let user = unprivileged()?;
        if let Some(user) = user {
            let chown = Command::new("chown").arg(user).arg(dir.path()).status()?;
            if !chown.success() {
                bail!("could not give {} to {user}", dir.path().display());
            }
        }
        let data = dir.path().join("data");
        let init = as_user(user, &bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args([
                "-A",
                "trust",
                "-U",
                "rehead",
                "-E",
                "UTF8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ])
            .current_dir(dir.path())
            .output()
            .context("could not run initdb")?;
        if !init.status.success() {
            bail!("initdb failed: {}", String::from_utf8_lossy(&init.stderr).trim());
        }
        let process = as_user(user, &bin.join("postgres"))
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(dir.path())
            .args([
                "-c",
                "listen_addresses=",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=100",
            ])
            .current_dir(dir.path())
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.path().join("log"))?)
            .spawn()
            .context("could not run postgres")?;
        let postgres = Self { process, dir, bin };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    /// The address of a new, empty database.
    ///
    /// # Errors
    /// It could not be made.
    pub(crate) fn new_database(&self, name: &str) -> Result<String> {
        let made = Command::new(self.bin.join("createdb"))
            .args(["-U", "rehead", "-h"])
            .arg(self.dir.path())
            .arg(name)
            .output()?;
        if !made.status.success() {
            bail!("createdb failed: {}", String::from_utf8_lossy(&made.stderr).trim());
        }
        Ok(format!(
            "postgres://rehead@localhost/{name}?host={}",
            self.dir.path().display()
        ))
    }

    fn wait_until_ready(&self) -> Result<()> {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < PATIENCE {
            let ready = Command::new(self.bin.join("pg_isready"))
                .arg("-q")
                .arg("-h")
                .arg(self.dir.path())
                .status()?;
            if ready.success() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        bail!("postgres did not become ready in {PATIENCE:?}: {}", log.trim())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The postmaster's own id: between it and us there may be the program that changed the user.
        let pid = fs::read_to_string(self.dir.path().join("data/postmaster.pid")).unwrap_or_default();
        if let Some(pid) = pid.lines().next() {
            let _ = Command::new("kill").args(["-INT", pid.trim()]).status();
        }
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < PATIENCE && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The folder with Postgres's programs: the newest of the machine, unless told otherwise.
fn find() -> Result<PathBuf> {
    if let Some(bin) = std::env::var_os("REHEAD_TEST_POSTGRES_BIN") {
        let bin = PathBuf::from(bin);
        return if has_programs(&bin) {
            Ok(bin)
        } else {
            Err(eyre!("{} holds no initdb and postgres", bin.display()))
        };
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("/usr/lib/postgresql/{version}/bin")));
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|dir| has_programs(dir))
    };
    newest
        .filter(|bin| has_programs(bin))
        .or_else(on_path)
        .ok_or_else(|| eyre!("no Postgres on this machine (REHEAD_TEST_POSTGRES_BIN names its folder)"))
}

fn has_programs(bin: &Path) -> bool {
    ["initdb", "postgres", "createdb", "pg_isready"]
        .iter()
        .all(|program| bin.join(program).is_file())
}

/// Installs Postgres where that is ours to do: as root, where apt is.
fn install() -> Result<()> {
    if !is_root()? || !Path::new("/usr/bin/apt-get").is_file() {
        bail!("`apt-get install postgresql` as root would help");
    }
    println!("installing postgresql with apt-get, for the tests on Postgres");
    let install = Command::new("apt-get")
        .args(["install", "-y", "-q", "--no-install-recommends", "postgresql"])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()?;
    if install.status.success() {
        return Ok(());
    }
    bail!(
        "apt-get install postgresql failed: {}",
        String::from_utf8_lossy(&install.stderr).trim()
    )
}

fn is_root() -> Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

/// The user that root hands programs to.
fn unprivileged() -> Result<Option<&'static str>> {
    if !is_root()? {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let known = |name: &&str| users.lines().any(|line| line.starts_with(&format!("{name}:")));
    match ["postgres", "nobody"].into_iter().find(known) {
        Some(user) => Ok(Some(user)),
        None => bail!("root has no user postgres or nobody to run Postgres as"),
    }
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("runuser");
    command.args(["-u", user, "--"]).arg(program);
    command
}
