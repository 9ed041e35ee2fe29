//! What happens to a job, in order: rows in the database, lines on the page, events on the wire.

use serde::{Deserialize, Serialize};

use crate::dataset::Finding;
use crate::gate::verdict::VerdictState;
use crate::ids::JobId;
use crate::job::{JobState, Stage};

/// One event of a job. `seq` rises by one within a job and is the SSE event id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(try_from = "Line")]
pub struct JobEvent {
    /// The job.
    pub job: JobId,
    /// 1, 2, 3, … within the job.
    pub seq: i64,
    /// The attempt it belongs to; 0 before the first.
    pub attempt: i64,
    /// When, microseconds since 1970, UTC.
    pub at_us: i64,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// The job changed its state.
    State {
        /// The new state.
        state: JobState,
        /// Why, where there is something to say.
        message: Option<String>,
    },
    /// A stage began.
    StageStarted {
        /// The stage.
        stage: Stage,
    },
    /// A stage ended.
    StageFinished {
        /// The stage.
        stage: Stage,
        /// Its duration.
        duration_ms: i64,
    },
    /// How far a stage is.
    Progress(Progress),
    /// Something a person should know.
    Finding {
        /// The finding.
        finding: Finding,
    },
    /// The gate decided.
    Verdict {
        /// The verdict.
        state: VerdictState,
        /// Its sentence.
        sentence: String,
    },
}

/// How far a stage is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Progress {
    /// The stage.
    pub stage: Stage,
    /// Done so far.
    pub done: i64,
    /// To do in all.
    pub total: i64,
    /// Items a second, averaged over the stage.
    pub rate_per_s: f64,
    /// Time left of the stage at that rate, milliseconds.
    pub left_ms: i64,
}

/// An event as it is on the wire: its kind beside the fields of all kinds.
///
/// What serde derives for a flattened enum buffers the whole line and reads every kind from the buffer by code of its own,
/// which is a great part of what a browser would have to load.
#[derive(Deserialize)]
struct Line {
    job: JobId,
    seq: i64,
    attempt: i64,
    at_us: i64,
    kind: String,
    state: Option<String>,
    message: Option<String>,
    stage: Option<Stage>,
    duration_ms: Option<i64>,
    done: Option<i64>,
    total: Option<i64>,
    rate_per_s: Option<f64>,
    left_ms: Option<i64>,
    finding: Option<Finding>,
    sentence: Option<String>,
}

impl TryFrom<Line> for JobEvent {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let kind = line.kind.as_str();
        let missing = || format!("an event of kind {kind:?} lacks a field");
        let state = line.state.as_deref().ok_or_else(missing);
        let stage = line.stage.ok_or_else(missing);
        let kind = match kind {
            "state" => EventKind::State {
                state: state?.parse()?,
                message: line.message,
            },
            "stage_started" => EventKind::StageStarted { stage: stage? },
            "stage_finished" => EventKind::StageFinished {
                stage: stage?,
                duration_ms: line.duration_ms.ok_or_else(missing)?,
            },
            "progress" => EventKind::Progress(Progress {
                stage: stage?,
                done: line.done.ok_or_else(missing)?,
                total: line.total.ok_or_else(missing)?,
                rate_per_s: line.rate_per_s.ok_or_else(missing)?,
                left_ms: line.left_ms.ok_or_else(missing)?,
            }),
            "finding" => EventKind::Finding {
                finding: line.finding.ok_or_else(missing)?,
            },
            "verdict" => EventKind::Verdict {
                state: state?.parse()?,
                sentence: line.sentence.ok_or_else(missing)?,
            },
            _ => return Err(format!("there is no event of kind {kind:?}")),
        };
        Ok(Self {
            job: line.job,
            seq: line.seq,
            attempt: line.attempt,
            at_us: line.at_us,
            kind,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::FindingKind;

    #[test]
    fn every_kind_comes_back_as_it_went() {
        let progress = Progress {
            stage: Stage::Extract,
            done: 3,
            total: 7,
            rate_per_s: 1.5,
            left_ms: 40,
        };
        let finding = Finding {
            kind: FindingKind::SplitConflict,
            name: "a.jpg".to_owned(),
            message: "twice".to_owned(),
            image: None,
        };
        let kinds = [
            EventKind::State {
                state: JobState::Failed,
                message: Some("why".to_owned()),
            },
            EventKind::State {
                state: JobState::Queued,
                message: None,
            },
            EventKind::StageStarted { stage: Stage::Gate },
            EventKind::StageFinished {
                stage: Stage::Train,
                duration_ms: 12,
            },
            EventKind::Progress(progress),
            EventKind::Finding { finding },
            EventKind::Verdict {
                state: VerdictState::Unproven,
                sentence: "s".to_owned(),
            },
        ];
        for (kind, seq) in kinds.into_iter().zip(1..) {
            let event = JobEvent {
                job: JobId("j".to_owned()),
                seq,
                attempt: 2,
                at_us: 5,
                kind,
            };
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<JobEvent>(&text).unwrap(), event, "{text}");
        }
    }

    #[test]
    fn what_is_no_event_says_why() {
        let read = |text: &str| serde_json::from_str::<JobEvent>(text).unwrap_err().to_string();
        let lacking = r#"{"job":"j","seq":1,"attempt":0,"at_us":0,"kind":"stage_started"}"#;
        assert!(read(lacking).contains("stage_started"), "{}", read(lacking));
        let unknown = r#"{"job":"j","seq":1,"attempt":0,"at_us":0,"kind":"party"}"#;
        assert!(read(unknown).contains("party"), "{}", read(unknown));
    }
}
