//! The review of a candidate: one sentence, then numbers, then proof. Moving the threshold counts everything again from the
//! same scores, by the same code as the job.

mod banner;
mod classes;
mod confusion;
mod curves;
mod facts;
mod flips;
mod proof;

use domain::api::DEFAULT_PROJECT;
use domain::gate::decide;
use domain::gate::verdict::Verdict;
use domain::job::Job;
use domain::judge;
use domain::model::Model;
use domain::release::Channel;
use domain::report::EvaluationReport;
use domain::request::Request;
use domain::scores::SealedScores;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendError, SharedBackend, get_json, use_backend};
use crate::components::hour::Hour;
use crate::components::loaded::{Loaded, segment};
use crate::components::short;
use crate::language::{t, use_i18n};

/// Everything that the page shows before anything moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Candidate {
    pub(crate) model: Model,
    pub(crate) job: Job,
    pub(crate) report: EvaluationReport,
    pub(crate) verdict: Verdict,
    pub(crate) channels: Vec<Channel>,
    /// The rapid response that it answers, while that is open.
    pub(crate) request: Option<Request>,
}

/// Asks for all parts of a candidate.
///
/// # Errors
/// One of them cannot be had.
pub(crate) async fn candidate(backend: SharedBackend, id: &str) -> Result<Candidate, BackendError> {
    let id = segment(id);
    let model: Model = get_json(backend.clone(), &format!("/api/v1/models/{id}")).await?;
    let job: Job = get_json(backend.clone(), &format!("/api/v1/jobs/{}", segment(&model.job.0))).await?;
    Ok(Candidate {
        request: open_request(backend.clone(), &job).await?,
        job,
        report: get_json(backend.clone(), &format!("/api/v1/models/{id}/report")).await?,
        verdict: get_json(backend.clone(), &format!("/api/v1/models/{id}/verdict")).await?,
        channels: get_json(backend, &format!("/api/v1/channels?project={DEFAULT_PROJECT}")).await?,
        model,
    })
}

/// The rapid response that a job answers, while it is open.
///
/// # Errors
/// It cannot be had.
pub(crate) async fn open_request(backend: SharedBackend, job: &Job) -> Result<Option<Request>, BackendError> {
    let Some(id) = &job.request else {
        return Ok(None);
    };
    let request: Request = get_json(backend, &format!("/api/v1/requests/{}", segment(&id.0))).await?;
    Ok(Some(request).filter(|request| request.closed_us.is_none()))
}

/// The page of a model.
#[component]
pub(crate) fn ReviewPage() -> impl IntoView {
    let params = use_params_map();
    let backend = use_backend();
    let id = Memo::new(move |_| params.read().get("id").unwrap_or_default());
    let resource = Resource::new(
        move || id.get(),
        move |id| {
            let backend = backend.clone();
            async move { candidate(backend, &id).await }
        },
    );
    let reload = Callback::new(move |()| resource.refetch());
    let show = move |candidate: Candidate| view! { <Review candidate reload/> }.into_any();
    view! { <Loaded resource show/> }.into_any()
}

/// What the page shows at one threshold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) report: EvaluationReport,
    pub(crate) verdict: Verdict,
    /// The threshold of all classes, where the reader has moved it.
    pub(crate) moved_to: Option<f64>,
}

/// The threshold that most classes of a report have.
fn usual_tau(report: &EvaluationReport) -> f64 {
    report.classes.first().map_or(0.9, |class| class.tau)
}

#[component]
fn Review(candidate: Candidate, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let start = usual_tau(&candidate.report);
    let tau = RwSignal::new(start);
    let scores = RwSignal::<Option<SealedScores>>::new(None);
    #[cfg(feature = "hydrate")]
    fetch_scores(candidate.model.id.to_string(), scores);
    let judged = {
        let (report, verdict, policy) = (
            candidate.report.clone(),
            candidate.verdict.clone(),
            candidate.job.spec.policy.clone(),
        );
        Memo::new(move |_| {
            let tau = tau.get();
            let at_start = (tau - start).abs() < 1e-9;
            let moved =
                (!at_start).then(|| scores.with(|scores| judge::at_threshold(&report, scores.as_ref()?, tau).ok()));
            match moved.flatten() {
                Some(report) => Judgement {
                    verdict: decide(&report, &policy),
                    report,
                    moved_to: Some(tau),
                },
                None => Judgement {
                    report: report.clone(),
                    verdict: verdict.clone(),
                    moved_to: None,
                },
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
                t!(i18n, model.first).into_any()
            } else {
                let names = names.clone();
                t!(i18n, model.adds, names = names).into_any()
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
                <h1>{heading}</h1>
            </div>
            {candidate.request.clone().map(|request| view! { <Hour request/> })}
        </div>
        <banner::Banner candidate=candidate.clone() judged reload/>
        <facts::Facts candidate=candidate.clone() judged/>
        <div class="review">
            <classes::Classes judged policy=candidate.job.spec.policy.clone()/>
            <confusion::Confusion judged scores/>
            <curves::Curves report=candidate.report.clone() judged tau start ready=Signal::derive(move || scores.read().is_some())/>
            <proof::Proof report=candidate.report.clone()/>
            <flips::Flips judged scores/>
        </div>
    }
    .into_any()
}

/// The scores are large and only a moving threshold needs them: they come after the page.
#[cfg(feature = "hydrate")]
fn fetch_scores(id: String, scores: RwSignal<Option<SealedScores>>) {
    let backend = use_backend();
    leptos::task::spawn_local(async move {
        let path = format!("/api/v1/models/{}/files/scores.json", segment(&id));
        if let Ok(fetched) = get_json::<SealedScores>(backend, &path).await
            && fetched.check().is_ok()
        {
            scores.try_set(Some(fetched));
        }
    });
}
