//! Every class with what it had, what it has, and how sure that is.

use domain::gate::policy::{CheckId, GatePolicy};
use domain::gate::verdict::{Check, VerdictState};
use domain::model::ClassRole;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::Judgement;
use crate::components::charts::bound::BoundBar;
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
    /// Accepted rightly by the baseline, of how many.
    before: Option<(u64, u64)>,
    /// Accepted rightly by the candidate, of how many.
    now: (u64, u64),
    lost: Option<u64>,
    check: Option<Check>,
}

fn rows(judged: &Judgement) -> Vec<Row> {
    let report = &judged.report;
    let checks = &judged.verdict.checks;
    let check_of = |name: &str, ids: &[CheckId]| {
        let mine = |check: &&Check| {
            ids.contains(&check.id) && check.class.as_ref().is_some_and(|class| class.as_str() == name)
        };
        // The first of equals: that is the check one looks for.
        let worst = checks
            .iter()
            .filter(mine)
            .fold(None, |worst: Option<&Check>, check| match worst {
                Some(worst) if severity(worst.verdict) >= severity(check.verdict) => Some(worst),
                _ => Some(check),
            });
        worst.map(as_bounded)
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
        let key = |row: &Row| {
            let check = row.check.as_ref();
            let risk = check.and_then(|check| {
                if is_floor(check) {
                    check.lower.map(|lower| 1.0 - lower)
                } else {
                    check.upper
                }
            });
            (
                row.is_new,
                check.map_or(0, |check| severity(check.verdict)),
                risk.unwrap_or(1.0),
            )
        };
        let ((a_new, a_state, a_risk), (b_new, b_state, b_risk)) = (key(a), key(b));
        b_new
            .cmp(&a_new)
            .then(b_state.cmp(&a_state))
            .then(b_risk.total_cmp(&a_risk))
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

/// Whether a check is passed from a limit on, not up to it.
const fn is_floor(check: &Check) -> bool {
    matches!(
        check.id,
        CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision
    )
}

/// A change of recall as a fall that must stay within its limit, like a loss.
fn as_bounded(check: &Check) -> Check {
    let mut check = check.clone();
    if check.id == CheckId::RecallChange {
        check.upper = check.lower.map(|lower| (-lower).max(0.0));
    }
    check
}

/// What the rows stand in order of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Worst,
    Name,
    Before,
    Now,
    Lost,
}

impl Order {
    fn sort(self, rows: &mut [Row]) {
        let share_of = |count: Option<(u64, u64)>| count.and_then(|(right, n)| share(right, n)).unwrap_or(-1.0);
        match self {
            Self::Worst => {}
            Self::Name => rows.sort_unstable_by(|a, b| a.name.cmp(&b.name)),
            Self::Before => rows.sort_unstable_by(|a, b| share_of(a.before).total_cmp(&share_of(b.before))),
            Self::Now => rows.sort_unstable_by(|a, b| share_of(Some(a.now)).total_cmp(&share_of(Some(b.now)))),
            Self::Lost => rows.sort_unstable_by_key(|row| std::cmp::Reverse(row.lost)),
        }
    }
}

#[component]
pub(super) fn Classes(judged: Memo<Judgement>, policy: GatePolicy) -> impl IntoView {
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
    // All bars of the table have one scale: twice the largest limit shows what is near and what is far.
    let full = move || {
        judged.with(|judged| {
            let checks = judged.verdict.checks.iter();
            let limits = checks
                .filter(|check| check.id == CheckId::OldClassLoss)
                .map(|check| check.limit);
            (2.0 * limits.fold(0.0, f64::max)).clamp(0.01, 1.0)
        })
    };
    let order = RwSignal::new(Order::Worst);
    let body = move || {
        let mut rows = judged.with(rows);
        order.get().sort(&mut rows);
        rows.into_iter()
            .map(|row| view! { <ClassRow row full=full() is_clone/> })
            .collect::<Vec<_>>()
    };
    let head = |text: AnyView, by: Order| {
        view! {
            <button
                type="button"
                class="sort"
                aria-pressed=move || (order.get() == by).to_string()
                on:click=move |_| order.set(by)
            >
                {text}
            </button>
        }
    };
    let columns = [
        Some(Column::text(head(t!(i18n, classes.class), Order::Name))),
        is_clone.then(|| Column::number(head(t!(i18n, classes.before), Order::Before))),
        Some(Column::number(head(t!(i18n, classes.now), Order::Now))),
        is_clone.then(|| Column::number(head(t!(i18n, classes.lost), Order::Lost))),
        Some(Column::text(head(t!(i18n, classes.bound), Order::Worst))),
        Some(Column::unseen(t!(i18n, classes.state))),
    ];
    let columns = columns.into_iter().flatten().collect();
    view! {
        <Panel
            id="classes"
            wide=true
            title=t!(i18n, classes.title)
            about=live(about)
        >
            <DataTable
                labelled_by="classes-title"
                columns=columns
                rows=live(body)
                folds=true
            />
        </Panel>
    }
}

#[component]
fn ClassRow(row: Row, full: f64, is_clone: bool) -> impl IntoView {
    let i18n = use_i18n();
    let of = |(right, n): (u64, u64)| share(right, n).map_or_else(|| "–".to_owned(), percent);
    let lost = row.lost.map_or_else(
        || "–".to_owned(),
        |lost| if lost == 0 { "0".to_owned() } else { lost.to_string() },
    );
    let kind = if row.is_new && is_clone {
        Some(t!(i18n, classes.new))
    } else if row.is_reject {
        Some(t!(i18n, classes.reject))
    } else {
        None
    };
    let bound = row.check.clone().map(|check| {
        let floor = is_floor(&check);
        let text = if floor {
            check
                .lower
                .map_or_else(|| "–".to_owned(), |lower| format!("≥ {} %", percent_down(lower)))
        } else {
            check
                .upper
                .map_or_else(|| "–".to_owned(), |upper| format!("≤ {} %", percent_up(upper)))
        };
        let (bound, full) = if floor {
            (check.lower.unwrap_or(0.0), 1.0)
        } else {
            (check.upper.unwrap_or(1.0), full)
        };
        let limit = percent(check.limit);
        let label = if floor {
            t_string!(i18n, classes.floor_label)
        } else {
            t_string!(i18n, classes.limit_label)
        };
        let label = filled(label, &[("bound", &text), ("limit", &limit)]);
        view! {
            <span class="bound-cell">
                <BoundBar bound limit=check.limit full state=check.verdict label/>
                <span class="n">{text}</span>
            </span>
        }
    });
    let state = row.check.map(|check| {
        let is_zh = i18n.get_locale_untracked() == Locale::zh && !check.sentence_zh.is_empty();
        let sentence = if is_zh { check.sentence_zh } else { check.sentence };
        view! { <span title=sentence><VerdictTag state=check.verdict/></span> }
    });
    let heads = (
        move || t_string!(i18n, classes.before).to_string(),
        move || t_string!(i18n, classes.now).to_string(),
        move || t_string!(i18n, classes.lost).to_string(),
    );
    view! {
        <tr>
            <th scope="row">
                <b>{row.name}</b>
                {kind.map(|kind| view! { " " <span class="dim">{kind}</span> })}
            </th>
            {is_clone
                .then(|| view! { <td class="n" data-head=heads.0>{row.before.map_or_else(|| "–".to_owned(), of)}</td> })}
            <td class="n" data-head=heads.1>{of(row.now)}</td>
            {is_clone.then(|| view! { <td class="n" data-head=heads.2>{lost}</td> })}
            <td class="wide-cell">{bound}</td>
            <td class="state-cell">{state}</td>
        </tr>
    }
}
