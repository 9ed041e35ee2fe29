//! Several models in the same panels, by address: one line and one column a model.

use domain::model::Model;
use domain::report::{ClassMetrics, EvaluationReport};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use serde::Deserialize;

use crate::backend::{BackendError, SharedBackend};
use crate::components::charts::line::{Axis, LineChart, Lines, Series, Size};
use crate::components::loaded::{Gathered, Load, Loaded, list, segment};
use crate::components::number::percent;
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::table::{Column, DataTable};
use crate::components::verdict::VerdictTag;
use crate::components::view;
use crate::language::{filled, t, use_i18n};

/// Lines that can be told apart.
const MOST: usize = 10;

#[derive(Clone, Debug, Deserialize)]
struct Compared {
    models: Vec<Judged>,
}

/// A model and what was measured of it.
#[derive(Clone, Debug, Deserialize)]
struct Judged {
    model: Model,
    report: EvaluationReport,
}

/// JSON text of [`Compared`].
async fn load(backend: SharedBackend, ids: String) -> Result<String, BackendError> {
    let mut models = Vec::new();
    for id in ids.split(',').filter(|id| !id.is_empty()).take(MOST) {
        let path = format!("/api/v1/models/{}", segment(id));
        let mut one = Gathered::default();
        one.field("model", &backend.get(path.clone()).await?);
        one.field("report", &backend.get(format!("{path}/report?only=candidate")).await?);
        models.push(one.finish());
    }
    let mut all = Gathered::default();
    all.field("models", &list(&models));
    Ok(all.finish())
}

/// The page.
#[component]
pub(crate) fn ComparePage() -> impl IntoView {
    let i18n = use_i18n();
    let query = use_query_map();
    let ids = Memo::new(move |_| query.read().get("models").unwrap_or_default());
    let load = Load::new(ids.into(), load);
    let show = move |compared: Compared| view! { <Shown compared/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, compare.title))/>
        <div class="page-head">
            <div>
                <p class="crumb"><a href="/models">{t!(i18n, nav.models)}</a> " /"</p>
                <h1>{t!(i18n, compare.title)}</h1>
            </div>
        </div>
        <Loaded load show/>
    }
}

#[component]
fn Shown(compared: Compared) -> impl IntoView {
    let i18n = use_i18n();
    if compared.models.is_empty() {
        return view! { <p class="empty">{t!(i18n, compare.few)}</p> };
    }
    let digests: Vec<_> = compared.models.iter().map(|model| model.report.sealed.digest).collect();
    let differs = digests.windows(2).any(|pair| pair[0] != pair[1]);
    let classes = classes(&compared);
    let charts: Vec<_> = classes
        .iter()
        .map(|class| {
            let title = filled(t_string!(i18n, curves.chart), &[("class", class)]);
            let axes = (
                t_string!(i18n, curves.recall).to_string(),
                t_string!(i18n, curves.precision).to_string(),
            );
            let lines = lines(&compared, class, title, axes);
            view! {
                <div class="multiple">
                    <h3>{class.clone()}</h3>
                    <LineChart lines marker=Signal::derive(|| None)/>
                </div>
            }
        })
        .collect();
    view! {
        {differs.then(|| view! { <p class="flag spaced">{t!(i18n, compare.differs)}</p> })}
        <Overall compared=compared.clone()/>
        <Figures compared=compared.clone() classes=classes.clone()/>
        <Panel
            id="multiples"
            full=true
            title=t!(i18n, compare.multiples)
            about=t!(i18n, compare.multiples_about)
        >
            <Legend compared/>
            <div class="multiples">{charts}</div>
        </Panel>
    }
}

/// Classes of all models, in the order in which they came.
fn classes(compared: &Compared) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for class in compared.models.iter().flat_map(|model| &model.report.classes) {
        if names.iter().all(|name| name != class.name.as_str()) {
            names.push(class.name.to_string());
        }
    }
    names
}

fn of_class<'a>(report: &'a EvaluationReport, class: &str) -> Option<&'a ClassMetrics> {
    report
        .candidate
        .per_class
        .iter()
        .find(|metrics| metrics.class.as_str() == class)
}

fn lines(compared: &Compared, class: &str, title: String, (x, y): (String, String)) -> Lines {
    let series = compared.models.iter().zip(1..).filter_map(|(model, number)| {
        let metrics = of_class(&model.report, class)?;
        (!metrics.curve.is_empty()).then(|| Series {
            name: short(&model.model.id.0),
            style: format!("line-{number}"),
            points: metrics
                .curve
                .iter()
                .map(|point| (point.recall * 100.0, point.precision * 100.0))
                .collect(),
        })
    });
    Lines {
        title,
        x: Axis::new(x, 0.0, 100.0, 50.0),
        y: Axis::new(y, 0.0, 100.0, 50.0),
        series: series.collect(),
        bands: Vec::new(),
        size: Size::SMALL,
    }
}

