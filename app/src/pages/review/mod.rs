//! The review of a candidate: one sentence, then numbers, then proof. Moving a threshold counts everything again from the
//! same scores, by the same code as the job; the verdict stays that of the model as it is.

mod banner;
mod checks;
mod classes;
mod confusion;
mod curves;
mod dial;
mod facts;
mod flips;
mod notes;
mod proof;
mod publish;
mod recipes;
pub(super) mod reliability;
mod share;
mod sibling;
mod what_if;

use std::collections::BTreeMap;

use domain::api::DEFAULT_PROJECT;
use domain::api::dial::DialPlaces;
use domain::dataset::Dataset;
use domain::gate::verdict::Verdict;
use domain::job::{HeadMode, Job};
use domain::judge;
use domain::model::Model;
use domain::names::{ClassName, DatasetName};
use domain::overrides::Outlook;
use domain::release::Channel;
use domain::report::EvaluationReport;
use domain::request::Request;
use domain::scores::{SealedScores, TopScores};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde::Deserialize;

use self::what_if::Moved;
use crate::backend::{BackendError, SharedBackend, read, written};
use crate::components::hour::Hour;
use crate::components::loaded::{Gathered, Load, Loaded, segment};
use crate::components::short;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Everything that the page shows before anything moves.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) model: Model,
    pub(crate) job: Job,
    /// Where photos of a class are added: the dataset that has most of them.
    pub(crate) homes: BTreeMap<ClassName, DatasetName>,
    pub(crate) report: EvaluationReport,
    pub(crate) verdict: Verdict,
    pub(crate) channels: Vec<Channel>,
    /// What stands in the way to each channel, and what whoever looks may do about it.
    pub(crate) outlook: Outlook,
    /// The rapid response that it answers, while that is open.
    pub(crate) request: Option<Request>,
}

/// Asks for all parts of a [`Candidate`]: its JSON text.
///
/// # Errors
/// One of them cannot be had.
async fn candidate(backend: SharedBackend, id: &str) -> Result<String, BackendError> {
    let id = segment(id);
    let path = format!("/api/v1/models/{id}");
    let text = backend.get(path.clone()).await?;
    let model: Model = read(&path, &text)?;
    let mut all = Gathered::default();
    all.field("model", &text);
    let path = format!("/api/v1/jobs/{}", segment(&model.job.0));
    let text = backend.get(path.clone()).await?;
    let job: Job = read(&path, &text)?;
    all.field("job", &text);
    all.field("homes", &homes(backend.clone()).await?);
    all.field("request", &open_request(backend.clone(), &job).await?);
    for part in ["report", "verdict"] {
        all.field(part, &backend.get(format!("/api/v1/models/{id}/{part}")).await?);
    }
    let outlook = backend.get(format!("/api/v1/models/{id}/overrides")).await?;
    all.field("outlook", &outlook);
    let channels = backend
        .get(format!("/api/v1/channels?project={DEFAULT_PROJECT}"))
        .await?;
    all.field("channels", &channels);
    Ok(all.finish())
}

/// JSON text of the dataset that has most photos of each class.
///
/// # Errors
/// The datasets cannot be had.
async fn homes(backend: SharedBackend) -> Result<String, BackendError> {
    let path = format!("/api/v1/datasets?project={DEFAULT_PROJECT}");
    let datasets: Vec<Dataset> = read(&path, &backend.get(path.clone()).await?)?;
    let mut most: BTreeMap<ClassName, (i64, DatasetName)> = BTreeMap::new();
    for version in datasets.into_iter().filter_map(|dataset| dataset.latest) {
        for count in version.classes {
            let n = count.train + count.calibration + count.sealed;
            if most.get(&count.class).is_none_or(|(before, _)| n > *before) {
                most.insert(count.class, (n, version.dataset_name.clone()));
            }
        }
    }
    let homes: BTreeMap<ClassName, DatasetName> =
        most.into_iter().map(|(class, (_, dataset))| (class, dataset)).collect();
    Ok(written(&homes))
}

