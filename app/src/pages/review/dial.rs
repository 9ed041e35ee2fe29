//! The safety dial: what other places of the new classes' offset would cost and bring, counted exactly on calibration photos,
//! and the way to a model that stands there.

use domain::api::dial::{DialPlace, DialPlaces, NewDial};
use domain::ids::ModelId;
use domain::job::{Job, JobState};
use domain::names::ClassName;
use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::charts::line::{Axis, Band, LineChart, Lines, Marker, Series, Size};
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::number::{percent, share};
use crate::components::panel::Panel;
use crate::components::sending::Sending;
use crate::components::{live, short, view};
use crate::language::{t, use_i18n};

/// The lower plot ends at this many times the budget: how a place compares with the budget is what it is there to show.
const MOST_USED: f64 = 200.0;

/// `places` come after the page: counting them reads features.
#[component]
pub(super) fn Dial(
    id: String,
    /// The fitted model whose dial was turned to make this one.
    turned_from: Option<ModelId>,
    places: RwSignal<Option<Option<DialPlaces>>>,
) -> impl IntoView {
    let i18n = use_i18n();
    let turned = turned_from.map(|source| {
        let shown = short(&source.0);
        view! {
            <p class="dim">
                {t!(i18n, dial.turned)}
                " "
                <a href=format!("/models/{}", segment(&source.0)) title=source.0.clone()><code>{shown}</code></a>
            </p>
        }
    });
    let content = move || match places.get() {
        Some(None) => view! { <p class="dim">{t!(i18n, share.absent)}</p> },
        Some(Some(places)) => view! { <Turn id=id.clone() places/> },
        None => view! { <p class="dim" role="status">{t!(i18n, loading)}</p> },
    };
    view! {
        <Panel id="dial" wide=true title=t!(i18n, dial.title) about=t!(i18n, dial.about)>
            {turned}
            {live(content)}
        </Panel>
    }
}

/// Where the plots put a place: the least recall of a new class, what the worst old class uses of its budget, and what false
/// alarms use of theirs; all in percent.
fn heights(all: &DialPlaces, place: &DialPlace) -> [f64; 3] {
    // What is used of nothing is endless; the plot ends long before.
    let percent = |used: f64| (100.0 * used).min(10.0 * MOST_USED);
    [
        100.0 * place.least_recall().unwrap_or_default(),
        percent(place.worst(&all.budget).map_or(0.0, |(_, used)| used)),
        percent(place.false_new_used(&all.budget)),
    ]
}

/// Names of what the plots show.
struct Names {
    titles: [String; 2],
    offset: String,
    recall: String,
    used: String,
    lost: String,
    false_new: String,
    budget: String,
    stands: String,
    need: String,
    safe: String,
}

/// Recall of new classes above, and what is used of the budgets below, over the same offsets.
fn plots(all: &DialPlaces, names: &Names) -> [Lines; 2] {
    let ends = all.places.first().zip(all.places.last());
    let (least, most) = ends.map_or((-1.0, 1.0), |(first, last)| (first.offset, last.offset));
    let (least, most) = (least.floor(), most.ceil());
    let step = ((most - least) / 6.0).round().max(1.0);
    // Between b_need and b_safe every budget is kept and every target reached.
    let band = all.b_need.zip(all.b_safe).filter(|(need, safe)| need <= safe);
    let line = |name: &str, style: &str, which: usize| Series {
        name: name.to_owned(),
        style: style.to_owned(),
        points: all
            .places
            .iter()
            .map(|place| (place.offset, heights(all, place)[which]))
            .collect(),
    };
    let plot = |title: usize, y: &str, (top, every): (f64, f64), mut series: Vec<Series>| {
        let mark = |name: &str, style: &str, x: f64| Series {
            name: name.to_owned(),
            style: style.to_owned(),
            points: vec![(x, 0.0), (x, top)],
        };
        series.push(mark(&names.stands, "stands", all.offset));
        series.extend(all.b_need.map(|need| mark(&names.need, "end", need)));
        series.extend(all.b_safe.map(|safe| mark(&names.safe, "end", safe)));
        Lines {
            title: names.titles[title].clone(),
            x: Axis::new(names.offset.clone(), least, most, step),
            y: Axis::new(y.to_owned(), 0.0, top, every),
            series,
            bands: band.map(|(from, to)| Band { from, to }).into_iter().collect(),
            size: Size::WIDE,
        }
    };
    let budget = Series {
        name: names.budget.clone(),
        style: "budget".to_owned(),
        points: vec![(least, 100.0), (most, 100.0)],
    };
    [
        plot(
            0,
            &names.recall,
            (100.0, 25.0),
            vec![line(&names.recall, "candidate", 0)],
        ),
        plot(
            1,
            &names.used,
            (MOST_USED, 50.0),
            vec![
                line(&names.lost, "line-2", 1),
                line(&names.false_new, "line-4", 2),
                budget,
            ],
        ),
    ]
}

