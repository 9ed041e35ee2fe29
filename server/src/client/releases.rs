//! `rehead releases …`

use std::process::ExitCode;

use clap::Subcommand;
use domain::api::{NewRelease, UndoRelease};
use domain::ids::{ReleaseId, RequestId};
use domain::names::ChannelName;
use domain::release::{Channel, Release, ReleaseAction};

use super::api::Api;
use super::durations::moment;
use super::error::ClientError;
use super::models;
use super::output::Output;

/// What can be done with releases.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Point a channel at a model.
    ///
    /// The channel moves only if it still points where this command saw it (or where --expected says); someone who was
    /// faster is never overruled.
    Publish {
        /// The model: its id, a channel that points at it, the job that made it, or `latest`.
        model: String,
        /// The channel.
        #[arg(long)]
        channel: ChannelName,
        /// A note for the log.
        #[arg(long, default_value = "")]
        note: String,
        /// Publish although the verdict is not pass, for this reason; it stands in the log.
        #[arg(long = "override", value_name = "REASON")]
        override_reason: Option<String>,
        /// The release that the channel must point at now; by default the one it does.
        #[arg(long, value_name = "RELEASE")]
        expected: Option<String>,
        /// The rapid response it answers.
        #[arg(long, value_name = "ID")]
        request: Option<String>,
    },
    /// Put the model back that a channel pointed at before.
    Undo {
        /// The channel.
        #[arg(long)]
        channel: ChannelName,
        /// A note for the log.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// List the moves of one channel, or of all.
    List {
        /// The channel.
        #[arg(long)]
        channel: Option<ChannelName>,
    },
}

/// Runs one of them.
pub(super) async fn run(action: Action, api: &Api, output: &Output) -> Result<ExitCode, ClientError> {
    match action {
        Action::Publish {
            model,
            channel,
            note,
            override_reason,
            expected,
            request,
        } => {
            let expected = match expected {
                Some(release) => Some(ReleaseId(release)),
                None => current(&channel, api).await?.map(|release| release.id),
            };
            let body = NewRelease {
                project: Some(api.project().clone()),
                model: models::resolve(&model, api).await?.id,
                expected,
                note,
                override_reason,
                request: request.map(RequestId),
            };
            let release: Release = api.post(&["channels", channel.as_str(), "releases"], &body).await?;
            tell(&release, output);
        }
        Action::Undo { channel, note } => {
            let Some(release) = current(&channel, api).await? else {
                return Err(ClientError::NotFound(format!(
                    "nothing was published to {channel} yet, so there is nothing to undo"
                )));
            };
            let body = UndoRelease {
                project: Some(api.project().clone()),
                expected: release.id,
                note,
            };
            let release: Release = api.post(&["channels", channel.as_str(), "undo"], &body).await?;
            tell(&release, output);
        }
        Action::List { channel } => list(channel.as_ref(), api, output).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn current(channel: &ChannelName, api: &Api) -> Result<Option<Release>, ClientError> {
    let channel: Option<Channel> = api.find(&["channels", channel.as_str()]).await?;
    Ok(channel.and_then(|channel| channel.current))
}

fn tell(release: &Release, output: &Output) {
    if output.json {
        output.document(release);
    } else {
        output.line(&format!("{} now points at model {}", release.channel, release.model));
        output.line(&format!("release {} ({})", release.number, release.id));
    }
}

async fn list(channel: Option<&ChannelName>, api: &Api, output: &Output) -> Result<(), ClientError> {
    let query = channel.map(|channel| ("channel", channel.as_str()));
    let releases: Vec<Release> = api.get(&["releases"], query.as_slice()).await?;
    if output.json {
        output.document(&releases);
        return Ok(());
    }
    let row = |release: &Release| {
        let verdict = match &release.override_reason {
            Some(reason) => format!("{}, overridden: {reason}", output.verdict(release.verdict)),
            None => output.verdict(release.verdict),
        };
        let action = match release.action {
            ReleaseAction::Publish => "publish",
            ReleaseAction::Undo => "undo",
        };
        vec![
            release.channel.to_string(),
            release.number.to_string(),
            action.to_owned(),
            release.model.to_string(),
            verdict,
            moment(release.created_us),
            release.by.as_ref().map(ToString::to_string).unwrap_or_default(),
            release.note.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = releases.iter().map(row).collect();
    output.table(
        &["channel", "number", "action", "model", "verdict", "when", "by", "note"],
        &rows,
    );
    Ok(())
}
