//! Why the gate said what it said of a model.

use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::metrics::FlipRates;
use domain::model::Model;
use domain::report::EvaluationReport;
use serde::Serialize;

use crate::client::api::Api;
use crate::client::error::ClientError;
use crate::client::output::{Output, percent};

/// Prints the verdict, then what stands against it, then what holds.
pub(super) async fn run(model: &Model, api: &Api, output: &Output) -> Result<(), ClientError> {
    let verdict: Verdict = api.get(&["models", &model.id.0, "verdict"], &[]).await?;
    let report: EvaluationReport = api.get(&["models", &model.id.0, "report"], &[]).await?;
    let flips = Flips::of(&report);
    if output.json {
        output.document(&Explained {
            verdict: &verdict,
            flips,
        });
        return Ok(());
    }
    output.line(&format!("model {}: {}", model.id, output.verdict(verdict.state)));
    output.line(&verdict.sentence);
    output.line(&format!(
        "Each bound is made at α′ = {} (policy {}).",
        verdict.alpha_per_look,
        verdict.policy.short()
    ));
    for (state, title) in [
        (VerdictState::Fail, "Harm is shown"),
        (VerdictState::Unproven, "Neither harm nor safety is shown"),
        (VerdictState::Pass, "Holds"),
    ] {
        let checks: Vec<&Check> = verdict.checks.iter().filter(|check| check.verdict == state).collect();
        if checks.is_empty() {
            continue;
        }
        output.line("");
        output.line(&format!("{title} ({}):", checks.len()));
        for check in checks {
            let class = check
                .class
                .as_ref()
                .map_or_else(String::new, |class| format!(" {class}"));
            output.line(&format!("  {}{class}: {}", check.id.as_str(), check.sentence));
        }
    }
    if let Some(flips) = flips {
        output.line("");
        output.line(&format!(
            "Flips, reported and never decisive: {} of {} photos that were right are lost ({}), {} are won; McNemar's exact \
             p is {:.3}.",
            flips.negative,
            flips.n_right,
            percent(flips.rates.conditional_negative_flip_rate),
            flips.positive,
            flips.rates.mcnemar_p
        ));
    }
    Ok(())
}

/// A verdict and what is reported beside it.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
    /// None without a baseline.
    flips: Option<Flips>,
}

/// Photos of old classes that changed between right and wrong.
#[derive(Serialize)]
struct Flips {
    n_right: u64,
    /// Right before, lost now.
    negative: u64,
    /// Wrong before, right now.
    positive: u64,
    #[serde(flatten)]
    rates: FlipRates,
}

impl Flips {
    fn of(report: &EvaluationReport) -> Option<Self> {
        let comparison = report.comparison.as_ref()?;
        let old = report.classes.iter().filter(|class| !class.is_new);
        Some(Self {
            n_right: comparison.n_right,
            negative: comparison.negative_flips.len() as u64,
            positive: comparison.n_positive_flips,
            rates: FlipRates::of(comparison, old.map(|class| class.n_images).sum()),
        })
    }
}
