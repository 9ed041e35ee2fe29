//! Comma-separated values (RFC 4180).

use domain::gate::verdict::{Check, Verdict};
use domain::model::ClassRole;
use domain::names::ClassName;
use domain::report::{Answer, EvaluationReport, ModelMetrics};

/// What a check says of a class, in the columns of its id.
const OF_CHECK: [&str; 5] = ["", "_value", "_lower", "_upper", "_limit"];

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
        "baseline_false_accepts",
        "false_accepts",
        "baseline_recall",
        "recall",
        "baseline_precision",
        "precision",
        "baseline_average_precision",
        "average_precision",
        "lost_images",
        "lost_of_images",
        "lost_groups",
        "lost_of_groups",
    ];
    let of_ids = ids.iter().flat_map(|id| OF_CHECK.map(|what| format!("{id}{what}")));
    let mut text = line(head.map(ToOwned::to_owned).into_iter().chain(of_ids));
    for (class, now) in report.classes.iter().zip(&report.candidate.per_class) {
        let baseline = report.baseline.as_ref();
        let before = baseline.and_then(|baseline| baseline.per_class.iter().find(|other| other.class == class.name));
        let mut losses = report.comparison.iter().flat_map(|comparison| &comparison.old_classes);
        let loss = losses.find(|loss| loss.class == class.name);
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
            told(before.map(|before| before.true_accepts)),
            now.true_accepts.to_string(),
            told(before.map(|before| before.false_accepts)),
            now.false_accepts.to_string(),
            told(before.and_then(|before| before.recall)),
            told(now.recall),
            told(before.and_then(|before| before.precision)),
            told(now.precision),
            told(before.and_then(|before| before.average_precision)),
            told(now.average_precision),
            told(loss.map(|loss| loss.images.x)),
            told(loss.map(|loss| loss.images.n)),
            told(loss.map(|loss| loss.groups.x)),
            told(loss.map(|loss| loss.groups.n)),
        ];
        let checked = ids.iter().flat_map(|id| {
            let mut checks = verdict.checks.iter();
            of_check(checks.find(|check| check.id.as_str() == *id && check.class.as_ref() == Some(&class.name)))
        });
        text += &line(cells.into_iter().chain(checked));
    }
    text
}

/// In the order of [`OF_CHECK`].
fn of_check(check: Option<&Check>) -> [String; OF_CHECK.len()] {
    check.map_or_else(Default::default, |check| {
        [
            check.verdict.as_str().to_owned(),
            told(check.value),
            told(check.lower),
            told(check.upper),
            check.limit.to_string(),
        ]
    })
}

/// One row a check.
pub(super) fn checks(verdict: &Verdict) -> String {
    let head = [
        "check",
        "class",
        "verdict",
        "value",
        "lower",
        "upper",
        "limit",
        "x_groups",
        "n_groups",
        "groups_needed",
        "alpha",
        "sentence",
        "sentence_zh",
    ];
    let mut text = line(head.map(ToOwned::to_owned).into_iter());
    for check in &verdict.checks {
        let cells = [
            check.id.as_str().to_owned(),
            told(check.class.as_ref()),
            check.verdict.as_str().to_owned(),
            told(check.value),
            told(check.lower),
            told(check.upper),
            check.limit.to_string(),
            check.x.to_string(),
            check.n.to_string(),
            told(check.groups_needed),
            verdict.alpha_per_look.to_string(),
            check.sentence.clone(),
            check.sentence_zh.clone(),
        ];
        text += &line(cells.into_iter());
    }
    text
}

/// One row a model and true class, one column an answer. No class can be called unknown.
pub(super) fn confusion(report: &EvaluationReport) -> String {
    let names: Vec<&ClassName> = report.classes.iter().map(|class| &class.name).collect();
    let answers = names.iter().map(ToString::to_string);
    let head = ["model".to_owned(), "class".to_owned()].into_iter().chain(answers);
    let mut text = line(head.chain(["unknown".to_owned()]));
    let models = [
        ("candidate", Some(&report.candidate)),
        ("baseline", report.baseline.as_ref()),
    ];
    for (who, model) in models {
        let Some(model) = model else { continue };
        for (class, row) in names.iter().zip(&model.confusion) {
            let cells = names.iter().map(|name| answered(model, row, name));
            let unknown = row.last().map(ToString::to_string).unwrap_or_default();
            let first = [who.to_owned(), class.to_string()].into_iter();
            text += &line(first.chain(cells).chain([unknown]));
        }
    }
    text
}

