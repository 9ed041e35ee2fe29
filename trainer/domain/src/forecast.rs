//! How long a job will take, stage by stage, from what stages took before: rates with their spread, not promises.

use serde::{Deserialize, Serialize};

use crate::job::{HeadMode, Stage, StageTime};

/// What the time of a job depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// How the head is made.
    pub mode: HeadMode,
    /// Images of the job.
    pub n_images: u64,
    /// Images whose features are not cached.
    pub n_missing: u64,
    /// Images in `train`.
    pub n_train: u64,
    /// Images in `calibration` and `sealed`.
    pub n_measured: u64,
    /// Classes that are learned.
    pub n_learned: u64,
    /// All classes.
    pub n_classes: u64,
    /// L2 weights that are tried.
    pub n_weights: u64,
}

impl Work {
    /// How much of it falls to a stage, in units whose time is about the same from job to job.
    #[must_use]
    pub const fn units(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Fetch => self.n_images,
            Stage::Extract => self.n_missing,
            // A pass costs what classes and images cost; the fixed cost of a fit is that of some hundred images.
            Stage::Train => (self.n_train + 200) * self.n_learned * self.n_weights,
            Stage::Evaluate => (self.n_measured + 1_000) * self.n_classes,
            Stage::Gate | Stage::Package => self.n_classes,
        }
    }

    /// Under which word the times of a stage are kept: fits of different modes are of different kinds.
    #[must_use]
    pub const fn kind(&self, stage: Stage) -> &'static str {
        match (stage, self.mode) {
            (Stage::Train, HeadMode::Append) => "append",
            (Stage::Train, HeadMode::Cold) => "cold",
            (Stage::Train, HeadMode::Refit) => "refit",
            _ => stage.as_str(),
        }
    }

    /// What a job that took these times shows of the rates.
    #[must_use]
    pub fn rates(&self, times: &[StageTime]) -> Vec<Rate> {
        let rate = |time: &StageTime| Rate {
            kind: self.kind(time.stage).to_owned(),
            units: self.units(time.stage),
            duration_ms: time.duration_ms,
        };
        times.iter().map(rate).filter(|rate| rate.units > 0).collect()
    }
}

/// A stage that ran once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rate {
    /// As [`Work::kind`] names it.
    pub kind: String,
    /// As [`Work::units`] counts them.
    pub units: u64,
    /// Milliseconds.
    pub duration_ms: i64,
}

/// Milliseconds that something will take: in nine of ten runs between `low_ms` and `high_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Span {
    /// Lower end.
    pub low_ms: u64,
    /// The middle.
    pub typical_ms: u64,
    /// Upper end.
    pub high_ms: u64,
}

/// A stage's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageForecast {
    /// The stage.
    pub stage: Stage,
    /// How long it will take.
    pub span: Span,
    /// Runs that this rests on; 0 where nothing like it ran here yet.
    pub n_runs: u64,
}

/// Whether a job will end in time with everything done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InTime {
    /// Even at the upper ends nothing is cut short.
    Yes,
    /// At the upper ends something is, at the lower ones nothing.
    Maybe,
    /// Even at the lower ends the job would be cut short.
    No,
}

/// How long a job will take, against its deadline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Forecast {
    /// Stages in order.
    pub stages: Vec<StageForecast>,
    /// All together.
    pub total: Span,
    /// The job's deadline.
    pub deadline_ms: u64,
    /// Whether it is kept.
    pub in_time: InTime,
    /// Images that must be read.
    pub n_missing: u64,
    /// Of those, about how many there is time for.
    pub n_readable: u64,
    /// A deadline that would do; none where no allowed one would.
    pub enough_ms: Option<u64>,
}

/// When the stages that can be cut must be over, milliseconds since the job started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBudget {
    /// Reading photos.
    pub extract_until_ms: u64,
    /// Fitting.
    pub train_until_ms: u64,
}

impl TimeBudget {
    /// Training and what follows it get a fifth and a twentieth of the time, within bounds that suit minutes and seconds.
    #[must_use]
    pub fn of(deadline_ms: u64) -> Self {
        let train_ms = (deadline_ms / 5).clamp(300, 30_000);
        let rest_ms = (deadline_ms / 20).clamp(250, 10_000);
        let train_until_ms = deadline_ms.saturating_sub(rest_ms);
        Self {
            extract_until_ms: train_until_ms.saturating_sub(train_ms),
            train_until_ms,
        }
    }
}

/// Deadlines are proposed in steps that a person would choose.
const STEP_MS: u64 = 5_000;

/// The most recent runs that a rate is taken from.
pub const MOST_RUNS: usize = 20;

