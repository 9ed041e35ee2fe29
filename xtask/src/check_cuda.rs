//! `cargo xtask check-cuda`: the worker for GPUs is built, linked and started, and what needs no card is tested.
//!
//! Needs no GPU, no driver and no installed toolkit: the compiler and libraries come as wheels (1.2 GB) into `target/cuda`, and
//! a stub stands for the driver's library, which is in none of them. Has a target folder of its own, `target/cuda-build`,
//! since candle's kernels take minutes to compile and nothing else should have to.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use color_eyre::eyre::{Result, WrapErr, bail, eyre};
use walkdir::WalkDir;

use crate::machine;
use crate::process::{cargo, program, root, run, target};
use crate::test::{Run, counted};

/// What nvcc needs and what candle links. Of CUDA 13.0: the bindings of this candle end at 13.4, and the wheels of 12 have no
/// nvcc in them.
const WHEELS: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
    "nvidia-cuda-nvrtc==13.0.88",
    "nvidia-cublas==13.1.0.3",
    "nvidia-curand==10.4.0.35",
];

/// Both packages, so that cargo chooses the same features for the binary and for the test, and compiles everything once.
const PACKAGES: [&str; 11] = [
    "--profile",
    "check-cuda",
    "--target-dir",
    "target/cuda-build",
    "--package",
    "server",
    "--package",
    "trainer",
    "--features",
    "cuda",
    "--locked",
];

/// Runs every stage; what was built, run and skipped ends the output.
///
/// # Errors
/// A program could not be started.
pub(crate) fn run_check() -> Result<ExitCode> {
    let mut all = Run::default();
    let toolkit = Toolkit::new(target().join("cuda"));
    let built = all.stage("toolkit", |_| toolkit.install()) && all.stage("build", |_| build(&toolkit));
    if built {
        all.stage("start", |_| starts(&toolkit));
        all.stage("tests", |all| tests(&toolkit, all));
    } else {
        all.not_run("start");
        all.not_run("tests");
    }
    println!(
        "\nbuilt: {} with CUDA, linked against a stub of libcuda\n\
         run: its start, `--device cuda:0` without a driver, the compiler for the kernels (NVRTC), the kernels on an emulator\n\
         skipped where there is no card: whatever computes on one",
        binary().strip_prefix(root()).unwrap_or(&binary()).display()
    );
    Ok(all.finish())
}

/// A folder that looks like an installed CUDA.
struct Toolkit {
    home: PathBuf,
}

impl Toolkit {
    const fn new(home: PathBuf) -> Self {
        Self { home }
    }

    /// Where libraries lie, and where the stub of the driver's does.
    fn libs(&self) -> [PathBuf; 2] {
        [self.home.join("lib"), self.home.join("lib/stubs")]
    }

    /// Wheels, links and stub, once.
    fn install(&self) -> Result<()> {
        machine::c_compiler()?;
        // The links are by whole paths: a folder that was moved is made anew.
        let wanted = format!("{}\n{}", self.home.display(), WHEELS.join("\n"));
        let stamp = self.home.join("rehead-wheels.txt");
        if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
            println!("CUDA {} is in {}", version(WHEELS[0]), self.home.display());
            return Ok(());
        }
        println!(
            "installing CUDA's compiler and libraries into {}: 1.2 GB",
            self.home.display()
        );
        if self.home.exists() {
            fs::remove_dir_all(&self.home).wrap_err_with(|| format!("could not empty {}", self.home.display()))?;
        }
        let venv = self.home.join("venv");
        run(program("python3").args(["-m", "venv"]).arg(&venv))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(program(venv.join("bin/python")).args(pip).args(WHEELS))?;
        let wheels = wheels_root(&venv)?;
        for entry in fs::read_dir(&wheels)? {
            let entry = entry?;
            link(&entry.path(), &self.home.join(entry.file_name()))?;
        }
        link(Path::new("lib"), &self.home.join("lib64"))?;
        // The wheels have no links for a linker.
        for entry in fs::read_dir(self.home.join("lib"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(bare) = development_name(&name) {
                link(Path::new(&name), &self.home.join("lib").join(bare))?;
            }
        }
        self.stub_driver()?;
        fs::write(&stamp, wanted).wrap_err_with(|| format!("could not write {}", stamp.display()))
    }