/// Photos that were answered with this class; nothing where the model does not know it.
fn answered(model: &ModelMetrics, row: &[u64], name: &ClassName) -> String {
    let column = model.classes.iter().position(|class| class == name);
    told(column.and_then(|column| row.get(column)))
}

/// One row a photo that was right and is not any more.
pub(super) fn flips(report: &EvaluationReport) -> String {
    let head = [
        "image",
        "class",
        "before",
        "before_probability",
        "before_accepted",
        "after",
        "after_probability",
        "after_accepted",
    ];
    let mut text = line(head.map(ToOwned::to_owned).into_iter());
    let flips = report
        .comparison
        .iter()
        .flat_map(|comparison| &comparison.negative_flips);
    for flip in flips {
        let answer = |answer: &Answer| {
            [
                answer.class.to_string(),
                answer.probability.to_string(),
                answer.accepted.to_string(),
            ]
        };
        let first = [flip.image.to_string(), flip.class.to_string()].into_iter();
        text += &line(first.chain(answer(&flip.before)).chain(answer(&flip.after)));
    }
    text
}

fn told(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.map(|cell| quoted(&cell)).collect();
    format!("{}\r\n", cells.join(","))
}

/// A name that a spreadsheet would take for a formula is told apart by an apostrophe; a number stays one.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_number = cell.parse::<f64>().is_ok_and(f64::is_finite);
    let cell = if is_formula && !is_number {
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
    use super::super::html::tests::{CLASS, hostile};
    use super::*;

    #[test]
    fn cells_stay_cells() {
        for (cell, expected) in [
            ("fu-ma", "fu-ma"),
            ("-0.5", "-0.5"),
            ("+1e-7", "+1e-7"),
            ("=1+1", "'=1+1"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-2+3", "'-2+3"),
            ("-inf", "'-inf"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("＝1+1", "'＝1+1"),
            ("=HYPERLINK(\"a\",\"b\")", "\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\""),
            ("a,\"b\"", "\"a,\"\"b\"\"\""),
        ] {
            assert_eq!(quoted(cell), expected);
        }
    }

    /// The cells of each row, as a reader of RFC 4180 takes them.
    fn parsed(table: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut chars = table.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
                '"' => is_quoted = !is_quoted,
                ',' if !is_quoted => row.push(std::mem::take(&mut cell)),
                '\r' if !is_quoted => {}
                '\n' if !is_quoted => {
                    row.push(std::mem::take(&mut cell));
                    rows.push(std::mem::take(&mut row));
                }
                c => cell.push(c),
            }
        }
        rows
    }

    #[test]
    fn no_table_holds_a_formula_and_all_rows_are_as_long_as_their_head() {
        let review = hostile("=cmd|' /C calc'!A0, \"and\"\nmore");
        let (report, verdict) = (&review.report, &review.verdict);
        let tables = [
            (classes(report, verdict), 4),
            (checks(verdict), 5),
            (confusion(report), 7),
            (flips(report), 3),
        ];
        for (table, n_rows) in &tables {
            let rows = parsed(table);
            assert_eq!(rows.len(), *n_rows, "{table}");
            for row in &rows {
                assert_eq!(row.len(), rows[0].len(), "{row:?}");
                assert!(
                    row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@'])),
                    "{row:?}"
                );
            }
            assert!(rows.iter().flatten().any(|cell| cell == CLASS), "{table}");
        }
        let (head, of_checks) = (&parsed(&tables[0].0)[0], &parsed(&tables[1].0)[1]);
        assert_eq!(of_checks[11], "'=cmd|' /C calc'!A0, \"and\"\nmore");
        for column in [
            "old_class_loss",
            "old_class_loss_value",
            "old_class_loss_lower",
            "old_class_loss_upper",
            "old_class_loss_limit",
            "baseline_precision",
            "baseline_average_precision",
        ] {
            assert!(head.iter().any(|cell| cell == column), "{column}: {head:?}");
        }
        let baseline = &parsed(&tables[2].0)[4];
        assert_eq!(
            (baseline[0].as_str(), baseline[4].as_str(), baseline[5].as_str()),
            ("baseline", "", "1")
        );
    }
}
