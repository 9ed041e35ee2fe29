//! Comma-separated values (RFC 4180).

use domain::gate::verdict::Verdict;
use domain::model::ClassRole;
use domain::report::EvaluationReport;

/// One row a class.
pub(super) fn classes(report: &EvaluationReport, verdict: &Verdict) -> String {
    let mut ids: Vec<&str> = Vec::new();
    for check in verdict.checks.iter().filter(|check| check.class.is_some()) {
        if !ids.contains(&check.id.as_str()) {
            ids.push(check.id.as_str());
        }
    }
    let head = [
        "class",
        "role",
        "is_new",
        "tau",
        "n_images",
        "n_groups",
        "baseline_true_accepts",
        "true_accepts",
        "false_accepts",
        "recall",
        "precision",
        "average_precision",
        "lost_images",
        "lost_of_images",
        "lost_groups",
        "lost_of_groups",
    ];
    let mut text = line(head.iter().copied().chain(ids.iter().copied()).map(ToOwned::to_owned));
    for (class, now) in report.classes.iter().zip(&report.candidate.per_class) {
        let baseline = report.baseline.as_ref();
        let before = baseline.and_then(|baseline| baseline.per_class.iter().find(|other| other.class == class.name));
        let losses = report.comparison.iter().flat_map(|comparison| &comparison.old_classes);
        let loss = losses.clone().find(|loss| loss.class == class.name);
        let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let count = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        let role = match class.role {
            ClassRole::Accept => "accept",
            ClassRole::Reject => "reject",
        };
        let cells = [
            class.name.to_string(),
            role.to_owned(),
            class.is_new.to_string(),
            class.tau.to_string(),
            class.n_images.to_string(),
            class.n_groups.to_string(),
            count(before.map(|before| before.true_accepts)),
            now.true_accepts.to_string(),
            now.false_accepts.to_string(),
            number(now.recall),
            number(now.precision),
            number(now.average_precision),
            count(loss.map(|loss| loss.images.x)),
            count(loss.map(|loss| loss.images.n)),
            count(loss.map(|loss| loss.groups.x)),
            count(loss.map(|loss| loss.groups.n)),
        ];
        let states = ids.iter().map(|id| {
            let mine = verdict
                .checks
                .iter()
                .find(|check| check.id.as_str() == *id && check.class.as_ref() == Some(&class.name));
            mine.map(|check| check.verdict.as_str().to_owned()).unwrap_or_default()
        });
        text += &line(cells.into_iter().chain(states));
    }
    text
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A name that a spreadsheet would take for a formula is told apart by an apostrophe.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t']) && cell.parse::<f64>().is_err();
    let cell = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stay_cells() {
        assert_eq!(quoted("fu-ma"), "fu-ma");
        assert_eq!(quoted("-0.5"), "-0.5");
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
