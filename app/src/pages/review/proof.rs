//! What must hold whatever the numbers are. Nobody overrides it.

use domain::report::{EvaluationReport, Fact};
use leptos::prelude::*;

use crate::components::panel::Panel;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Proof(report: EvaluationReport) -> impl IntoView {
    let i18n = use_i18n();
    let facts: Vec<_> = report
        .structural
        .facts
        .into_iter()
        .map(|fact| {
            let class = if fact.holds { "holds" } else { "broken" };
            let word = if fact.holds {
                t!(i18n, proof.holds).into_any()
            } else {
                t!(i18n, proof.broken).into_any()
            };
            let evidence = fact.evidence.clone();
            view! {
                <li class=class>
                    <span class="unseen">{word} ": "</span>
                    <div>
                        <FactName fact/>
                        <p class="dim" lang="en">{evidence}</p>
                    </div>
                </li>
            }
        })
        .collect();
    view! {
        <Panel
            id="proof"
            title=t!(i18n, proof.title).into_any()
            about=t!(i18n, proof.about).into_any()
        >
            <ul class="proof">{facts}</ul>
        </Panel>
    }
    .into_any()
}

#[component]
fn FactName(fact: Fact) -> impl IntoView {
    let i18n = use_i18n();
    match fact.id.as_str() {
        "backbone_unchanged" => t!(i18n, proof.backbone_unchanged).into_any(),
        "head_shape" => t!(i18n, proof.head_shape).into_any(),
        "size_as_predicted" => t!(i18n, proof.size_as_predicted).into_any(),
        "old_rows_bit_equal" => t!(i18n, proof.old_rows_bit_equal).into_any(),
        "old_classes_kept" => t!(i18n, proof.old_classes_kept).into_any(),
        "growth_only_allowed" => t!(i18n, proof.growth_only_allowed).into_any(),
        _ => view! { <code>{fact.id}</code> }.into_any(),
    }
}
