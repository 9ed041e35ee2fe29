//! `rehead login` and `rehead logout`.

use std::io::{IsTerminal as _, stdin};
use std::process::ExitCode;

use domain::api::people::{NewSession, NewToken};
use domain::names::UserName;
use domain::people::Password;
use serde_json::json;

use super::api::Api;
use super::credentials::{self, Credential};
use super::error::ClientError;
use super::output::Output;

/// How long the token of a machine is good before its person signs in again.
const DAYS: u32 = 90;

/// Makes a token with the password and keeps it.
pub(super) async fn login(name: &UserName, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let session = NewSession {
        name: name.clone(),
        password: password(name)?,
    };
    let token = NewToken {
        name: format!("rehead login{}", host()),
        expires_in_days: Some(DAYS),
    };
    let issued = api.new_token(&session, &token).await?;
    let server = api.server();
    let before = credentials::get(&server)?;
    let credential = Credential {
        name: name.to_string(),
        id: issued.token.id.to_string(),
        token: issued.secret,
    };
    let path = credentials::set(&server, Some(credential))?;
    // The one that this replaces shall not outlive it; whether it was still good does not matter.
    if let Some(before) = before {
        let _ = api.delete_as(&before.token, &["tokens", &before.id]).await;
    }
    if output.json {
        output.document(&json!({ "server": server, "name": name, "token": issued.token }));
    } else {
        output.line(&format!(
            "signed in to {server} as {name} for {DAYS} days; the token is in {}",
            path.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends the token and forgets it.
pub(super) async fn logout(api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    let server = api.server();
    let Some(credential) = credentials::get(&server)? else {
        return Err(ClientError::NotFound(format!("nobody is signed in to {server} here")));
    };
    let ended = api.delete_as(&credential.token, &["tokens", &credential.id]).await;
    match ended {
        Ok(()) => {}
        // It had ended already.
        Err(error) if matches!(error.status(), Some(401 | 404)) => {}
        Err(error) => return Err(error),
    }
    credentials::set(&server, None)?;
    if output.json {
        output.document(&json!({ "server": server, "name": credential.name }));
    } else {
        output.line(&format!("{} is signed out of {server}", credential.name));
    }
    Ok(ExitCode::SUCCESS)
}

/// From the terminal without an echo, else a line of standard input.
fn password(name: &UserName) -> Result<Password, ClientError> {
    let mut text = String::new();
    let read = if stdin().is_terminal() {
        rpassword::prompt_password(format!("Password of {name}: ")).map(|typed| text = typed)
    } else {
        stdin().read_line(&mut text).map(drop)
    };
    read.map_err(|error| ClientError::Usage(format!("the password could not be read: {error}")))?;
    Ok(Password::new(text.trim_end_matches(['\r', '\n'])))
}

/// The machine's name, so that its person recognises the token in a list.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().take(60).collect();
    if name.is_empty() {
        String::new()
    } else {
        format!(" on {name}")
    }
}