/// JSON text of the rapid response that a job answers, while it is open; else of nothing.
///
/// # Errors
/// It cannot be had.
pub(crate) async fn open_request(backend: SharedBackend, job: &Job) -> Result<String, BackendError> {
    let Some(id) = &job.request else {
        return Ok("null".to_owned());
    };
    let path = format!("/api/v1/requests/{}", segment(&id.0));
    let text = backend.get(path.clone()).await?;
    let request: Request = read(&path, &text)?;
    Ok(if request.closed_us.is_none() {
        text
    } else {
        "null".to_owned()
    })
}

/// The page of a model.
#[component]
pub(crate) fn ReviewPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.read().get("id").unwrap_or_default());
    let load = Load::new(id.into(), |backend, id| async move { candidate(backend, &id).await });
    let reload = Callback::new(move |()| load.refetch());
    let refused = RwSignal::new(None);
    let show = move |candidate: Candidate| view! { <Review candidate refused reload/> };
    view! { <Loaded load show/> }
}

/// What the page counts, at the model's own thresholds or at those that the reader has moved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) report: EvaluationReport,
    /// At other thresholds than the model's: nothing here was judged.
    pub(crate) is_moved: bool,
}

/// Images in the order of a number, then of their place.
fn by_number(mut images: Vec<(f64, usize)>) -> Vec<usize> {
    images.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    images.into_iter().map(|(_, image)| image).collect()
}

/// What both models say of an image; none where there is no baseline.
fn answers(scores: &SealedScores, taus: &[f64], image: usize) -> Option<[String; 2]> {
    let one = |top: &TopScores| {
        let (class, p) = (*top.classes.get(image)?, *top.probabilities.get(image)?);
        Some(said_of(scores.classes.get(class)?.as_str(), p, p >= *taus.get(class)?))
    };
    Some([one(scores.baseline.as_ref()?)?, one(&scores.candidate)?])
}

/// An answer: its class and probability, marked where it is not accepted.
fn said_of(class: &str, probability: f64, accepted: bool) -> String {
    let mark = if accepted { "✓" } else { "?" };
    format!("{class} {probability:.4} {mark}")
}

#[component]
fn Review(candidate: Candidate, refused: RwSignal<Option<BackendError>>, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let moved = RwSignal::new(Moved::default());
    let scores = RwSignal::<Option<SealedScores>>::new(None);
    let places = RwSignal::<Option<Option<DialPlaces>>>::new(None);
    let beside = RwSignal::<Option<Option<reliability::Beside>>>::new(None);
    let has_dial = candidate.report.training.dial.is_some();
    #[cfg(feature = "hydrate")]
    {
        let id = candidate.model.id.to_string();
        moving::follow(id.clone(), candidate.report.classes.len(), scores, moved);
        moving::fetch(format!("{id}/files/metrics.json"), beside);
        if has_dial {
            moving::fetch(format!("{id}/dial"), places);
        }
    }
    let judged = {
        let report = candidate.report.clone();
        Memo::new(move |_| {
            let taus = moved.with(|moved| moved.taus(&report));
            let again =
                taus.and_then(|taus| scores.with(|scores| judge::at_thresholds(&report, scores.as_ref()?, &taus).ok()));
            Judgement {
                is_moved: again.is_some(),
                report: again.unwrap_or_else(|| report.clone()),
            }
        })
    };
    let names: Vec<String> = candidate.model.new_classes.iter().map(ToString::to_string).collect();
    let is_first = candidate.model.baseline.is_none();
    let id = candidate.model.id.to_string();
    let title = short(&id);
    let heading = {
        let names = names.join(", ");
        move || {
            if is_first {
                t!(i18n, model.first)
            } else {
                let names = names.clone();
                t!(i18n, model.adds, names = names)
            }
        }
    };
    let crumb = title.clone();
    view! {
        <Title text=move || format!("{} {} · Rehead", t_string!(i18n, model.word), title)/>
        <div class="page-head">
            <div>
                <p class="crumb">
                    <a href="/models">{t!(i18n, nav.models)}</a>
                    " / "
                    <code title=id.clone()>{crumb}</code>
                    " · "
                    <a href=format!("/jobs/{}", candidate.job.id)>{t!(i18n, model.job)}</a>
                </p>
                <h1>{live(heading)}</h1>
            </div>
            {candidate.request.clone().map(|request| view! { <Hour request/> })}
            {(candidate.report.training.mode == HeadMode::Refit)
                .then(|| view! { <span class="tag unproven">{t!(i18n, share.refitted)}</span> })}
        </div>
        <banner::Banner candidate=candidate.clone() judged refused reload/>
        <notes::Notes report=candidate.report.clone()/>
        <facts::Facts candidate=candidate.clone() judged/>
        <div class="review">
            <classes::Classes judged verdict=candidate.verdict.clone() policy=candidate.job.spec.policy.clone()/>
            <confusion::Confusion judged scores/>
            <curves::Curves report=candidate.report.clone() judged moved scores/>
            <proof::Proof report=candidate.report.clone()/>
            {has_dial.then(|| view! { <dial::Dial id=candidate.model.id.to_string() turned_from=candidate.job.spec.turned_from.clone() places/> })}
            <reliability::Diagram beside/>
            <checks::Checks verdict=candidate.verdict.clone() beside=!has_dial/>
            {candidate.report.training.recipes.clone().map(|choice| view! { <recipes::Recipes choice/> })}
            <flips::Flips judged scores/>
            <share::Share candidate=candidate.clone()/>
            <sibling::Sibling model=candidate.model.clone() job=candidate.job.clone()/>
        </div>
        <what_if::WhatIf judged moved/>
    }
}

