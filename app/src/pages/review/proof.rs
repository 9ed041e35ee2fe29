//! What must hold whatever the numbers are. Nobody overrides it.

use domain::report::{EvaluationReport, Fact};
use leptos::prelude::*;

use crate::components::panel::Panel;
use crate::components::view;
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
                t!(i18n, proof.holds)
            } else {
                t!(i18n, proof.broken)
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
            title=t!(i18n, proof.title)
            about=t!(i18n, proof.about)
        >
            <ul class="proof">{facts}</ul>
        </Panel>
    }
}

#[component]
fn FactName(fact: Fact) -> impl IntoView {
    let i18n = use_i18n();
    match fact.id.as_str() {
        "backbone_unchanged" => t!(i18n, proof.backbone_unchanged),
        "head_shape" => t!(i18n, proof.head_shape),
        "size_as_predicted" => t!(i18n, proof.size_as_predicted),
        "old_rows_bit_equal" => t!(i18n, proof.old_rows_bit_equal),
        "old_classes_kept" => t!(i18n, proof.old_classes_kept),
        "growth_only_allowed" => t!(i18n, proof.growth_only_allowed),
        _ => view! { <code>{fact.id}</code> },
    }
}
