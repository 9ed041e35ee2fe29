//! The tokens that `rehead login` made, by server: one file that only its owner may read.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ClientError;

/// What `login` keeps of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Credential {
    /// Who.
    pub(super) name: String,
    /// The token's identifier, so that `logout` can end it.
    pub(super) id: String,
    /// The token.
    pub(super) token: String,
}

type Credentials = BTreeMap<String, Credential>;

/// The token to send to a server: the one of `REHEAD_TOKEN`, else the one that `login` kept.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn token(server: &str) -> Result<Option<String>, ClientError> {
    match std::env::var("REHEAD_TOKEN") {
        Ok(token) if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
        _ => Ok(get(server)?.map(|credential| credential.token)),
    }
}

/// What `login` kept of a server.
///
/// # Errors
/// The file is there and cannot be read.
pub(super) fn get(server: &str) -> Result<Option<Credential>, ClientError> {
    match path() {
        Some(path) => Ok(read(&path)?.remove(server)),
        None => Ok(None),
    }
}

/// Keeps the token of a server, or with none forgets it; where.
///
/// # Errors
/// There is no home folder, or the file cannot be written.
pub(super) fn set(server: &str, credential: Option<Credential>) -> Result<PathBuf, ClientError> {
    let path = path().ok_or_else(|| {
        ClientError::Usage("neither XDG_CONFIG_HOME nor HOME says where to keep the token; set one".to_owned())
    })?;
    let mut all = read(&path)?;
    match credential {
        Some(credential) => drop(all.insert(server.to_owned(), credential)),
        None => drop(all.remove(server)),
    }
    write(&path, &all)?;
    Ok(path)
}

fn path() -> Option<PathBuf> {
    let folder = |name: &str| {
        let folder = std::env::var_os(name).map(PathBuf::from);
        // The standard says so: a relative path counts as none.
        folder.filter(|folder| folder.is_absolute())
    };
    let config = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))?;
    Some(config.join("rehead/credentials.toml"))
}

fn read(path: &Path) -> Result<Credentials, ClientError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Credentials::new()),
        Err(error) => return Err(failed("read", path, error.to_string())),
    };
    toml::from_str(&text).map_err(|error| failed("read", path, error.message().to_owned()))
}

/// Written beside and moved over, so that nobody ever reads half of it.
fn write(path: &Path, all: &Credentials) -> Result<(), ClientError> {
    let text = toml::to_string(all).map_err(|error| failed("write", path, error.to_string()))?;
    let beside = path.with_extension("toml.new");
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let _ = fs::remove_file(&beside);
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&beside)?.write_all(text.as_bytes())?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| failed("write", path, error.to_string()))
}

fn failed(action: &'static str, path: &Path, reason: String) -> ClientError {
    ClientError::File {
        action,
        path: path.to_owned(),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_server_has_its_token_and_only_the_owner_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rehead/credentials.toml");
        assert_eq!(read(&path).unwrap(), Credentials::new());
        let credential = |token: &str| Credential {
            name: "ann".to_owned(),
            id: "1".to_owned(),
            token: token.to_owned(),
        };
        let mut all = Credentials::new();
        all.insert("http://127.0.0.1:3000".to_owned(), credential("rh_a"));
        all.insert("https://rehead.example".to_owned(), credential("rh_b"));
        write(&path, &all).unwrap();
        write(&path, &all).unwrap();
        assert_eq!(read(&path).unwrap(), all);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&path, "not a table").unwrap();
        assert!(matches!(read(&path), Err(ClientError::File { action: "read", .. })));
    }
}
