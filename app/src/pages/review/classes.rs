//! Every class with what it had, what it has, and how sure that is.

use domain::gate::policy::{CheckId, GatePolicy};
use domain::gate::shown::Bound;
use domain::gate::verdict::{Check, Verdict, VerdictState};
use domain::model::ClassRole;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::Judgement;
use crate::components::charts::bound::BoundBar;
use crate::components::check::check_name;
use crate::components::number::{percent, percent_down, percent_up, share};
use crate::components::panel::Panel;
use crate::components::table::{Column, DataTable};
use crate::components::verdict::VerdictTag;
use crate::components::{live, view};
use crate::language::{Locale, filled, t, use_i18n};

/// One class as a row shows it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    name: String,
    is_reject: bool,
    is_new: bool,
    /// Sealed photos.
    n: u64,
    /// Accepted rightly by the baseline, of how many.
    before: Option<(u64, u64)>,
    /// Accepted rightly by the candidate, of how many.
    now: (u64, u64),
    lost: Option<u64>,
    check: Option<(Check, Option<Bound>)>,
}

impl Row {
    /// What the candidate accepts more than the baseline, in percent of the photos.
    #[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
    fn change(&self) -> Option<f64> {
        let (before, n) = self.before.filter(|(_, n)| *n > 0)?;
        Some((self.now.0 as f64 - before as f64) / n as f64 * 100.0)
    }

    /// How far the bound is on the wrong side: 0 where nothing can be wrong.
    fn risk(&self) -> f64 {
        let bound = self.check.as_ref().and_then(|(_, bound)| *bound);
        bound.map_or(
            1.0,
            |bound| if bound.is_floor { 1.0 - bound.share } else { bound.share },
        )
    }

    fn severity(&self) -> u8 {
        self.check.as_ref().map_or(0, |(check, _)| severity(check.verdict))
    }
}

fn rows(judged: &Judgement, verdict: &Verdict) -> Vec<Row> {
    let report = &judged.report;
    let check_of = |name: &str, ids: &[CheckId]| {
        let mine = |check: &&Check| {
            ids.contains(&check.id) && check.class.as_ref().is_some_and(|class| class.as_str() == name)
        };
        // The first of equals: that is the check one looks for.
        let worst = verdict
            .checks
            .iter()
            .filter(mine)
            .fold(None, |worst: Option<&Check>, check| match worst {
                Some(worst) if severity(worst.verdict) >= severity(check.verdict) => Some(worst),
                _ => Some(check),
            });
        worst.map(|check| (check.clone(), verdict.bound(check)))
    };
    let mut rows: Vec<Row> = report
        .classes
        .iter()
        .zip(&report.candidate.per_class)
        .map(|(class, metrics)| {
            let name = class.name.as_str();
            let baseline = report.baseline.as_ref();
            let before =
                baseline.and_then(|baseline| baseline.per_class.iter().find(|other| other.class == class.name));
            let comparison = report.comparison.as_ref();
            let loss =
                comparison.and_then(|comparison| comparison.old_classes.iter().find(|old| old.class == class.name));
            Row {
                name: name.to_owned(),
                is_reject: class.role == ClassRole::Reject,
                is_new: class.is_new,
                n: metrics.n,
                before: before.map(|metrics| (metrics.true_accepts, metrics.n)),
                now: (metrics.true_accepts, metrics.n),
                lost: loss.map(|loss| loss.images.x),
                check: if class.is_new && comparison.is_some() {
                    check_of(name, &[CheckId::NewRecall, CheckId::NewPrecision])
                } else {
                    check_of(
                        name,
                        &[
                            CheckId::OldClassLoss,
                            CheckId::RecallChange,
                            CheckId::AnchorLoss,
                            CheckId::ClassRecall,
                            CheckId::ClassPrecision,
                        ],
                    )
                },
            }
        })
        .collect();
    // The worst first; what is new stays on top of it.
    rows.sort_by(|a, b| {
        (b.is_new, b.severity())
            .cmp(&(a.is_new, a.severity()))
            .then(b.risk().total_cmp(&a.risk()))
            .then_with(|| a.name.cmp(&b.name))
    });
    rows
}