    /// A library that has every function of the driver that the bindings name; each answers that there is no device.
    fn stub_driver(&self) -> Result<()> {
        run(&mut cargo(&["fetch", "--locked"]))?;
        let bindings = fs::read_to_string(driver_bindings()?)?;
        let stubs = self.home.join("lib/stubs");
        fs::create_dir_all(&stubs)?;
        let source = stubs.join("libcuda.c");
        fs::write(&source, stub_source(&bindings))?;
        let mut cc = program("cc");
        cc.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]);
        run(cc.arg(stubs.join("libcuda.so.1")).arg(&source))?;
        link(Path::new("libcuda.so.1"), &stubs.join("libcuda.so"))
    }

    /// cargo with everything that the build scripts look for.
    fn cargo(&self, args: &[&str]) -> Result<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(self.home.join("bin")).chain(std::env::split_paths(&path));
        let mut command = cargo(args);
        command
            .env("CUDA_HOME", &self.home)
            .env("CUDA_PATH", &self.home)
            .env("CUDA_COMPUTE_CAP", "80")
            .env("CUDAFORGE_THREADS", "2")
            .env("PATH", std::env::join_paths(path)?)
            .env("LD_LIBRARY_PATH", self.library_path()?);
        Ok(command)
    }

    /// Where the loader looks: the driver's own library first, where there is one, then the stub.
    fn library_path(&self) -> Result<std::ffi::OsString> {
        let [libs, stubs] = self.libs();
        let inherited = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let mut path: Vec<PathBuf> = std::env::split_paths(&inherited)
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect();
        path.push(libs);
        match driver() {
            Some(folder) => path.push(folder),
            None => path.push(stubs),
        }
        Ok(std::env::join_paths(path)?)
    }
}

/// The folder of a real driver's library.
fn driver() -> Option<PathBuf> {
    [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib64",
        "/usr/lib/wsl/lib",
        "/usr/local/nvidia/lib64",
    ]
    .map(PathBuf::from)
    .into_iter()
    .find(|folder| folder.join("libcuda.so.1").exists())
}

fn build(toolkit: &Toolkit) -> Result<()> {
    let mut args = vec!["build", "--bin", "rehead"];
    args.extend(PACKAGES);
    run(&mut toolkit.cargo(&args)?)
}

/// The binary starts, and says what it lacks where it shall compute on a card that is not there.
fn starts(toolkit: &Toolkit) -> Result<()> {
    let version = said(toolkit, &["--version"])?;
    if !version.succeeded {
        bail!("the binary does not start: {}", version.text);
    }
    println!("{}", version.text);
    if driver().is_some() {
        println!("skipped: a start without a driver (this machine has one)");
        return Ok(());
    }
    let data = target().join("cuda-build/data");
    let data = data.to_string_lossy().into_owned();
    for role in ["worker", "serve"] {
        let refused = said(toolkit, &[role, "--device", "cuda:0", "--data", &data])?;
        println!("rehead {role} --device cuda:0\n{}", refused.text);
        let clear = refused
            .text
            .starts_with("rehead: cannot compute on cuda:0: the CUDA driver answers CUDA_ERROR_NO_DEVICE");
        if refused.succeeded || !clear || refused.text.lines().count() != 1 {
            bail!("`rehead {role} --device cuda:0` must fail with one clear line");
        }
    }
    Ok(())
}

fn tests(toolkit: &Toolkit, all: &mut Run) -> Result<()> {
    let mut args = vec!["test", "--test", "cuda"];
    args.extend(PACKAGES);
    args.extend(["--", "--show-output"]);
    let (tally, succeeded) = counted(&mut toolkit.cargo(&args)?, &mut std::io::stdout())?;
    all.count(tally);
    match succeeded {
        true => Ok(()),
        false => bail!("the tests of the CUDA part failed"),
    }
}

struct Said {
    succeeded: bool,
    text: String,
}

