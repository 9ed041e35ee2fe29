//! The same classes learned the other way, where a job did so: a way to both side by side.

use domain::job::{HeadMode, Job};
use domain::model::Model;
use leptos::prelude::*;

use crate::components::panel::Panel;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Whether another job made a head for the same baseline on the same photos, one of them by appending and one by a refit.
#[cfg(feature = "hydrate")]
fn is_sibling(job: &Job, other: &Job) -> bool {
    let is_other_way = matches!(
        (job.spec.config.mode, other.spec.config.mode),
        (HeadMode::Append, HeadMode::Refit) | (HeadMode::Refit, HeadMode::Append)
    );
    is_other_way
        && other.model.is_some()
        && other.spec.baseline == job.spec.baseline
        && other.spec.dataset_versions == job.spec.dataset_versions
}

#[component]
pub(super) fn Sibling(model: Model, job: Job) -> impl IntoView {
    let i18n = use_i18n();
    let is_refit = job.spec.config.mode == HeadMode::Refit;
    let found = RwSignal::new(None::<String>);
    #[cfg(feature = "hydrate")]
    {
        let (backend, job) = (crate::backend::use_backend(), job);
        leptos::task::spawn_local(async move {
            if job.spec.baseline.is_none() {
                return;
            }
            let path = format!("/api/v1/jobs?state=succeeded&project={}", domain::api::DEFAULT_PROJECT);
            // Without the list there is no link, and nothing else is lost.
            let text = backend.get(path.clone()).await;
            let jobs = text.and_then(|text| crate::backend::read::<Vec<Job>>(&path, &text));
            let jobs = jobs.unwrap_or_default().into_iter();
            let sibling = jobs
                .filter(|other| is_sibling(&job, other))
                .max_by_key(|other| other.created_us);
            found.try_set(sibling.and_then(|sibling| sibling.model).map(|model| model.0));
        });
    }
    let own = model.id.to_string();
    let panel = move || {
        let other = found.get()?;
        let models = if is_refit {
            [other, own.clone()]
        } else {
            [own.clone(), other]
        };
        let text = if is_refit {
            t!(i18n, share.with_append)
        } else {
            t!(i18n, share.with_refit)
        };
        Some(view! {
            <Panel id="sibling" full=true title=t!(i18n, share.both) about=t!(i18n, share.both_about)>
                <p class="spaced"><a class="button" href=format!("/compare?models={}", models.join(","))>{text}</a></p>
            </Panel>
        })
    };
    live(panel)
}
