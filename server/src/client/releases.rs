//! `rehead releases …`

use std::process::ExitCode;

use clap::Subcommand;
use domain::api::{NewAnchor, NewRelease, UndoRelease};
use domain::ids::{ReleaseId, RequestId};
use domain::names::ChannelName;
use domain::release::{Channel, Release};

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
        /// Publish although the gate did not let it out, for this reason; it stands in the log. For reviewers who did not
        /// start its job; others publish on a reviewer's word, see `rehead models override`.
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
    /// List the moves of one channel, or of all, and what each channel's losses add up from.
    List {
        /// The channel.
        #[arg(long)]
        channel: Option<ChannelName>,
    },
    /// List the channels: what is live on each, and the release that its losses add up from.
    Channels,
    /// Pin the release that a channel's losses add up from, so that small harms do not add up unseen.
    Anchor {
        /// The release: its number in the channel, or its id.
        release: String,
        /// The channel.
        #[arg(long)]
        channel: ChannelName,
        /// A note for the log.
        #[arg(long, default_value = "")]
        note: String,
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
        Action::Channels => channels(api, output).await?,
        Action::Anchor { release, channel, note } => {
            let body = NewAnchor {
                project: Some(api.project().clone()),
                release: numbered(&release, &channel, api).await?,
                note,
            };
            let channel: Channel = api.put(&["channels", channel.as_str(), "anchor"], &body).await?;
            if output.json {
                output.document(&channel);
            } else {
                output.line(&from_anchor(&channel));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn current(channel: &ChannelName, api: &Api) -> Result<Option<Release>, ClientError> {
    let channel: Option<Channel> = api.find(&["channels", channel.as_str()]).await?;
    Ok(channel.and_then(|channel| channel.current))
}

/// A release of a channel by its number, or else by its id.
async fn numbered(release: &str, channel: &ChannelName, api: &Api) -> Result<ReleaseId, ClientError> {
    let Ok(number) = release.parse::<i64>() else {
        return Ok(ReleaseId(release.to_owned()));
    };
    let log: Vec<Release> = api.get(&["releases"], &[("channel", channel.as_str())]).await?;
    let found = log.into_iter().find(|release| release.number == number);
    found.map(|release| release.id).ok_or_else(|| {
        ClientError::NotFound(format!(
            "{channel} has no release {number}; `rehead releases list --channel {channel}` shows them"
        ))
    })
}

fn from_anchor(channel: &Channel) -> String {
    match &channel.anchor {
        Some(anchor) => format!(
            "{}: losses add up from release {} (model {})",
            channel.name, anchor.number, anchor.model
        ),
        None => format!("{}: nothing was published yet", channel.name),
    }
}

async fn channels(api: &Api, output: &Output) -> Result<(), ClientError> {
    let channels: Vec<Channel> = api.get(&["channels"], &[]).await?;
    if output.json {
        output.document(&channels);
        return Ok(());
    }
    let named = |release: &Option<Release>| {
        let told = |release: &Release| format!("{} ({})", release.number, release.model);
        release.as_ref().map_or_else(|| "–".to_owned(), told)
    };
    let row = |channel: &Channel| {
        let live = channel.current.as_ref();
        vec![
            channel.name.to_string(),
            named(&channel.current),
            live.map_or_else(|| "–".to_owned(), |release| output.verdict(release.verdict)),
            named(&channel.anchor),
        ]
    };
    let rows: Vec<Vec<String>> = channels.iter().map(row).collect();
    output.table(&["channel", "live", "verdict", "anchor"], &rows);
    Ok(())
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
            Some(reason) => {
                let by = release.override_by.as_ref().map(|by| format!(" by {by}"));
                let (verdict, by) = (output.verdict(release.verdict), by.unwrap_or_default());
                format!("{verdict}, overridden{by}: {reason}")
            }
            None => output.verdict(release.verdict),
        };
        vec![
            release.channel.to_string(),
            release.number.to_string(),
            release.action.as_str().to_owned(),
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
    let channels: Vec<Channel> = api.get(&["channels"], &[]).await?;
    for one in channels
        .iter()
        .filter(|one| channel.is_none_or(|channel| one.name == *channel))
    {
        output.note(&from_anchor(one));
    }
    Ok(())
}