/// What a moving threshold needs, in the browser only.
#[cfg(feature = "hydrate")]
mod moving {
    use domain::scores::SealedScores;
    use leptos::prelude::*;
    use leptos_router::hooks::use_query_map;

    use super::Moved;
    use crate::backend::{read, use_backend};
    use crate::browser::files::pause;
    use crate::browser::set_query;
    use crate::components::loaded::segment;

    /// Fetches what the page shows last; none within where it cannot be had.
    pub(super) fn fetch<T: serde::de::DeserializeOwned + Send + Sync + 'static>(
        path: String,
        into: RwSignal<Option<Option<T>>>,
    ) {
        let backend = use_backend();
        leptos::task::spawn_local(async move {
            let path = format!("/api/v1/models/{path}");
            let text = backend.get(path.clone()).await;
            into.try_set(Some(text.and_then(|text| read::<T>(&path, &text)).ok()));
        });
    }

    /// Fetches the scores, which are large, after the page; then goes to the thresholds of the address, and keeps the
    /// address at the thresholds.
    pub(super) fn follow(id: String, n_classes: usize, scores: RwSignal<Option<SealedScores>>, moved: RwSignal<Moved>) {
        let wanted = use_query_map().with_untracked(|query| query.get("tau"));
        let wanted = wanted.map(|wanted| Moved::read(&wanted, n_classes)).unwrap_or_default();
        let backend = use_backend();
        leptos::task::spawn_local(async move {
            let path = format!("/api/v1/models/{}/files/scores.json", segment(&id));
            // Until the page is left, since without them the thresholds stand still.
            for pause_ms in (1_000..).step_by(1_000) {
                if let Ok(text) = backend.get(path.clone()).await
                    && let Ok(fetched) = read::<SealedScores>(&path, &text)
                    && fetched.check().is_ok()
                {
                    scores.try_set(Some(fetched));
                    if wanted != Moved::default() {
                        moved.try_set(wanted);
                    }
                    return;
                }
                pause(pause_ms.min(10_000)).await;
                if scores.try_get_untracked().is_none() {
                    return;
                }
            }
        });
        Effect::new(move |before: Option<String>| {
            let now = moved.with(Moved::to_string);
            if before.is_some_and(|before| before != now) {
                let query = if now.is_empty() {
                    now.clone()
                } else {
                    format!("?tau={now}")
                };
                set_query(&query);
            }
            now
        });
    }
}
