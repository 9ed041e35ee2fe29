//! The safety dial: what other places of the new classes' offset would cost and bring, counted exactly on calibration photos,
//! and the way to a model that stands there.

use domain::api::dial::{DialPlace, DialPlaces, NewDial};
use domain::job::Job;
use leptos::prelude::*;
use leptos_i18n::t_string;

use crate::components::charts::line::{Axis, Band, LineChart, Lines, Marker, Series, Size};
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::number::{percent, share};
use crate::components::panel::Panel;
use crate::components::sending::Sending;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// `places` come after the page: counting them reads features.
#[component]
pub(super) fn Dial(id: String, places: RwSignal<Option<Option<DialPlaces>>>) -> impl IntoView {
    let i18n = use_i18n();
    let content = move || match places.get() {
        Some(None) => view! { <p class="dim">{t!(i18n, share.absent)}</p> },
        Some(Some(places)) => view! { <Turn id=id.clone() places/> },
        None => view! { <p class="dim" role="status">{t!(i18n, loading)}</p> },
    };
    view! {
        <Panel id="dial" wide=true title=t!(i18n, dial.title) about=t!(i18n, dial.about)>
            {live(content)}
        </Panel>
    }
}

/// Shares of what is lost, falsely new and recalled, in percent.
fn shares(place: &DialPlace) -> [f64; 3] {
    let sum = |counts: &[domain::api::dial::DialCount]| {
        let (x, n) = counts.iter().fold((0, 0), |(x, n), count| (x + count.x, n + count.n));
        100.0 * share(x, n).unwrap_or_default()
    };
    [
        sum(&place.old),
        100.0 * share(place.false_new.x, place.false_new.n).unwrap_or_default(),
        sum(&place.new),
    ]
}

