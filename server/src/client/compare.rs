//! Several models side by side, over the photos that all of them were judged on.

use domain::api::compare::{ComparedModel, LeftOutReason, ModelComparison};
use domain::names::ClassName;

use super::api::Api;
use super::error::ClientError;
use super::output::{Output, percent};

/// Prints it.
pub(super) async fn run(ids: &[String], tau: Option<f64>, api: &Api, output: &Output) -> Result<(), ClientError> {
    let (models, at) = (ids.join(","), tau.map(|tau| tau.to_string()));
    let mut query = vec![("models", models.as_str())];
    query.extend(at.as_deref().map(|at| ("tau", at)));
    let compared: ModelComparison = api.get(&["compare"], &query).await?;
    if output.json {
        output.document(&compared);
        return Ok(());
    }
    for one in &compared.left_out {
        output.note(&format!("{}: {}", one.model, why(one.reason)));
    }
    let common = &compared.common;
    if common.n_images == 0 {
        output.line(&nothing(&compared));
        return Ok(());
    }
    output.line(&format!(
        "on the {} photos ({} groups) that all were judged on; {} were not, {} are labelled differently; {}",
        common.n_images,
        common.n_groups,
        common.n_not_all,
        common.n_relabelled,
        tau.map_or_else(
            || "each model at its own thresholds".to_owned(),
            |tau| format!("every class at {tau}")
        )
    ));
    output.line(&format!("losses are counted against {}", compared.reference));
    output.line("");
    let rows: Vec<Vec<String>> = compared.models.iter().map(|model| overall(model, output)).collect();
    output.table(
        &[
            "model",
            "own gate",
            "top-1",
            "right",
            "wrong",
            "unknown",
            "lost",
            "worst class",
        ],
        &rows,
    );
    output.line("");
    let mut heads = vec!["class".to_owned()];
    heads.extend(compared.models.iter().map(|model| model.id.to_string()));
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let rows: Vec<Vec<String>> = compared
        .classes
        .iter()
        .map(|class| of_class(&compared, class))
        .collect();
    output.line("recall, precision, lost of what the reference accepts rightly");
    output.table(&heads, &rows);
    Ok(())
}

const fn why(reason: LeftOutReason) -> &'static str {
    match reason {
        LeftOutReason::Missing => "there is no such model",
        LeftOutReason::Twice => "named twice, shown once",
        LeftOutReason::TooMany => "left out, since ten models are compared at most",
        LeftOutReason::NoScores => "left out, since its package has no answers photo by photo",
    }
}

fn nothing(compared: &ModelComparison) -> String {
    match &compared.common.apart {
        Some([a, b]) => {
            format!("no photo was judged by all of these models; {a} and {b} share none: compare without one of them")
        }
        None => "no photo with the same label was judged by all of these models; compare fewer of them".to_owned(),
    }
}

fn overall(model: &ComparedModel, output: &Output) -> Vec<String> {
    let metrics = &model.counted.metrics;
    let (n, x) = model
        .counted
        .lost
        .iter()
        .fold((0, 0), |(n, x), loss| (n + loss.images.n, x + loss.images.x));
    let worst = model
        .counted
        .lost
        .iter()
        .filter_map(|loss| loss.upper)
        .max_by(f64::total_cmp);
    let is_reference = model.counted.lost.is_empty();
    vec![
        model.id.to_string(),
        output.verdict(model.verdict.state),
        percent(Some(metrics.top1)),
        metrics.n_accepted_right.to_string(),
        metrics.n_accepted_wrong.to_string(),
        metrics.n_unknown.to_string(),
        if is_reference {
            "–".to_owned()
        } else {
            format!("{x} of {n}")
        },
        worst.map_or_else(|| "–".to_owned(), |upper| format!("≤ {}", percent(Some(upper)))),
    ]
}

fn of_class(compared: &ModelComparison, class: &ClassName) -> Vec<String> {
    let cell = |model: &ComparedModel| {
        let counted = &model.counted;
        let Some(metrics) = counted.metrics.per_class.iter().find(|metrics| metrics.class == *class) else {
            return "–".to_owned();
        };
        let lost = counted.lost.iter().find(|loss| loss.class == *class);
        let lost = lost.map(|loss| format!(", lost {} of {}", loss.images.x, loss.images.n));
        format!(
            "{}, {}{}",
            percent(metrics.recall),
            percent(metrics.precision),
            lost.unwrap_or_default()
        )
    };
    let mut row = vec![class.to_string()];
    row.extend(compared.models.iter().map(cell));
    row
}
