//! How far the probabilities are true: the share that is right against the mean probability of as many photos.

use domain::metrics::Reliability;
use leptos::prelude::*;
use leptos_i18n::t_string;
use serde::Deserialize;

use crate::components::charts::line::{Axis, LineChart, Lines, Series, Size};
use crate::components::panel::Panel;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// What the page reads of a package's metrics.json.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Beside {
    candidate: Half,
    baseline: Option<Half>,
}

#[derive(Clone, Debug, Deserialize)]
struct Half {
    reliability: Reliability,
}

#[component]
pub(super) fn Diagram(beside: RwSignal<Option<Option<Beside>>>) -> impl IntoView {
    let i18n = use_i18n();
    let content = move || {
        let beside = match beside.get() {
            None => return view! { <p class="dim" role="status">{t!(i18n, loading)}</p> },
            Some(None) => return view! { <p class="dim">{t!(i18n, share.absent)}</p> },
            Some(Some(beside)) => beside,
        };
        let names = [
            t_string!(i18n, curves.candidate).to_string(),
            t_string!(i18n, curves.baseline).to_string(),
        ];
        let before = beside.baseline.as_ref().map(|before| &before.reliability);
        drawn(names, &beside.candidate.reliability, before)
    };
    view! {
        <Panel id="reliability" title=t!(i18n, reliability.title) about=t!(i18n, reliability.about)>
            {live(content)}
        </Panel>
    }
}

/// One model's line, another's dashed, and where both would be if they knew how sure they are.
pub(crate) fn drawn([now_is, before_is]: [String; 2], now: &Reliability, before: Option<&Reliability>) -> AnyView {
    let i18n = use_i18n();
    let line = |name: String, style: &str, points| Series {
        name,
        style: style.to_owned(),
        points,
    };
    let of = |name: String, style: &str, reliability: &Reliability| {
        let bins = reliability.bins.iter();
        line(
            name,
            style,
            bins.map(|bin| (100.0 * bin.confidence, 100.0 * bin.accuracy)).collect(),
        )
    };
    let error = |reliability: &Reliability| {
        let ece = reliability.ece;
        ece.map_or_else(|| "–".to_owned(), |ece| format!("{:.1}", 100.0 * ece))
    };
    let mut series = vec![of(now_is, "candidate", now)];
    series.extend(before.map(|before| of(before_is, "baseline", before)));
    let perfect = t_string!(i18n, reliability.perfect).to_string();
    series.push(line(perfect, "ghost", vec![(0.0, 0.0), (100.0, 100.0)]));
    let lines = Lines {
        title: t_string!(i18n, reliability.title).to_string(),
        x: Axis::new(t_string!(i18n, reliability.said).to_string(), 0.0, 100.0, 20.0),
        y: Axis::new(t_string!(i18n, reliability.right).to_string(), 0.0, 100.0, 20.0),
        series,
        bands: Vec::new(),
        size: Size::SMALL,
    };
    let now = error(now);
    let told = match before.map(error) {
        Some(was) => t!(i18n, reliability.error, now = now, before = was),
        None => t!(i18n, reliability.error_alone, now = now),
    };
    view! {
        <LineChart lines marker=Signal::stored(None)/>
        <p class="dim">{told}</p>
    }
}