#[component]
fn Legend(compared: Compared) -> impl IntoView {
    let keys: Vec<_> = compared
        .models
        .into_iter()
        .zip(1..)
        .map(|(model, number)| {
            let id = model.model.id.to_string();
            view! {
                <li>
                    <svg class="legend-mark" viewBox="0 0 24 8" width="24" height="8" aria-hidden="true">
                        <path class=format!("chart-line line-{number}") d="M0,4L24,4"/>
                    </svg>
                    <a href=format!("/models/{id}")><code>{short(&id)}</code></a>
                </li>
            }
        })
        .collect();
    view! { <ul class="legend">{keys}</ul> }
}

#[component]
fn Overall(compared: Compared) -> impl IntoView {
    let i18n = use_i18n();
    let heads = [
        t_string!(i18n, compare.sealed),
        t_string!(i18n, compare.top1),
        t_string!(i18n, facts.right),
        t_string!(i18n, facts.wrong),
        t_string!(i18n, matrix.unknown),
    ];
    let rows: Vec<_> = compared
        .models
        .into_iter()
        .map(|model| {
            let id = model.model.id.to_string();
            let metrics = &model.report.candidate;
            let figures: Vec<_> = heads
                .iter()
                .zip([
                    model.report.sealed.n_images.to_string(),
                    percent(metrics.top1),
                    metrics.n_accepted_right.to_string(),
                    metrics.n_accepted_wrong.to_string(),
                    metrics.n_unknown.to_string(),
                ])
                .map(|(head, figure)| view! { <td class="n" data-head=*head>{figure}</td> })
                .collect();
            view! {
                <tr>
                    <th scope="row"><a href=format!("/models/{id}")><code>{short(&id)}</code></a></th>
                    <td class="wide-cell"><VerdictTag state=model.model.verdict.state/></td>
                    {figures}
                </tr>
            }
        })
        .collect();
    view! {
        <Panel id="overall" full=true title=t!(i18n, compare.overall) about=().into_any()>
            <DataTable
                labelled_by="overall-title"
                columns=vec![
                    Column::text(t!(i18n, compare.model)),
                    Column::text(t!(i18n, classes.state)),
                    Column::number(t!(i18n, compare.sealed)),
                    Column::number(t!(i18n, compare.top1)),
                    Column::number(t!(i18n, facts.right)),
                    Column::number(t!(i18n, facts.wrong)),
                    Column::number(t!(i18n, matrix.unknown)),
                ]
                rows=rows.into_any()
                folds=true
            />
        </Panel>
    }
}

/// Recall and average precision of every class, one column a model.
#[component]
fn Figures(compared: Compared, classes: Vec<String>) -> impl IntoView {
    let i18n = use_i18n();
    let ids: Vec<String> = compared.models.iter().map(|model| short(&model.model.id.0)).collect();
    let n = ids.len();
    // Once under recall and once under average precision.
    let heads: Vec<_> = ids
        .iter()
        .chain(&ids)
        .map(|id| view! { <th scope="col" class="n"><code>{id.clone()}</code></th> })
        .collect();
    let rows: Vec<_> = classes
        .into_iter()
        .map(|class| {
            let cells = |figure: fn(&ClassMetrics) -> Option<String>| -> Vec<_> {
                compared
                    .models
                    .iter()
                    .map(|model| {
                        let text = of_class(&model.report, &class).and_then(figure);
                        view! { <td class="n">{text.unwrap_or_else(|| "–".to_owned())}</td> }
                    })
                    .collect()
            };
            let recall = cells(|metrics| metrics.recall.map(percent));
            let average = cells(|metrics| metrics.average_precision.map(|ap| format!("{ap:.3}")));
            view! { <tr><th scope="row">{class.clone()}</th>{recall}{average}</tr> }
        })
        .collect();
    view! {
        <Panel id="figures" full=true title=t!(i18n, dataset.by_class) about=().into_any()>
            <div class="data-scroll" tabindex="0" role="region" aria-labelledby="figures-title">
                <table class="table pinned">
                    <thead>
                        <tr>
                            <th scope="col" rowspan="2">{t!(i18n, compare.class)}</th>
                            <th scope="colgroup" colspan=n class="n">{t!(i18n, compare.recall)}</th>
                            <th scope="colgroup" colspan=n class="n">{t!(i18n, compare.ap)}</th>
                        </tr>
                        <tr>{heads}</tr>
                    </thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </Panel>
    }
}
