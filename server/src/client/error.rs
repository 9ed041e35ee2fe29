//! What can go wrong on the client's side, told so that a person knows what to do next.

use std::path::PathBuf;
use std::process::ExitCode;

use domain::api::Problem;

/// A command that did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    /// Nothing listens there.
    #[error("no Rehead server answers at {server}; start one with `rehead serve`")]
    Unreachable {
        /// The address that was tried.
        server: String,
    },
    /// The server answers to those only whom it knows.
    #[error(
        "{server} does not know who asks: sign in with `rehead login --server {server} --name NAME`, or set REHEAD_TOKEN \
         to a token that is still good"
    )]
    SignedOut {
        /// Its address.
        server: String,
    },
    /// The address is no URL.
    #[error("{server:?} is not the address of a server: {reason}; it looks like http://127.0.0.1:3000")]
    Address {
        /// What was given.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refused, and said why.
    #[error("{}", describe(.0))]
    Refused(Box<Problem>),
    /// The connection broke.
    #[error("{method} {url} failed: {reason}")]
    Transport {
        /// HTTP method.
        method: String,
        /// Address.
        url: String,
        /// The innermost cause.
        reason: String,
        /// Trying again may help.
        may_pass: bool,
    },
    /// Something answered, but not as a Rehead server of this version does.
    #[error(
        "{url} answered with something this client does not understand ({reason}); is it a Rehead server of the same version?"
    )]
    Answer {
        /// Address.
        url: String,
        /// What was wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("could not {action} {path}: {reason}", path = path.display())]
    File {
        /// `read`, `write`, …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Not one file of an upload was usable.
    #[error("nothing was uploaded: {reason}")]
    NothingUploaded {
        /// Why.
        reason: String,
    },
    /// What arrived is not what was promised.
    #[error("{name} arrived damaged: its digest is {got}, the model names {expected}; export again")]
    Damaged {
        /// The file.
        name: String,
        /// The digest that the model names.
        expected: String,
        /// The digest of what arrived.
        got: String,
    },
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The command makes no sense as it stands.
    #[error("{0}")]
    Usage(String),
}

fn describe(problem: &Problem) -> String {
    let text = if problem.detail.is_empty() {
        &problem.title
    } else {
        &problem.detail
    };
    if problem.request_id.is_empty() {
        text.clone()
    } else {
        format!("{text} (request {})", problem.request_id)
    }
}

impl ClientError {
    /// The process's exit code.
    pub(super) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::Address { .. } => ExitCode::from(2),
            _ => ExitCode::from(1),
        }
    }

    /// The status that the server refused with.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(problem) => Some(problem.status),
            Self::SignedOut { .. } => Some(401),
            _ => None,
        }
    }

    /// Trying the same again may help: the connection broke, or the server was busy.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Transport { may_pass, .. } => *may_pass,
            Self::Refused(problem) => matches!(problem.status, 408 | 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// The error as JSON has it: the server's own words where it has any.
    pub(super) fn to_problem(&self) -> Problem {
        let (kind, title) = match self {
            Self::Refused(problem) => return (**problem).clone(),
            Self::Unreachable { .. } => ("unreachable", "No server answers"),
            Self::SignedOut { .. } => ("signed-out", "Not signed in"),
            Self::Address { .. } | Self::Usage(_) => ("usage", "The command makes no sense"),
            Self::Transport { .. } => ("transport", "The connection broke"),
            Self::Answer { .. } => ("unexpected-answer", "The answer was not understood"),
            Self::File { .. } => ("file", "A file could not be read or written"),
            Self::NothingUploaded { .. } => ("nothing-uploaded", "Nothing was uploaded"),
            Self::Damaged { .. } => ("damaged", "A file arrived damaged"),
            Self::NotFound(_) => ("not-found", "Not found"),
        };
        Problem {
            kind: format!("/problems/client/{kind}"),
            title: title.to_owned(),
            status: 0,
            detail: self.to_string(),
            request_id: String::new(),
        }
    }
}