pub(super) const fn severity(state: VerdictState) -> u8 {
    match state {
        VerdictState::Fail => 2,
        VerdictState::Unproven => 1,
        VerdictState::Pass => 0,
    }
}

/// What the rows stand in order of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Name,
    N,
    Before,
    Now,
    Change,
    Lost,
    Bound,
    /// As [`rows`] has them: the worst last where it rises.
    Verdict,
}

impl Order {
    /// The way one wants to see it first: names from a on, what is worst at the top.
    const fn rises_first(self) -> bool {
        matches!(self, Self::Name | Self::Before | Self::Now | Self::Change)
    }

    fn sort(self, rises: bool, rows: &mut [Row]) {
        let share_of = |count: Option<(u64, u64)>| count.and_then(|(right, n)| share(right, n)).unwrap_or(-1.0);
        #[expect(clippy::cast_precision_loss, reason = "counts of photos are far below 2^53")]
        let key = |row: &Row| match self {
            Self::Name | Self::Verdict => 0.0,
            Self::N => row.n as f64,
            Self::Before => share_of(row.before),
            Self::Now => share_of(Some(row.now)),
            Self::Change => row.change().unwrap_or(f64::MAX),
            Self::Lost => row.lost.map_or(-1.0, |lost| lost as f64),
            Self::Bound => row.risk(),
        };
        match self {
            Self::Verdict => rows.reverse(),
            Self::Name => rows.sort_by(|a, b| a.name.cmp(&b.name)),
            _ => rows.sort_by(|a, b| key(a).total_cmp(&key(b))),
        }
        if !rises {
            rows.reverse();
        }
    }
}

#[component]
pub(super) fn Classes(judged: Memo<Judgement>, verdict: Verdict, policy: GatePolicy) -> impl IntoView {
    let i18n = use_i18n();
    let is_clone = judged.with_untracked(|judged| judged.report.comparison.is_some());
    let about = {
        let policy = policy.name;
        move || {
            let policy = policy.clone();
            let n = judged.with(|judged| judged.report.sealed.n_images);
            t!(i18n, classes.about, n = n, policy = policy)
        }
    };
    let order = RwSignal::new((Order::Verdict, false));
    let body = move || {
        let mut rows = judged.with(|judged| rows(judged, &verdict));
        let (by, rises) = order.get();
        by.sort(rises, &mut rows);
        rows.into_iter()
            .map(|row| view! { <ClassRow row is_clone/> })
            .collect::<Vec<_>>()
    };
    let press = move |by: Order| {
        order.update(|(before, rises)| {
            *rises = if *before == by { !*rises } else { by.rises_first() };
            *before = by;
        });
    };
    let column = |make: fn(AnyView) -> Column, text: AnyView, by: Order| {
        let head = view! {
            <button type="button" class="sort" on:click=move |_| press(by)>{text}</button>
        };
        let sorted = move || {
            let (chosen, rises) = order.get();
            (chosen == by).then_some(if rises { "ascending" } else { "descending" })
        };
        make(head).sorted(Signal::derive(sorted))
    };
    let columns = [
        Some(column(Column::text, t!(i18n, classes.class), Order::Name)),
        Some(column(Column::number, t!(i18n, classes.n), Order::N)),
        is_clone.then(|| column(Column::number, t!(i18n, classes.before), Order::Before)),
        Some(column(Column::number, t!(i18n, classes.now), Order::Now)),
        is_clone.then(|| column(Column::number, t!(i18n, classes.change), Order::Change)),
        is_clone.then(|| column(Column::number, t!(i18n, classes.lost), Order::Lost)),
        Some(column(Column::text, t!(i18n, classes.bound), Order::Bound)),
        Some(column(Column::text, t!(i18n, classes.verdict), Order::Verdict)),
    ];
    let columns = columns.into_iter().flatten().collect();
    view! {
        <Panel
            id="classes"
            wide=true
            title=t!(i18n, classes.title)
            about=live(about)
        >
            // What was judged is not shown beside numbers that were not.
            <div class:unjudged=move || judged.with(|judged| judged.is_moved)>
                <DataTable
                    labelled_by="classes-title"
                    columns=columns
                    rows=live(body)
                    folds=true
                />
            </div>
        </Panel>
    }
}

