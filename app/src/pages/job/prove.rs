//! What the sealed photos can prove, before a second is spent on training.

use domain::gate::policy::{CheckId, GatePolicy};
use domain::report::EvaluationReport;
use domain::stats::{least_n, lower_bound, upper_bound};
use leptos::prelude::*;

use super::JobView;
use crate::components::number::{percent, percent_down, percent_up};
use crate::components::panel::Panel;
use crate::components::table::{Column, DataTable};
use crate::components::view;
use crate::language::{t, use_i18n};

/// What one class could come to in the best case.
#[derive(Clone, Debug, PartialEq)]
struct Prospect {
    class: String,
    n: u64,
    /// `n` counts photos; near-duplicates make fewer groups of them.
    at_most: bool,
    /// The best bound, worded.
    bound: String,
    limit: f64,
    can_pass: bool,
    /// Further groups with which it could pass.
    more: u64,
}

/// The best case of every class: nothing lost, everything recognised.
fn prospects(shown: &JobView, report: &EvaluationReport) -> Vec<Prospect> {
    let policy: &GatePolicy = &shown.job.spec.policy;
    let alpha = policy.alpha_per_look();
    let check = |id: CheckId| policy.checks.iter().find(|check| check.id == id);
    let mut prospects = Vec::new();
    if let Some(check) = check(CheckId::OldClassLoss) {
        for metrics in &report.candidate.per_class {
            let (n, limit) = (metrics.groups_recalled, check.limit_for(&metrics.class));
            let bound = upper_bound(0, n, alpha);
            prospects.push(Prospect {
                class: metrics.class.to_string(),
                n,
                at_most: false,
                bound: format!("≤ {} %", percent_up(bound)),
                limit,
                can_pass: n > 0 && bound <= limit,
                more: least_n(limit, alpha).saturating_sub(n),
            });
        }
    }
    if let Some(check) = check(CheckId::NewRecall) {
        for (class, n) in new_sealed(shown, report) {
            let limit = check.limit;
            let bound = lower_bound(n, n, alpha);
            prospects.push(Prospect {
                class,
                n,
                at_most: true,
                bound: format!("≥ {} %", percent_down(bound)),
                limit,
                can_pass: n > 0 && bound >= limit,
                // All of n right is a miss rate of at most 1 − limit.
                more: least_n(1.0 - limit, alpha).saturating_sub(n),
            });
        }
    }
    prospects.sort_by(|a, b| a.can_pass.cmp(&b.can_pass).then(a.n.cmp(&b.n)));
    prospects
}

/// Sealed photos of the classes that the baseline does not have. Near-duplicates among them count once, so there may be
/// fewer groups.
fn new_sealed(shown: &JobView, report: &EvaluationReport) -> Vec<(String, u64)> {
    let mut sealed: Vec<(String, u64)> = Vec::new();
    for count in shown.versions.iter().flat_map(|version| &version.classes) {
        if report.classes.iter().all(|known| known.name != count.class) {
            let n = u64::try_from(count.sealed).unwrap_or_default();
            match sealed.iter_mut().find(|(class, _)| class == count.class.as_str()) {
                Some((_, all)) => *all += n,
                None => sealed.push((count.class.to_string(), n)),
            }
        }
    }
    sealed
}

#[component]
pub(super) fn Prove(shown: JobView, report: EvaluationReport) -> impl IntoView {
    let i18n = use_i18n();
    let prospects = prospects(&shown, &report);
    let short = prospects.iter().filter(|prospect| !prospect.can_pass).count();
    let summary = if short == 0 {
        view! { <p class="sentence">{t!(i18n, prove.enough)}</p> }
    } else {
        view! { <p class="flag"><strong>{t!(i18n, prove.short, n = short)}</strong></p> }
    };
    let rows: Vec<_> = prospects
        .into_iter()
        .map(|prospect| {
            let more = (!prospect.can_pass).then(|| t!(i18n, prove.more, n = prospect.more));
            view! {
                <tr>
                    <th scope="row">{prospect.class}</th>
                    <td class="n">{prospect.at_most.then_some("≤ ")} {prospect.n}</td>
                    <td class="n">{prospect.bound}</td>
                    <td class="n">{percent(prospect.limit)} " %"</td>
                    <td>
                        {match more {
                            Some(more) => view! { <span class="tag unproven">{more}</span> },
                            None => view! { <span class="tag pass">{t!(i18n, prove.can)}</span> },
                        }}
                    </td>
                </tr>
            }
        })
        .collect();
    view! {
        <Panel id="prove" title=t!(i18n, prove.title) about=t!(i18n, prove.about)>
            {summary}
            <DataTable
                labelled_by="prove-title"
                columns=vec![
                    Column::text(t!(i18n, classes.class)),
                    Column::number(t!(i18n, prove.groups)),
                    Column::number(t!(i18n, prove.best)),
                    Column::number(t!(i18n, prove.limit)),
                    Column::unseen(t!(i18n, classes.state)),
                ]
                rows=rows.into_any()
            />
        </Panel>
    }
}