#[component]
fn Turn(id: String, places: DialPlaces) -> impl IntoView {
    let i18n = use_i18n();
    let last = places.places.len().saturating_sub(1);
    let away = |place: &DialPlace| (place.offset - places.offset).abs();
    let own = places
        .places
        .iter()
        .enumerate()
        .min_by(|a, b| away(a.1).total_cmp(&away(b.1)));
    let own = own.map_or(0, |(at, _)| at);
    let at = RwSignal::new(own);
    let places = StoredValue::new(places);
    let place = move || places.with_value(|all| all.places.get(at.get()).cloned());
    let lines = move || {
        places.with_value(|all| {
            let names = [
                t_string!(i18n, dial.lost).to_string(),
                t_string!(i18n, dial.false_new).to_string(),
                t_string!(i18n, dial.recall).to_string(),
            ];
            let styles = ["line-2", "line-4", "candidate"];
            let line = |which: usize| Series {
                name: names[which].clone(),
                style: styles[which].to_owned(),
                points: all
                    .places
                    .iter()
                    .map(|place| (place.offset, shares(place)[which]))
                    .collect(),
            };
            let ends = all.places.first().zip(all.places.last());
            let (least, most) = ends.map_or((-1.0, 1.0), |(first, last)| (first.offset, last.offset));
            let step = ((most - least) / 6.0).max(0.5).round();
            // Between b_need and b_safe every budget is kept and every target reached.
            let band = all.b_need.zip(all.b_safe).filter(|(need, safe)| need <= safe);
            Lines {
                title: t_string!(i18n, dial.chart).to_string(),
                x: Axis::new(
                    t_string!(i18n, dial.offset).to_string(),
                    least.floor(),
                    most.ceil(),
                    step,
                ),
                y: Axis::new("%".to_owned(), 0.0, 100.0, 20.0),
                series: (0..3).rev().map(line).collect(),
                bands: band.map(|(from, to)| Band { from, to }).into_iter().collect(),
                size: Size::LARGE,
            }
        })
    };
    let marker = Signal::derive(move || {
        let place = place()?;
        let [lost, _, recall] = shares(&place);
        let (offset, lost, recall_text) = (
            format!("{:.2}", place.offset),
            format!("{lost:.1}"),
            format!("{recall:.1}"),
        );
        Some(Marker {
            x: place.offset,
            y: recall,
            text: filled(
                t_string!(i18n, dial.marker),
                &[("b", &offset), ("lost", &lost), ("recall", &recall_text)],
            ),
        })
    });
    let legend = view! {
        <ul class="legend">
            <li><svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class="chart-line candidate" d="M0 4H28"/></svg>{t!(i18n, dial.recall)}</li>
            <li><svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class="chart-line line-2" d="M0 4H28"/></svg>{t!(i18n, dial.lost)}</li>
            <li><svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class="chart-line line-4" d="M0 4H28"/></svg>{t!(i18n, dial.false_new)}</li>
        </ul>
    };
    let stands = places.with_value(|all| {
        let end = |end: Option<f64>| end.map_or_else(|| "∞".to_owned(), |b| format!("{b:.2}"));
        let (at, n) = (format!("{:.2}", all.offset), all.n_images);
        match all.b_need {
            Some(need) if all.b_safe.is_some_and(|safe| need > safe) => {
                let (from, to) = (format!("{need:.2}"), end(all.b_safe));
                t!(i18n, dial.empty, at = at, from = from, to = to, n = n)
            }
            Some(need) => {
                let (from, to) = (format!("{need:.2}"), end(all.b_safe));
                t!(i18n, dial.stands, at = at, from = from, to = to, n = n)
            }
            None => t!(i18n, dial.nowhere, at = at, n = n),
        }
    });
    let counts = move || {
        let place = place()?;
        let lost: u64 = place.old.iter().map(|count| count.x).sum();
        let of: u64 = place.old.iter().map(|count| count.n).sum();
        let worst = place.old.iter().max_by_key(|count| count.x).filter(|count| count.x > 0);
        let worst = worst
            .map(|worst| format!(" ({} {})", worst.class, worst.x))
            .unwrap_or_default();
        let news: Vec<String> = place
            .new
            .iter()
            .map(|count| {
                format!(
                    "{} {} %",
                    count.class,
                    share(count.x, count.n).map_or_else(|| "–".to_owned(), percent)
                )
            })
            .collect();
        let (news, false_new) = (news.join(", "), place.false_new.x);
        Some(t!(
            i18n,
            dial.counts,
            lost = lost,
            of = of,
            worst = worst,
            false_new = false_new,
            news = news
        ))
    };
    let sending = Sending::new();
    let apply = move |_| {
        if let Some(place) = place() {
            sending.post(
                format!("/api/v1/models/{}/dial", segment(&id)),
                &NewDial { offset: place.offset },
            );
        }
    };
    let made = move || {
        sending.answer::<Job>().map(|job| {
            view! { <a class="button primary" href=format!("/jobs/{}", job.id)>{t!(i18n, dial.made)}</a> }
        })
    };
    view! {
        {legend}
        {live(move || view! { <LineChart lines=lines() marker/> })}
        <p class="dim">{stands}</p>
        <div class="slider">
            <label for="offset">{t!(i18n, dial.offset)}</label>
            <input
                id="offset"
                type="range"
                min="0"
                max=last
                step="1"
                prop:value=move || at.get()
                value=own
                aria-valuetext=move || place().map(|place| format!("{:.2}", place.offset))
                on:input=move |event| {
                    if let Ok(value) = event_target_value(&event).parse::<usize>() {
                        at.set(value.min(last));
                    }
                }
            />
            <output for="offset">{move || place().map(|place| format!("{:.2}", place.offset))}</output>
            <button
                type="button"
                class="button"
                disabled=move || at.get() == own || sending.pending()
                on:click=apply
            >
                {t!(i18n, dial.apply)}
            </button>
        </div>
        <p role="status">{live(counts)}</p>
        {live(made)}
        <Refusal error=sending.error()/>
    }
}
