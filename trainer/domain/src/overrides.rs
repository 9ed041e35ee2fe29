//! A reviewer's word on a model that the gate's verdict alone does not let out.
//!
//! A word outweighs the grounds that there were when it was given, and no others: where another model has gone live in the
//! meantime, nobody has looked at that yet.

use serde::{Deserialize, Serialize};

use crate::gate::verdict::VerdictState;
use crate::ids::{ModelId, OverrideId};
use crate::names::{ChannelName, UserName};

/// The shortest reason for an override and the longest, in characters.
pub const REASON_CHARS: std::ops::RangeInclusive<usize> = 10..=1000;

/// Why a release needs a reviewer's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum GroundKind {
    /// The verdict is not *pass*.
    Verdict,
    /// It was judged by limits that are nobody's but its job's own.
    OwnPolicy,
    /// It was never measured against what is live on the channel.
    OtherBaseline,
    /// What it lost since the channel's anchor was never counted.
    UncountedAnchor,
}

/// One reason why a release needs a reviewer's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ground {
    /// Which.
    pub kind: GroundKind,
    /// The channel, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// What is live there, or its anchor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<ModelId>,
    /// What is wrong, in one plain sentence.
    pub sentence: String,
}

impl Ground {
    /// Whether it is the same thing: how it is told does not matter.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.kind, &self.channel, &self.other) == (other.kind, &other.channel, &other.other)
    }
}

/// A reviewer's word. Never changed, never removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Override {
    /// Identifier.
    pub id: OverrideId,
    /// The model.
    pub model: ModelId,
    /// Who gave it.
    pub by: UserName,
    /// Why it may go out all the same.
    pub reason: String,
    /// What the gate had said.
    pub verdict: VerdictState,
    /// What it outweighs.
    pub grounds: Vec<Ground>,
    /// When, microseconds since 1970, UTC.
    pub created_us: i64,
}

impl Override {
    /// Whether it outweighs all of these.
    #[must_use]
    pub fn covers(&self, grounds: &[Ground]) -> bool {
        grounds
            .iter()
            .all(|ground| self.grounds.iter().any(|mine| mine.is(ground)))
    }
}

/// Let a model out on a reviewer's word.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewOverride {
    /// Why, 10 to 1000 characters; it stands in the log for ever.
    pub reason: String,
}

/// What stands between a model and its channels, and what whoever asks may do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outlook {
    /// Words that were given, newest first.
    pub overrides: Vec<Override>,
    /// The model's structure failed its check: no word outweighs that.
    pub structural_failure: bool,
    /// Whoever asks may publish in the project.
    pub may_publish: bool,
    /// Whoever asks may override verdicts in the project.
    pub may_override: bool,
    /// Whoever asks made or started the job behind the model, or one that it descends from.
    pub is_own_job: bool,
    /// What each channel still asks for; channels by name.
    pub channels: Vec<ChannelOutlook>,
    /// What a channel asks for that has no release yet.
    pub elsewhere: Vec<Ground>,
}

/// What a channel still asks for before it takes a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ChannelOutlook {
    /// The channel.
    pub channel: ChannelName,
    /// The grounds that no word outweighs yet; empty where nothing stands in the way.
    pub grounds: Vec<Ground>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(kind: GroundKind, other: Option<&str>, sentence: &str) -> Ground {
        Ground {
            kind,
            channel: other.map(|_| ChannelName::new("production").unwrap()),
            other: other.map(|id| ModelId(id.to_owned())),
            sentence: sentence.to_owned(),
        }
    }

    #[test]
    fn a_word_outweighs_what_it_was_given_on_and_nothing_else() {
        let verdict = ground(GroundKind::Verdict, None, "It is unproven.");
        let live = ground(GroundKind::OtherBaseline, Some("a"), "Never measured against a.");
        let word = Override {
            id: OverrideId("o".to_owned()),
            model: ModelId("m".to_owned()),
            by: UserName::new("rita").unwrap(),
            reason: "seen by a reviewer".to_owned(),
            verdict: VerdictState::Unproven,
            grounds: vec![verdict.clone(), live.clone()],
            created_us: 1,
        };
        let told_otherwise = ground(GroundKind::Verdict, None, "told otherwise");
        let moved = ground(GroundKind::OtherBaseline, Some("b"), "Never measured against b.");
        for (grounds, covered) in [
            (vec![], true),
            (vec![verdict.clone()], true),
            (vec![told_otherwise, live], true),
            (vec![verdict, moved], false),
            (vec![ground(GroundKind::OwnPolicy, None, "")], false),
        ] {
            assert_eq!(word.covers(&grounds), covered, "{grounds:?}");
        }
    }
}
