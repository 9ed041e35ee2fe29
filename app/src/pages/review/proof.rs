//! What must hold whatever the numbers are. Nobody overrides it.

use domain::report::{EvaluationReport, StructuralFacts};
use leptos::prelude::*;

use crate::components::panel::Panel;
use crate::components::view;
use crate::language::{I18n, t, use_i18n};

#[component]
pub(super) fn Proof(report: EvaluationReport) -> impl IntoView {
    let i18n = use_i18n();
    let facts = report.structural.facts;
    let is_missing = |id: &&&str| facts.iter().all(|fact| fact.id != **id);
    let missing: Vec<_> = StructuralFacts::expected(report.training.mode)
        .iter()
        .filter(is_missing)
        .map(|id| row(i18n, id, "missing", t!(i18n, proof.missing), String::new()))
        .collect();
    let facts: Vec<_> = facts
        .into_iter()
        .map(|fact| {
            if fact.holds {
                row(i18n, &fact.id, "holds", t!(i18n, proof.holds), fact.evidence)
            } else {
                row(i18n, &fact.id, "broken", t!(i18n, proof.broken), fact.evidence)
            }
        })
        .collect();
    view! {
        <Panel
            id="proof"
            title=t!(i18n, proof.title)
            about=t!(i18n, proof.about)
        >
            <ul class="proof">{missing} {facts}</ul>
        </Panel>
    }
}

/// One fact; what is missing says so where others have their evidence.
fn row(i18n: I18n, id: &str, class: &'static str, word: AnyView, evidence: String) -> AnyView {
    let name = match id {
        "backbone_unchanged" => t!(i18n, proof.backbone_unchanged),
        "head_shape" => t!(i18n, proof.head_shape),
        "size_as_predicted" => t!(i18n, proof.size_as_predicted),
        "old_rows_bit_equal" => t!(i18n, proof.old_rows_bit_equal),
        "old_classes_kept" => t!(i18n, proof.old_classes_kept),
        "growth_only_allowed" => t!(i18n, proof.growth_only_allowed),
        other => view! { <code>{other.to_owned()}</code> },
    };
    let (word, evidence) = if evidence.is_empty() {
        (None, view! { <p class="dim">{word}</p> })
    } else {
        let word = view! { <span class="unseen">{word} ": "</span> };
        (Some(word), view! { <p class="dim" lang="en">{evidence}</p> })
    };
    view! { <li class=class>{word} <div>{name} {evidence}</div></li> }
}