/// What the binary says, on whichever stream.
fn said(toolkit: &Toolkit, args: &[&str]) -> Result<Said> {
    let output = program(binary())
        .args(args)
        .env("LD_LIBRARY_PATH", toolkit.library_path()?)
        .env("RUST_BACKTRACE", "1")
        .env_remove("REHEAD_DATABASE_URL")
        .env_remove("REHEAD_STORE")
        .stdin(Stdio::null())
        .output()
        .wrap_err_with(|| format!("could not start {}", binary().display()))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(Said {
        succeeded: output.status.success(),
        text: String::from_utf8_lossy(&text).trim().to_owned(),
    })
}

fn binary() -> PathBuf {
    root().join("target/cuda-build/check-cuda/rehead")
}

/// `NAME==VERSION`.
fn version(wheel: &str) -> &str {
    wheel.split_once("==").map_or(wheel, |(_, version)| version)
}

/// Where the wheels put everything.
fn wheels_root(venv: &Path) -> Result<PathBuf> {
    let folders = WalkDir::new(venv.join("lib"))
        .min_depth(4)
        .max_depth(4)
        .into_iter()
        .flatten();
    folders
        .map(walkdir::DirEntry::into_path)
        .find(|path| path.ends_with("site-packages/nvidia/cu13"))
        .ok_or_else(|| eyre!("the wheels brought no nvidia/cu13 under {}", venv.display()))
}

/// The name that a linker looks for: `libcudart.so` for `libcudart.so.13`.
fn development_name(name: &str) -> Option<&str> {
    let (bare, _) = name.split_once(".so.")?;
    name.starts_with("lib").then(|| &name[..bare.len() + ".so".len()])
}

/// The file of the crate cudarc that names the driver's functions, of the version that the lock file has.
fn driver_bindings() -> Result<PathBuf> {
    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let version = locked(&lock, "cudarc").ok_or_else(|| eyre!("Cargo.lock has no cudarc"))?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let registry = home
        .ok_or_else(|| eyre!("there is no home folder"))?
        .join("registry/src");
    let file = format!("cudarc-{version}/src/driver/sys/mod.rs");
    for index in fs::read_dir(&registry).wrap_err_with(|| format!("could not read {}", registry.display()))? {
        let path = index?.path().join(&file);
        if path.exists() {
            return Ok(path);
        }
    }
    bail!("{} has no {file}", registry.display())
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, rest) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

/// A C function for every `fn cu…(`: 100 is `CUDA_ERROR_NO_DEVICE`.
fn stub_source(bindings: &str) -> String {
    let mut names: Vec<&str> = bindings
        .split("fn cu")
        .skip(1)
        .filter(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
        .iter()
        .map(|name| format!("int cu{name}(void) {{ return 100; }}\n"))
        .collect()
}

/// A symbolic link in the place of whatever was there.
fn link(to: &Path, at: &Path) -> Result<()> {
    if at.symlink_metadata().is_ok() {
        fs::remove_file(at).wrap_err_with(|| format!("could not replace {}", at.display()))?;
    }
    symlink(to, at).wrap_err_with(|| format!("could not link {} to {}", at.display(), to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_has_each_function_once() {
        let bindings = "pub unsafe fn cuInit(x: u32) { extern \"C\" { fn cuInit(x: u32); } }\n\
                        pub unsafe fn cuCtxCreate_v4() {}\npub unsafe fn culib() {}\n";
        assert_eq!(
            stub_source(bindings),
            "int cuCtxCreate_v4(void) { return 100; }\nint cuInit(void) { return 100; }\n"
        );
    }

    #[test]
    fn libraries_get_the_name_that_a_linker_looks_for() {
        assert_eq!(development_name("libcudart.so.13"), Some("libcudart.so"));
        assert_eq!(
            development_name("libnvrtc-builtins.so.13.0"),
            Some("libnvrtc-builtins.so")
        );
        assert_eq!(development_name("libcudart_static.a"), None);
        assert_eq!(development_name("cmake"), None);
    }

    #[test]
    fn a_locked_version_is_found() {
        let lock = "[[package]]\nname = \"cudarc-x\"\nversion = \"1.0\"\n\n[[package]]\nname = \"cudarc\"\nversion = \"0.19.10\"\n";
        assert_eq!(locked(lock, "cudarc"), Some("0.19.10"));
        assert_eq!(locked(lock, "none"), None);
    }
}