/// What is wrong with a place, on calibration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outside {
    /// It loses more than the budget.
    Over,
    /// A new class stays below its target.
    Under,
    /// Both.
    Both,
}

fn outside(all: &DialPlaces, place: &DialPlace) -> Option<Outside> {
    let over = heights(all, place)[1..].iter().any(|used| *used > 100.0);
    let under = all.b_need.is_none_or(|need| place.offset < need);
    match (over, under) {
        (true, true) => Some(Outside::Both),
        (true, false) => Some(Outside::Over),
        (false, true) => Some(Outside::Under),
        (false, false) => None,
    }
}

/// The place nearest to an offset.
fn nearest(all: &DialPlaces, offset: f64) -> usize {
    let away = |place: &DialPlace| (place.offset - offset).abs();
    let places = all.places.iter().enumerate();
    places
        .min_by(|a, b| away(a.1).total_cmp(&away(b.1)))
        .map_or(0, |(at, _)| at)
}

#[component]
fn Turn(id: String, places: DialPlaces) -> impl IntoView {
    let i18n = use_i18n();
    let last = places.places.len().saturating_sub(1);
    let own = nearest(&places, places.offset);
    let ends: Vec<_> = [Some(places.offset), places.b_need, places.b_safe]
        .into_iter()
        .flatten()
        .map(|offset| view! { <option value=nearest(&places, offset)></option> })
        .collect();
    let at = RwSignal::new(own);
    let places = StoredValue::new(places);
    let place = move || places.with_value(|all| all.places.get(at.get()).cloned());
    let charts = move || {
        let names = Names {
            titles: [
                t_string!(i18n, dial.chart_recall).to_string(),
                t_string!(i18n, dial.chart_used).to_string(),
            ],
            offset: t_string!(i18n, dial.offset).to_string(),
            recall: t_string!(i18n, dial.recall).to_string(),
            used: t_string!(i18n, dial.used).to_string(),
            lost: t_string!(i18n, dial.lost).to_string(),
            false_new: t_string!(i18n, dial.false_new).to_string(),
            budget: t_string!(i18n, dial.budget).to_string(),
            stands: t_string!(i18n, dial.mark).to_string(),
            need: t_string!(i18n, dial.need).to_string(),
            safe: t_string!(i18n, dial.safe).to_string(),
        };
        let plots = places.with_value(|all| plots(all, &names));
        let charts = plots.into_iter().enumerate().map(|(which, lines)| {
            let marker = Signal::derive(move || {
                let place = place()?;
                let heights = places.with_value(|all| heights(all, &place));
                let y = if which == 0 {
                    heights[0]
                } else {
                    heights[1].max(heights[2])
                };
                Some(Marker {
                    x: place.offset,
                    y,
                    text: format!("{y:.0} %"),
                })
            });
            view! { <LineChart lines marker/> }
        });
        charts.collect::<Vec<_>>()
    };
    let key = |style: &'static str, text: AnyView| {
        view! {
            <li>
                <svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class=format!("chart-line {style}") d="M0 4H28"/></svg>
                {text}
            </li>
        }
    };
    let legend = [
        key("candidate", t!(i18n, dial.recall)),
        key("line-2", t!(i18n, dial.lost)),
        key("line-4", t!(i18n, dial.false_new)),
        key("budget", t!(i18n, dial.budget)),
        key("stands", t!(i18n, dial.mark)),
        key("end", t!(i18n, dial.ends)),
    ];
    let sending = Sending::new();
    let ended = followed(sending);
    let waiting = move || sending.pending() || (sending.answer::<Job>().is_some() && ended.read().is_none());
    let apply = move |_| {
        if let Some(place) = place() {
            ended.set(None);
            sending.post(
                format!("/api/v1/models/{}/dial", segment(&id)),
                &NewDial { offset: place.offset },
            );
        }
    };
    view! {
        <ul class="legend">{legend.into_iter().collect::<Vec<_>>()}</ul>
        <div class="dial">{live(charts)}</div>
        <div class="slider">
            <label for="offset">{t!(i18n, dial.offset)}</label>
            <input
                id="offset"
                type="range"
                min="0"
                max=last
                step="1"
                list="offset-ends"
                prop:value=move || at.get()
                value=own
                aria-valuetext=move || place().map(|place| format!("{:.2}", place.offset))
                aria-describedby="offset-says"
                on:input=move |event| {
                    if let Ok(value) = event_target_value(&event).parse::<usize>() {
                        at.set(value.min(last));
                    }
                }
            />
            <datalist id="offset-ends">{ends}</datalist>
            <output for="offset">{move || place().map(|place| format!("{:.2}", place.offset))}</output>
            <button type="button" class="button" disabled=move || at.get() == own || waiting() on:click=apply>
                {t!(i18n, dial.apply)}
            </button>
        </div>
        <div id="offset-says" class="dial-says" role="status">
            {live(move || place().map(|place| view! { <Says places place/> }))}
        </div>
        {live(move || making(sending, ended))}
        <Refusal error=sending.error()/>
        {places.with_value(standing)}
    }
}

