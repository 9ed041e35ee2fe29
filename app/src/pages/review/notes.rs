//! What one should know before the numbers are read, one line each, where it applies.

use std::collections::BTreeMap;

use domain::report::EvaluationReport;
use leptos::prelude::*;

use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Notes(report: EvaluationReport) -> impl IntoView {
    let i18n = use_i18n();
    let training = &report.training;
    let mut lines = Vec::new();
    if training.cut_short {
        let (n, of) = (training.n_train, training.n_train_expected);
        lines.push(t!(i18n, notes.cut_short, n = n, of = of));
    }
    let mut moves: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for image in &report.sealed.relabelled {
        *moves.entry((image.from.as_str(), image.to.as_str())).or_default() += 1;
    }
    if !moves.is_empty() {
        let n = report.sealed.relabelled.len();
        let moves: Vec<String> = moves
            .into_iter()
            .map(|((from, to), n)| format!("{from} → {to}: {n}"))
            .collect();
        lines.push(t!(i18n, notes.relabelled, n = n, moves = moves.join(", ")));
    }
    let lines: Vec<_> = lines
        .into_iter()
        .map(|line| view! { <li class="flag">{line}</li> })
        .collect();
    (!lines.is_empty()).then(|| view! { <ul class="spaced">{lines}</ul> })
}