/// What follows for `work` from earlier runs, newest first.
///
/// `guess_ms` is what a unit of a stage takes where nothing like it has run yet: milliseconds, and rightly within a factor
/// of three.
#[must_use]
pub fn forecast(
    work: &Work,
    history: &[Rate],
    guess_ms: &dyn Fn(Stage) -> f64,
    deadline_ms: u64,
    most_ms: u64,
) -> Forecast {
    let stage = |stage: Stage| {
        let kind = work.kind(stage);
        let alike = history.iter().filter(|rate| rate.kind == kind && rate.units > 0);
        let logs: Vec<f64> = alike.take(MOST_RUNS).map(per_unit).collect();
        StageForecast {
            stage,
            span: span(work.units(stage), &logs, guess_ms(stage)),
            n_runs: logs.len() as u64,
        }
    };
    let stages: Vec<StageForecast> = Stage::ALL.into_iter().map(stage).collect();
    // Ends added up hold more than nine of ten, since stages are seldom all slow or all fast at once.
    let sum = |of: fn(&Span) -> u64| stages.iter().map(|stage| of(&stage.span)).sum::<u64>();
    let total = Span {
        low_ms: sum(|span| span.low_ms),
        typical_ms: sum(|span| span.typical_ms),
        high_ms: sum(|span| span.high_ms),
    };
    let in_time = in_time(&stages, total, deadline_ms);
    let mut steps = (1..=most_ms / STEP_MS).map(|step| step * STEP_MS);
    let enough_ms = steps.find(|enough_ms| self::in_time(&stages, total, *enough_ms) == InTime::Yes);
    Forecast {
        n_missing: work.n_missing,
        n_readable: readable(work, &stages, deadline_ms),
        enough_ms,
        stages,
        total,
        deadline_ms,
        in_time,
    }
}

/// A job is cut at the ends that [`TimeBudget`] gives its stages, not at its deadline alone.
fn in_time(stages: &[StageForecast], total: Span, deadline_ms: u64) -> InTime {
    let until = |last: Stage, of: fn(&Span) -> u64| -> u64 {
        let run = stages.iter().filter(|stage| stage.stage <= last);
        run.map(|stage| of(&stage.span)).sum()
    };
    let budget = TimeBudget::of(deadline_ms);
    let ends = [
        (Stage::Extract, budget.extract_until_ms),
        (Stage::Train, budget.train_until_ms),
    ];
    let keeps = |of: fn(&Span) -> u64| {
        of(&total) <= deadline_ms && ends.iter().all(|(stage, end_ms)| until(*stage, of) <= *end_ms)
    };
    match (keeps(|span| span.high_ms), keeps(|span| span.low_ms)) {
        (true, _) => InTime::Yes,
        (false, true) => InTime::Maybe,
        (false, false) => InTime::No,
    }
}

/// The logarithm of the milliseconds a unit took; what took no measurable time took half of the least measurable one.
fn per_unit(rate: &Rate) -> f64 {
    let duration_ms = u32::try_from(rate.duration_ms).map_or(f64::from(u32::MAX), f64::from);
    (duration_ms.max(0.5) / real(rate.units)).ln()
}

/// Below this nothing is measured exactly: starts, threads, a disk that has something else to do.
const SLACK_MS: f64 = 40.0;
/// Rates of one machine differ by as much even where nothing else runs.
const LEAST_DEVIATION: f64 = 0.12;

