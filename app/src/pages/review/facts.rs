//! Six figures, each of what and out of how many.

use domain::gate::policy::CheckId;
use domain::job::HeadMode;
use leptos::prelude::*;

use super::{Candidate, Judgement};
use crate::components::number::{bytes, percent, percent_down, share};
use crate::components::time::duration;
use crate::components::view;
use crate::language::{t, use_i18n};

#[component]
pub(super) fn Facts(candidate: Candidate, judged: Memo<Judgement>) -> impl IntoView {
    let i18n = use_i18n();
    let is_clone = candidate.report.comparison.is_some();
    let took = candidate
        .job
        .started_us
        .zip(candidate.job.finished_us)
        .map(|(started_us, finished_us)| duration(finished_us - started_us));
    let n_images = candidate.report.training.n_train;
    let head_bytes = candidate
        .model
        .files
        .iter()
        .find(|file| file.name == "head.safetensors")
        .map_or(0, |file| file.size_bytes);
    // What is proven is proven of the model as it is.
    let proven = candidate.verdict.checks.iter();
    let proven = proven
        .filter(|check| check.id == CheckId::NewRecall)
        .filter_map(|check| check.lower)
        .min_by(f64::total_cmp);
    let new_recall = move || {
        judged.with(|judged| {
            let report = &judged.report;
            let new: Vec<_> = report
                .classes
                .iter()
                .zip(&report.candidate.per_class)
                .filter(|(class, _)| class.is_new)
                .map(|(_, metrics)| metrics)
                .collect();
            let (right, n) = new
                .iter()
                .fold((0, 0), |(right, n), class| (right + class.true_accepts, n + class.n));
            let lower = proven.filter(|_| !judged.is_moved);
            (share(right, n), lower)
        })
    };
    let losses = move || {
        judged.with(|judged| {
            let comparison = judged.report.comparison.as_ref();
            comparison.map_or((0, 0, 0, 0), |comparison| {
                let lost: u64 = comparison.old_classes.iter().map(|class| class.images.x).sum();
                (lost, comparison.n_right, comparison.n_forbidden, comparison.false_new.x)
            })
        })
    };
    let totals = move || {
        judged.with(|judged| {
            let candidate = &judged.report.candidate;
            (
                candidate.top1,
                candidate.n_accepted_right,
                candidate.n_accepted_wrong,
                judged.report.sealed.n_images,
            )
        })
    };
    // What an append cannot do, a refit may.
    let moved = if candidate.report.training.mode == HeadMode::Refit {
        t!(i18n, facts.may_move)
    } else {
        t!(i18n, facts.moved)
    };
    let change = if is_clone {
        view! {
            <div>
                <dt>
                    {move || {
                        let lower = new_recall().1.map_or_else(|| "–".to_owned(), percent_down);
                        t!(i18n, facts.recall, lower = lower)
                    }}
                </dt>
                <dd>{move || new_recall().0.map_or_else(|| "–".to_owned(), percent)} " %"</dd>
            </div>
            <div>
                <dt>{t!(i18n, facts.lost)}</dt>
                <dd>{move || losses().0} " " <small>{move || t!(i18n, facts.of, n = losses().1)}</small></dd>
            </div>
            <div>
                <dt>{moved}</dt>
                <dd>{move || losses().2}</dd>
            </div>
            <div>
                <dt>{t!(i18n, facts.false_new)}</dt>
                <dd>{move || losses().3}</dd>
            </div>
        }
    } else {
        view! {
            <div>
                <dt>{t!(i18n, facts.top1)}</dt>
                <dd>{move || percent(totals().0)} " %"</dd>
            </div>
            <div>
                <dt>{t!(i18n, facts.right)}</dt>
                <dd>{move || totals().1} " " <small>{move || t!(i18n, facts.of, n = totals().3)}</small></dd>
            </div>
            <div>
                <dt>{t!(i18n, facts.wrong)}</dt>
                <dd>{move || totals().2}</dd>
            </div>
        }
    };
    view! {
        <dl class="figures">
            {change}
            {took
                .map(|took| {
                    view! {
                        <div>
                            <dt>{t!(i18n, facts.took, n = n_images)}</dt>
                            <dd>{took}</dd>
                        </div>
                    }
                })}
            <div>
                <dt>{t!(i18n, facts.head)}</dt>
                <dd>{bytes(head_bytes)}</dd>
            </div>
        </dl>
    }
}