/// What is true at a place, and what is wrong with it.
#[component]
fn Says(places: StoredValue<DialPlaces>, place: DialPlace) -> impl IntoView {
    let i18n = use_i18n();
    places.with_value(|all| {
        let sum = |(x, n), count: &domain::api::dial::DialCount| (x + count.x, n + count.n);
        let (lost, of) = place.old.iter().fold((0, 0), sum);
        let worst = place.worst(&all.budget).map(|(class, used)| {
            let (name, x, n) = (class.class.to_string(), class.x, class.n);
            let used = if used.is_finite() {
                percent(used)
            } else {
                "∞".to_owned()
            };
            view! { " " {t!(i18n, dial.worst, class = name, x = x, n = n, used = used)} }
        });
        let news: Vec<String> = place
            .new
            .iter()
            .map(|count| {
                let recall = share(count.x, count.n).map_or_else(|| "–".to_owned(), percent);
                format!("{} {recall} %", count.class)
            })
            .collect();
        let (news, false_new) = (news.join(", "), place.false_new.x);
        let warning = match outside(all, &place) {
            Some(Outside::Over) => Some(t!(i18n, dial.over)),
            Some(Outside::Under) => Some(t!(i18n, dial.under)),
            Some(Outside::Both) => Some(t!(i18n, dial.both)),
            None => None,
        };
        view! {
            <p>{t!(i18n, dial.counts, lost = lost, of = of, false_new = false_new, news = news)}{worst}</p>
            {warning.map(|warning| view! { <p class="flag">{warning}</p> })}
        }
    })
}

/// Where the model stands, what holds there, and what the calibration photos cannot say.
fn standing(all: &DialPlaces) -> AnyView {
    let i18n = use_i18n();
    let end = |end: Option<f64>| end.map_or_else(|| "∞".to_owned(), |b| format!("{b:.2}"));
    let (at, n) = (format!("{:.2}", all.offset), all.n_images);
    let stands = match all.b_need {
        Some(need) if all.b_safe.is_some_and(|safe| need > safe) => {
            let (from, to) = (format!("{need:.2}"), end(all.b_safe));
            t!(i18n, dial.empty, at = at, from = from, to = to, n = n)
        }
        Some(need) => {
            let (from, to) = (format!("{need:.2}"), end(all.b_safe));
            t!(i18n, dial.stands, at = at, from = from, to = to, n = n)
        }
        None => t!(i18n, dial.nowhere, at = at, n = n),
    };
    let mut limits = all.budget.loss.iter().copied();
    let first = limits.next().unwrap_or_default();
    let (loss, false_new) = (percent(first), percent(all.budget.false_new));
    let budgets = if limits.all(|limit| limit.to_bits() == first.to_bits()) {
        t!(i18n, dial.budgets, loss = loss, false_new = false_new)
    } else {
        t!(i18n, dial.budgets_each, false_new = false_new)
    };
    let unbounded: Vec<&str> = all.unbounded_classes.iter().map(ClassName::as_str).collect();
    let unbounded = (!unbounded.is_empty()).then(|| {
        let names = unbounded.join(", ");
        view! { <p class="flag">{t!(i18n, dial.unbounded, names = names)}</p> }
    });
    view! {
        <p class="dim">{stands} " " {budgets}</p>
        {unbounded}
    }
}

