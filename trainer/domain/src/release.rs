//! Channels and the append-only log of their moves.

use serde::{Deserialize, Serialize};

use crate::gate::verdict::VerdictState;
use crate::ids::{ModelId, ProjectId, ReleaseId, RequestId};
use crate::names::{ChannelName, UserName};

/// A name that clients follow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Channel {
    /// Project.
    pub project: ProjectId,
    /// Name, unique in the project.
    pub name: ChannelName,
    /// The release it points at; none before the first.
    pub current: Option<Release>,
    /// The release that losses add up from: the pinned one, else the first; none before the first.
    #[serde(default)]
    pub anchor: Option<Release>,
}

/// One move of a channel. Never changed, never removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Release {
    /// Identifier.
    pub id: ReleaseId,
    /// Project.
    pub project: ProjectId,
    /// The channel that moved.
    pub channel: ChannelName,
    /// 1, 2, 3, … within the channel.
    pub number: i64,
    /// The model it points at.
    pub model: ModelId,
    /// The model it pointed at before.
    pub previous_model: Option<ModelId>,
    /// Publish or undo.
    pub action: ReleaseAction,
    /// For an undo: the release that it took back.
    pub undoes: Option<ReleaseId>,
    /// What the gate had said of the model.
    pub verdict: VerdictState,
    /// Why it was published although the gate had not passed it.
    pub override_reason: Option<String>,
    /// The releaser's note.
    pub note: String,
    /// The rapid response it answers.
    pub request: Option<RequestId>,
    /// Who moved the channel; none for releases older than accounts.
    #[serde(default)]
    pub by: Option<UserName>,
    /// When, microseconds since 1970, UTC.
    pub created_us: i64,
}

/// What a release did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReleaseAction {
    /// Pointed the channel at a model.
    Publish,
    /// Put the previous model back.
    Undo,
}

impl ReleaseAction {
    /// The word used in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Undo => "undo",
        }
    }
}
