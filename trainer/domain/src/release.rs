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

/// One move of a channel, or of its anchor. Never changed, never removed.
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
    /// The model that the channel points at, or for an anchor the model that losses add up from.
    pub model: ModelId,
    /// The model that stood there before.
    pub previous_model: Option<ModelId>,
    /// What it did.
    pub action: ReleaseAction,
    /// For an undo: the release that it took back.
    pub undoes: Option<ReleaseId>,
    /// For an anchor: the release that losses add up from since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchors: Option<ReleaseId>,
    /// What the gate had said of the model.
    pub verdict: VerdictState,
    /// Why it was published although the gate had not passed it.
    pub override_reason: Option<String>,
    /// Who gave that reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_by: Option<UserName>,
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
    /// Chose the release that losses add up from; what the channel points at stayed.
    Anchor,
}

impl ReleaseAction {
    /// The word used in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Undo => "undo",
            Self::Anchor => "anchor",
        }
    }
}

impl std::str::FromStr for ReleaseAction {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Publish, Self::Undo, Self::Anchor]
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or_else(|| format!("{text:?} is nothing that a release does"))
    }
}

/// The publication that stands on a channel and the one before it, none where there is none before; `log` holds the moves
/// of one channel, newest first. An undo takes back the publication that stood, so that undoing twice goes back twice; an
/// anchor moves nothing.
pub fn standing<'a>(log: impl DoubleEndedIterator<Item = &'a Release>) -> Option<(&'a Release, &'a Release)> {
    let mut stack: Vec<&Release> = Vec::new();
    for release in log.rev() {
        match release.action {
            ReleaseAction::Publish => stack.push(release),
            ReleaseAction::Undo => drop(stack.pop()),
            ReleaseAction::Anchor => {}
        }
    }
    let top = stack.pop()?;
    stack.pop().map(|before| (top, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(id: &str, model: &str, action: ReleaseAction) -> Release {
        Release {
            id: ReleaseId(id.to_owned()),
            project: ProjectId("p".to_owned()),
            channel: ChannelName::new("production").unwrap(),
            number: 0,
            model: ModelId(model.to_owned()),
            previous_model: None,
            action,
            undoes: None,
            anchors: None,
            verdict: VerdictState::Pass,
            override_reason: None,
            override_by: None,
            note: String::new(),
            request: None,
            by: None,
            created_us: 0,
        }
    }

    #[test]
    fn undoing_twice_goes_back_twice() {
        let next =
            |log: &[Release]| standing(log.iter()).map(|(top, before)| (top.id.0.clone(), before.model.0.clone()));
        let mut log = vec![
            release("3", "c", ReleaseAction::Publish),
            release("2", "b", ReleaseAction::Publish),
            release("1", "a", ReleaseAction::Publish),
        ];
        assert_eq!(next(&log), Some(("3".to_owned(), "b".to_owned())));
        log.insert(0, release("4", "b", ReleaseAction::Undo));
        assert_eq!(next(&log), Some(("2".to_owned(), "a".to_owned())));
        log.insert(0, release("5", "b", ReleaseAction::Anchor));
        assert_eq!(
            next(&log),
            Some(("2".to_owned(), "a".to_owned())),
            "an anchor moves nothing"
        );
        log.insert(0, release("6", "a", ReleaseAction::Undo));
        assert_eq!(next(&log), None, "nothing before the first");
        log.insert(0, release("7", "d", ReleaseAction::Publish));
        assert_eq!(next(&log), Some(("7".to_owned(), "a".to_owned())));
    }

    #[test]
    fn actions_are_read_as_they_are_written() {
        for action in [ReleaseAction::Publish, ReleaseAction::Undo, ReleaseAction::Anchor] {
            assert_eq!(action.as_str().parse(), Ok(action));
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
        }
        assert!("moved".parse::<ReleaseAction>().is_err());
    }
}