/// The way to the new model while its job runs, and why there is none.
fn making(sending: Sending, ended: RwSignal<Option<Job>>) -> Option<AnyView> {
    let i18n = use_i18n();
    let job = ended.get().or_else(|| sending.answer::<Job>())?;
    let link = view! { <a href=format!("/jobs/{}", job.id)>{t!(i18n, dial.see_job)}</a> };
    Some(match (job.state, job.error) {
        (JobState::Failed, error) => view! {
            <p class="flag" role="alert">{t!(i18n, dial.failed)} " " {error.unwrap_or_default()} " " {link}</p>
        },
        (JobState::Cancelled, _) => view! { <p class="flag" role="alert">{t!(i18n, dial.cancelled)} " " {link}</p> },
        (JobState::Succeeded, _) => view! { <p role="status">{t!(i18n, dial.opens)} " " {link}</p> },
        _ => view! { <p role="status" aria-busy="true">{t!(i18n, dial.making)} " " {link}</p> },
    })
}

/// The job that was asked for, once it has ended; the review of its model then opens.
fn followed(sending: Sending) -> RwSignal<Option<Job>> {
    let ended = RwSignal::new(None::<Job>);
    #[cfg(feature = "hydrate")]
    {
        let backend = crate::backend::use_backend();
        let navigate = leptos_router::hooks::use_navigate();
        Effect::new(move |_| {
            let Some(job) = sending.answer::<Job>() else { return };
            let (backend, navigate) = (backend.clone(), navigate.clone());
            leptos::task::spawn_local(async move {
                let path = format!("/api/v1/jobs/{}", segment(&job.id.0));
                // The first answers come soon after one another, since most such jobs take less than a second.
                for pause_ms in (100..).step_by(20) {
                    crate::browser::files::pause(pause_ms.min(2_000)).await;
                    if ended.try_get_untracked().is_none() {
                        return;
                    }
                    let text = backend.get(path.clone()).await;
                    let job = text.and_then(|text| crate::backend::read::<Job>(&path, &text));
                    if let Ok(job) = job
                        && job.state.is_final()
                    {
                        let model = job.model.clone();
                        if ended.try_set(Some(job)).is_none()
                            && let Some(model) = model
                        {
                            navigate(&format!("/models/{}", segment(&model.0)), Default::default());
                        }
                        return;
                    }
                }
            });
        });
    }
    #[cfg(not(feature = "hydrate"))]
    let _ = sending;
    ended
}

#[cfg(test)]
mod tests {
    use domain::api::dial::{DialBudget, DialCount};
    use domain::report::GroupCount;

    use super::*;

    fn count(class: &str, x: u64, n: u64) -> DialCount {
        DialCount {
            class: class.parse().unwrap(),
            n,
            x,
        }
    }

    /// Two old classes, one with a strict budget of its own; from left to right more is recalled and more is lost.
    fn places() -> DialPlaces {
        let place = |offset, a, b, false_new, n| DialPlace {
            offset,
            old: vec![count("a", a, 100), count("b", b, 100)],
            false_new: GroupCount { n: 200, x: false_new },
            new: vec![count("n", n, 20), count("m", 20, 20)],
        };
        DialPlaces {
            offset: 1.0,
            b_need: Some(0.0),
            b_safe: Some(2.0),
            unbounded_classes: Vec::new(),
            budget: DialBudget {
                loss: vec![0.1, 0.02],
                false_new: 0.1,
            },
            n_images: 240,
            places: vec![
                place(-1.0, 0, 0, 0, 10),
                place(0.0, 0, 0, 0, 19),
                place(1.0, 3, 1, 2, 19),
                place(2.0, 5, 2, 4, 20),
                place(3.0, 5, 3, 30, 20),
            ],
        }
    }

    #[test]
    fn the_budget_of_each_class_and_of_false_alarms_is_the_same_line() {
        let all = places();
        let heights = |at: usize| heights(&all, &all.places[at]).map(|height| (height * 10.0).round() / 10.0);
        assert_eq!(heights(0), [50.0, 0.0, 0.0]);
        assert_eq!(heights(2), [95.0, 50.0, 10.0], "one of b weighs more than three of a");
        assert_eq!(heights(3), [100.0, 100.0, 20.0]);
        assert_eq!(heights(4), [100.0, 150.0, 150.0]);
        assert_eq!(nearest(&all, 1.2), 2);
    }

    #[test]
    fn places_outside_the_band_say_what_is_wrong() {
        let mut all = places();
        let says = |all: &DialPlaces| all.places.iter().map(|place| outside(all, place)).collect::<Vec<_>>();
        assert_eq!(
            says(&all),
            [Some(Outside::Under), None, None, None, Some(Outside::Over)]
        );
        all.b_need = Some(4.0);
        assert_eq!(says(&all)[3..], [Some(Outside::Under), Some(Outside::Both)]);
        all.b_need = None;
        assert_eq!(says(&all)[1], Some(Outside::Under), "no place reaches the target");
    }
}