fn span(units: u64, logs: &[f64], guess_ms: f64) -> Span {
    if units == 0 {
        return Span {
            low_ms: 0,
            typical_ms: 0,
            high_ms: whole(SLACK_MS),
        };
    }
    let n = real(logs.len() as u64);
    let (middle, reach) = match logs.len() {
        0 => (guess_ms.ln(), 3.0_f64.ln()),
        // Too few to say how much they differ.
        1 | 2 => (logs.iter().sum::<f64>() / n, 1.8_f64.ln()),
        _ => {
            let mean = logs.iter().sum::<f64>() / n;
            let square = logs.iter().map(|log| (log - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let deviation = square.sqrt().max(LEAST_DEVIATION);
            (mean, quantile(logs.len() - 1) * deviation * (1.0 + 1.0 / n).sqrt())
        }
    };
    let at = |log: f64| log.exp() * real(units);
    Span {
        low_ms: whole((at(middle - reach) - SLACK_MS / 2.0).max(0.0)),
        typical_ms: whole(at(middle)),
        high_ms: whole(at(middle + reach) + SLACK_MS),
    }
}

/// Student's t at 95 %, one-sided, by degrees of freedom.
fn quantile(freedom: usize) -> f64 {
    const TABLE: [f64; 10] = [6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812];
    match freedom {
        0 => f64::INFINITY,
        1..=10 => TABLE[freedom - 1],
        11..=20 => 1.77,
        _ => 1.71,
    }
}

/// Images there is time for until photos are read no more.
fn readable(work: &Work, stages: &[StageForecast], deadline_ms: u64) -> u64 {
    let typical_ms = |wanted: Stage| {
        let found = stages.iter().find(|stage| stage.stage == wanted);
        found.map_or(0, |stage| stage.span.typical_ms)
    };
    let extract_ms = typical_ms(Stage::Extract);
    if extract_ms == 0 {
        return work.n_missing;
    }
    let left_ms = TimeBudget::of(deadline_ms)
        .extract_until_ms
        .saturating_sub(typical_ms(Stage::Fetch));
    whole(real(work.n_missing) * (real(left_ms) / real(extract_ms)).min(1.0))
}

#[expect(clippy::cast_precision_loss, reason = "counts and milliseconds are far below 2^53")]
const fn real(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "not negative, and a cast saturates"
)]
const fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORK: Work = Work {
        mode: HeadMode::Append,
        n_images: 1_000,
        n_missing: 200,
        n_train: 600,
        n_measured: 400,
        n_learned: 1,
        n_classes: 9,
        n_weights: 6,
    };

    fn extraction(units: u64, duration_ms: i64) -> Rate {
        Rate {
            kind: "extract".to_owned(),
            units,
            duration_ms,
        }
    }

    fn told(work: &Work, history: &[Rate], deadline_ms: u64) -> Forecast {
        forecast(work, history, &|_| 0.01, deadline_ms, 900_000)
    }

    #[test]
    fn a_span_narrows_with_what_was_seen() {
        let extract = |history: &[Rate]| told(&WORK, history, 60_000).stages[1];
        let none = extract(&[]);
        assert_eq!((none.n_runs, none.span.typical_ms), (0, 2));
        let one = extract(&[extraction(100, 1_000)]).span;
        assert_eq!((one.low_ms, one.typical_ms, one.high_ms), (1_091, 2_000, 3_640));
        let alike: Vec<Rate> = (0..12).map(|i| extraction(100 + i, 1_000 + 10 * i as i64)).collect();
        let many = extract(&alike).span;
        assert!(many.low_ms > 1_500 && many.high_ms < 2_600, "{many:?}");
        // Nothing to do takes nothing.
        let cached = Work { n_missing: 0, ..WORK };
        assert_eq!(told(&cached, &alike, 60_000).stages[1].span.typical_ms, 0);
    }

    #[test]
    fn nine_of_ten_runs_fall_into_the_span() {
        // Rates that differ by a fifth, drawn by a rule; the next run is predicted from those before.
        let noise = |i: u64| ((i * 7_919 % 1_000) as f64 / 1_000.0 - 0.5) * 0.7;
        let runs: Vec<Rate> = (0..60)
            .map(|i| {
                let units = 50 + i * 13 % 400;
                extraction(units, (real(units) * 8.0 * noise(i).exp()) as i64)
            })
            .collect();
        let held = (5..60).filter(|next| {
            let before: Vec<Rate> = runs[..*next].iter().rev().cloned().collect();
            let work = Work {
                n_missing: runs[*next].units,
                ..WORK
            };
            let span = told(&work, &before, 60_000).stages[1].span;
            let took = u64::try_from(runs[*next].duration_ms).unwrap();
            (span.low_ms..=span.high_ms).contains(&took)
        });
        assert!(held.count() >= 50, "of 55");
    }

    #[test]
    fn what_cannot_be_kept_says_what_would_do() {
        let history: Vec<Rate> = (0..6).map(|_| extraction(100, 10_000)).collect();
        let late = told(&WORK, &history, 5_000);
        assert_eq!(late.in_time, InTime::No);
        assert!((20..60).contains(&late.n_readable), "{late:?}");
        let enough = late.enough_ms.unwrap();
        assert!(enough.is_multiple_of(5_000) && told(&WORK, &history, enough).in_time == InTime::Yes);
        let endless = Work {
            n_missing: 100_000,
            ..WORK
        };
        assert_eq!(told(&endless, &history, 900_000).enough_ms, None);
        assert_eq!(told(&WORK, &history, 27_000).in_time, InTime::Maybe);
    }

    #[test]
    fn a_job_leaves_its_rates() {
        let time = |stage, duration_ms| StageTime { stage, duration_ms };
        let rates = WORK.rates(&[time(Stage::Extract, 900), time(Stage::Train, 300)]);
        assert_eq!(rates[0], extraction(200, 900));
        assert_eq!((rates[1].kind.as_str(), rates[1].units), ("append", 4_800));
        let cached = Work { n_missing: 0, ..WORK };
        assert!(cached.rates(&[time(Stage::Extract, 3)]).is_empty(), "nothing was read");
    }
}