#[component]
fn ClassRow(row: Row, is_clone: bool) -> impl IntoView {
    let i18n = use_i18n();
    let of = |(right, n): (u64, u64)| share(right, n).map_or_else(|| "–".to_owned(), percent);
    let none = || "–".to_owned();
    let change = row.change().map_or_else(none, |change| {
        let text = percent(change.abs() / 100.0);
        let sign = if text == "0" || change == 0.0 {
            ""
        } else if change < 0.0 {
            "−"
        } else {
            "+"
        };
        format!("{sign}{text}")
    });
    let lost = row.lost.map_or_else(none, |lost| lost.to_string());
    let kind = if row.is_new && is_clone {
        Some(t!(i18n, classes.new))
    } else if row.is_reject {
        Some(t!(i18n, classes.reject))
    } else {
        None
    };
    let before = row.before.map_or_else(none, of);
    let (bound, state) = row.check.map(|(check, bound)| judged_cells(check, bound)).unzip();
    let heads = (
        move || t_string!(i18n, classes.n).to_string(),
        move || t_string!(i18n, classes.before).to_string(),
        move || t_string!(i18n, classes.now).to_string(),
        move || t_string!(i18n, classes.change).to_string(),
        move || t_string!(i18n, classes.lost).to_string(),
    );
    view! {
        <tr>
            <th scope="row">
                <b>{row.name}</b>
                {kind.map(|kind| view! { " " <span class="dim">{kind}</span> })}
            </th>
            <td class="n" data-head=heads.0>{row.n}</td>
            {is_clone.then(|| view! { <td class="n" data-head=heads.1>{before}</td> })}
            <td class="n" data-head=heads.2>{of(row.now)}</td>
            {is_clone.then(|| view! { <td class="n" data-head=heads.3>{change}</td> })}
            {is_clone.then(|| view! { <td class="n" data-head=heads.4>{lost}</td> })}
            <td class="wide-cell">{bound}</td>
            <td class="state-cell">{state}</td>
        </tr>
    }
}

/// The bar against its limit, with both as numbers and the check named where it is not the loss; and the verdict.
fn judged_cells(check: Check, bound: Option<Bound>) -> (AnyView, AnyView) {
    let i18n = use_i18n();
    let limit = percent(check.limit);
    let bar = bound.map(|bound| {
        let text = if bound.is_least {
            format!("≥ {} %", percent_down(bound.share))
        } else {
            format!("≤ {} %", percent_up(bound.share))
        };
        // Twice a loss's own limit shows what is near and what is far.
        let full = if bound.is_floor {
            1.0
        } else {
            (2.0 * check.limit).clamp(0.01, 1.0)
        };
        let label = if bound.is_floor {
            t_string!(i18n, classes.floor_label)
        } else {
            t_string!(i18n, classes.limit_label)
        };
        let label = filled(label, &[("bound", &text), ("limit", &limit)]);
        let of_limit = if bound.is_floor {
            t!(i18n, classes.of_floor, bound = text, limit = limit)
        } else {
            t!(i18n, classes.of_limit, bound = text, limit = limit)
        };
        view! {
            <BoundBar bound=bound.share limit=check.limit full state=check.verdict label/>
            <span class="n">{of_limit}</span>
        }
    });
    let name =
        (check.id != CheckId::OldClassLoss).then(|| view! { <span class="dim">{check_name(i18n, check.id)}</span> });
    let is_zh = i18n.get_locale_untracked() == Locale::zh && !check.sentence_zh.is_empty();
    let sentence = if is_zh { check.sentence_zh } else { check.sentence };
    (
        view! { <span class="bound-cell">{bar} {name}</span> },
        view! { <span title=sentence><VerdictTag state=check.verdict/></span> },
    )
}
