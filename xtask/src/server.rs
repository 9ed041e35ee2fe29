//! A running `rehead serve`: started, waited for, stopped; its last words told when it dies.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use color_eyre::eyre::{Result, WrapErr, bail};

use crate::clock::Stopwatch;
use crate::front;
use crate::process::{program, target};

/// A server answers within this time or not at all.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// Lines of the log that are shown when the server died.
const N_LAST_LINES: usize = 20;

/// A server process; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    data: PathBuf,
    log: PathBuf,
}

/// The debug binary that `cargo build -p server` makes.
pub(crate) fn binary() -> PathBuf {
    target().join("debug/rehead")
}

impl Server {
    /// Starts a server on a port of this machine and waits until it answers.
    ///
    /// # Errors
    /// The port is taken, or the server died or did not answer in time: with the last lines of its log.
    pub(crate) fn start(port: u16, data: &Path) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        ensure_free(address)?;
        fs::create_dir_all(data).wrap_err_with(|| format!("could not make {}", data.display()))?;
        let log = data.join("server.log");
        let file = File::create(&log).wrap_err_with(|| format!("could not write {}", log.display()))?;
        let mut command = program(binary());
        command
            .args(["serve", "--listen", &address.to_string(), "--data"])
            .arg(data)
            .arg("--site")
            .arg(front::site())
            .stdout(file.try_clone()?)
            .stderr(file)
            .stdin(Stdio::null());
        // A database or store that the shell names is not this server's business.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("REHEAD_") {
                command.env_remove(name);
            }
        }
        let process = command
            .spawn()
            .wrap_err_with(|| format!("could not start {}", binary().display()))?;
        let mut server = Self {
            process,
            address,
            data: data.to_owned(),
            log,
        };
        server.wait_until_healthy()?;
        Ok(server)
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What it said about the first account, where there was none when it started.
    pub(crate) fn first_start(&self) -> Option<String> {
        let log = fs::read_to_string(&self.log).ok()?;
        let line = log.lines().find(|line| line.starts_with("First start:"))?;
        Some(line.to_owned())
    }

    fn wait_until_healthy(&mut self) -> Result<()> {
        let watch = Stopwatch::start();
        loop {
            if let Some(status) = self.ended()? {
                bail!("the server ended at once ({status})\n{}", self.last_words());
            }
            if healthy(self.address) {
                return Ok(());
            }
            if watch.elapsed() > PATIENCE {
                bail!("the server does not answer after {PATIENCE:?}\n{}", self.last_words());
            }
            std::thread::sleep(POLL);
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait().wrap_err("could not ask after the server")
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        self.process.wait().wrap_err("could not wait for the server")
    }

    /// The end of its log.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        format!("{}:\n{}", self.log.display(), last_lines(&text, N_LAST_LINES))
    }

    fn stop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        // Asked first, so that it can finish what it writes.
        let asked = program("kill").arg(self.process.id().to_string()).status();
        let watch = Stopwatch::start();
        while asked.is_ok() && watch.elapsed() < Duration::from_secs(10) {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        // Both fail only where it is already gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port of this machine that nothing listens on.
///
/// # Errors
/// There is none.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).wrap_err("no port is free")?;
    Ok(listener.local_addr()?.port())
}

/// # Errors
/// Something listens there already.
pub(crate) fn ensure_free(address: SocketAddr) -> Result<()> {
    if let Err(error) = TcpListener::bind(address) {
        bail!(
            "port {} cannot be used ({error}); is another server running? Stop it, or choose a port with --port",
            address.port()
        );
    }
    Ok(())
}

/// Whether `/healthz` answers with 200.
fn healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let wait = Duration::from_secs(2);
        let mut stream = TcpStream::connect_timeout(&address, wait)?;
        stream.set_read_timeout(Some(wait))?;
        stream
            .write_all(format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| is_ok(&answer))
}

fn is_ok(answer: &str) -> bool {
    let status = answer.lines().next().and_then(|line| line.split_whitespace().nth(1));
    status == Some("200")
}

fn last_lines(text: &str, n: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(n)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_200_is_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 503 no\r\n\r\n",
            "",
        ];
        let serve = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 512];
                assert!(stream.read(&mut request).unwrap() > 0);
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let seen: Vec<bool> = answers.iter().map(|_| healthy(address)).collect();
        serve.join().unwrap();
        assert_eq!(seen, [true, false, false]);
        assert!(!healthy(address), "nothing listens any more");
    }

    #[test]
    fn a_taken_port_is_told_with_the_way_out() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let text = ensure_free(address).unwrap_err().to_string();
        assert!(
            text.contains(&address.port().to_string()) && text.contains("--port"),
            "{text}"
        );
        drop(listener);
        assert!(ensure_free(address).is_ok());
    }

    #[test]
    fn the_last_lines_are_the_last() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("", 2), "");
    }
}
