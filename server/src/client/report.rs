//! A model's report as a table: class by class, baseline beside candidate, and the gate's sentences.

use domain::gate::policy::CheckId;
use domain::gate::verdict::{Check, Verdict};
use domain::model::{ClassRole, Model};
use domain::overrides::Outlook;
use domain::report::{ClassMetrics, EvaluationReport, ModelMetrics};

use super::api::Api;
use super::error::ClientError;
use super::output::{Output, percent};

/// Prints it; with `--json` the report's exact bytes.
pub(super) async fn run(model: &Model, api: &Api, output: &Output) -> Result<(), ClientError> {
    let segments = ["models", model.id.0.as_str(), "report"];
    if output.json {
        output.raw(&api.get_bytes(&segments, &[]).await?);
        return Ok(());
    }
    let report: EvaluationReport = api.get(&segments, &[]).await?;
    let verdict: Verdict = api.get(&["models", &model.id.0, "verdict"], &[]).await?;
    output.line(&format!("model {}", model.id));
    output.line(&overall("candidate", &report.candidate));
    if let Some(baseline) = &report.baseline {
        output.line(&overall("baseline", baseline));
    }
    output.line(&format!(
        "sealed     {} images in {} groups{}",
        report.sealed.n_images,
        report.sealed.n_groups,
        if report.sealed.n_images < report.sealed.n_expected {
            format!(", {} expected", report.sealed.n_expected)
        } else {
            String::new()
        }
    ));
    output.line("");
    output.table(&HEADER, &class_rows(&report, &verdict, output));
    output.line("");
    for check in &verdict.checks {
        output.line(&format!("{}: {}", output.verdict(check.verdict), check.sentence));
    }
    output.line("");
    output.line(&format!("verdict: {}", output.verdict(verdict.state)));
    output.line(&verdict.sentence);
    let outlook: Outlook = api.get(&["models", &model.id.0, "overrides"], &[]).await?;
    for word in &outlook.overrides {
        output.line(&format!("overridden by {}: {}", word.by, word.reason));
    }
    Ok(())
}

fn overall(name: &str, metrics: &ModelMetrics) -> String {
    format!(
        "{name:<10} top-1 {} of {}; accepted {} rightly, {} wrongly; {} unknown",
        percent(Some(metrics.top1)),
        metrics.n_known,
        metrics.n_accepted_right,
        metrics.n_accepted_wrong,
        metrics.n_unknown
    )
}

const HEADER: [&str; 9] = [
    "class",
    "images",
    "recall before",
    "recall",
    "precision",
    "AP",
    "lost groups",
    "bound",
    "verdict",
];

fn class_rows(report: &EvaluationReport, verdict: &Verdict, output: &Output) -> Vec<Vec<String>> {
    let dash = || "–".to_owned();
    let row = |class: &domain::report::ReportClass| {
        let find = |metrics: &ModelMetrics| -> Option<ClassMetrics> {
            metrics
                .per_class
                .iter()
                .find(|metrics| metrics.class == class.name)
                .cloned()
        };
        let candidate = find(&report.candidate);
        let baseline = report.baseline.as_ref().and_then(find);
        let comparison = report.comparison.as_ref();
        let loss = comparison.and_then(|all| all.old_classes.iter().find(|loss| loss.class == class.name));
        let of_class = |check: &&Check| check.class.as_ref() == Some(&class.name);
        let checks: Vec<&Check> = verdict.checks.iter().filter(of_class).collect();
        let name = match class.role {
            ClassRole::Accept if class.is_new && report.baseline.is_some() => format!("{} (new)", class.name),
            ClassRole::Accept => class.name.to_string(),
            ClassRole::Reject => format!("{} (reject)", class.name),
        };
        vec![
            name,
            class.n_images.to_string(),
            percent(baseline.and_then(|metrics| metrics.recall)),
            percent(candidate.as_ref().and_then(|metrics| metrics.recall)),
            percent(candidate.as_ref().and_then(|metrics| metrics.precision)),
            candidate
                .and_then(|metrics| metrics.average_precision)
                .map_or_else(dash, |ap| format!("{ap:.3}")),
            loss.map_or_else(dash, |loss| format!("{} of {}", loss.groups.x, loss.groups.n)),
            checks.first().and_then(|check| bound(check)).unwrap_or_else(dash),
            worst(&checks).map_or_else(dash, |check| output.verdict(check.verdict)),
        ]
    };
    report.classes.iter().map(row).collect()
}

/// The bound that decides a check, against its limit; rounded so that it never looks better than it is.
fn bound(check: &Check) -> Option<String> {
    let limit = percent(Some(check.limit));
    match check.id {
        CheckId::OldClassLoss | CheckId::AnchorLoss | CheckId::FalseNew | CheckId::NegativeFlips => {
            let upper = (check.upper? * 1_000.0).ceil() / 1_000.0;
            Some(format!("≤ {} (limit {limit})", percent(Some(upper))))
        }
        CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision => {
            let lower = (check.lower? * 1_000.0).floor() / 1_000.0;
            Some(format!("≥ {} (floor {limit})", percent(Some(lower))))
        }
        CheckId::Structural
        | CheckId::Coverage
        | CheckId::RecallChange
        | CheckId::Calibration
        | CheckId::Latency
        | CheckId::Size
        | CheckId::Looks => None,
    }
}

fn worst<'a>(checks: &[&'a Check]) -> Option<&'a Check> {
    use domain::gate::verdict::VerdictState::{Fail, Pass, Unproven};
    [Fail, Unproven, Pass]
        .into_iter()
        .find_map(|state| checks.iter().find(|check| check.verdict == state).copied())
}
