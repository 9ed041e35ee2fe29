//! A draft: what differs from the baseline, what may be changed, and nothing runs until *Start*.

use domain::api::JobPatch;
use domain::ids::DatasetVersionId;
use domain::job::JobState;
use domain::names::ClassName;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::JobView;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::panel::Panel;
use crate::components::sending::Sending;
use crate::components::table::{Column, DataTable};
use crate::components::view;
use crate::language::{t, use_i18n};

/// Deadlines that can be chosen, seconds.
const DEADLINES_S: [u64; 5] = [60, 120, 300, 600, 900];

#[component]
pub(super) fn Draft(
    shown: JobView,
    reload: Callback<()>,
    /// What is shown is not what the server has.
    unsaved: RwSignal<bool>,
) -> impl IntoView {
    let i18n = use_i18n();
    let id = shown.job.id.to_string();
    let policies = StoredValue::new(shown.policies.clone());
    let sending = Sending::then(reload);
    let save = Callback::new(move |patch: JobPatch| {
        sending.patch(format!("/api/v1/jobs/{}", segment(&id)), &patch);
    });
    Effect::new(move |_| unsaved.set(sending.pending() || sending.error().read().is_some()));
    let named = shown.job.spec.policy.name.clone();
    let is_clone = shown.job.spec.baseline.is_some();
    let options: Vec<_> = shown
        .policies
        .iter()
        .filter(|policy| (policy.name == "root") != is_clone)
        .map(|policy| {
            let (name, selected) = (policy.name.clone(), policy.name == named);
            view! { <option value=name.clone() selected=selected>{name.clone()}</option> }
        })
        .collect();
    let deadline_s = shown.job.spec.config.deadline_ms / 1000;
    let deadlines: Vec<_> = DEADLINES_S
        .iter()
        .copied()
        .chain((!DEADLINES_S.contains(&deadline_s)).then_some(deadline_s))
        .map(|seconds| {
            let text = if seconds % 60 == 0 {
                format!("{} min", seconds / 60)
            } else {
                format!("{seconds} s")
            };
            view! { <option value=seconds selected=seconds == deadline_s>{text}</option> }
        })
        .collect();
    let (about, threshold) = if is_clone {
        (t!(i18n, draft.about), t!(i18n, draft.tau))
    } else {
        (().into_any(), t!(i18n, draft.threshold))
    };
    let recall = shown.job.spec.config.recall_target;
    let tau = shown.job.spec.config.tau;
    view! {
        <Panel id="draft" title=t!(i18n, draft.title) about=about>
            <div class="form">
                <label class="field">
                    <span>{t!(i18n, draft.policy)}</span>
                    <select on:change=move |event| {
                        let name = event_target_value(&event);
                        let policy = policies.with_value(|all| all.iter().find(|policy| policy.name == name).cloned());
                        save.run(JobPatch { policy, ..JobPatch::default() });
                    }>{options}</select>
                </label>
                <a href="/policies">{t!(i18n, draft.policies)}</a>
                <label class="field">
                    <span>{t!(i18n, draft.deadline)}</span>
                    <select on:change=move |event| {
                        let seconds = event_target_value(&event).parse::<u64>().ok();
                        let deadline_ms = seconds.map(|seconds| seconds * 1000);
                        save.run(JobPatch { deadline_ms, ..JobPatch::default() });
                    }>{deadlines}</select>
                </label>
                {is_clone
                    .then(|| {
                        view! {
                            <label class="field">
                                <span>{t!(i18n, draft.recall)}</span>
                                <input
                                    type="number"
                                    min="0.5"
                                    max="0.999"
                                    step="0.005"
                                    value=recall
                                    on:change=move |event| {
                                        let recall_target = event_target_value(&event).parse().ok();
                                        save.run(JobPatch { recall_target, ..JobPatch::default() });
                                    }
                                />
                            </label>
                        }
                    })}
                <label class="field">
                    <span>{threshold}</span>
                    <input
                        type="number"
                        min="0.5"
                        max="0.999"
                        step="0.01"
                        value=tau
                        on:change=move |event| {
                            let tau = event_target_value(&event).parse().ok();
                            save.run(JobPatch { tau, ..JobPatch::default() });
                        }
                    />
                </label>
                {(!is_clone).then(|| recipe(&shown, save))}
            </div>
            {(!is_clone).then(|| rejects(&shown, save))}
            <p class="dim apart" role="status">
                {move || {
                    if sending.pending() {
                        Some(t!(i18n, draft.saving))
                    } else {
                        (!unsaved.get()).then(|| t!(i18n, draft.saved))
                    }
                }}
            </p>
            <Refusal error=sending.error()/>
        </Panel>
    }
}

/// Which map of the backbone is tapped and how it is pooled: compared on the photos, or as said.
fn recipe(shown: &JobView, save: Callback<JobPatch>) -> AnyView {
    let i18n = use_i18n();
    let fixed = shown.job.spec.config.recipe.clone();
    let is_chosen = fixed.is_none();
    let options: Vec<_> = shown
        .recipes
        .iter()
        .map(|backbone| {
            let (name, selected) = (backbone.recipe.clone(), fixed.as_ref() == Some(&backbone.recipe));
            let text = format!("{name} · {}", backbone.dim);
            view! { <option value=name selected=selected>{text}</option> }
        })
        .collect();
    view! {
        <label class="field">
            <span>{t!(i18n, draft.recipe)}</span>
            <select on:change=move |event| {
                let recipe = Some(event_target_value(&event));
                save.run(JobPatch { recipe, ..JobPatch::default() });
            }>
                <option value="auto" selected=is_chosen>{t_string!(i18n, draft.recipe_chosen)}</option>
                {options}
            </select>
        </label>
    }
}

/// Which classes of a first model mean that it is none of the others.
fn rejects(shown: &JobView, save: Callback<JobPatch>) -> AnyView {
    let i18n = use_i18n();
    let mut names: Vec<ClassName> = Vec::new();
    for count in shown.versions.iter().flat_map(|version| &version.classes) {
        if !names.contains(&count.class) {
            names.push(count.class.clone());
        }
    }
    let before = shown.job.spec.config.reject_classes.clone();
    let options: Vec<_> = names
        .into_iter()
        .map(|name| {
            let (text, is_on) = (name.to_string(), before.contains(&name));
            let mut changed = before.clone();
            changed.retain(|other| *other != name);
            if !is_on {
                changed.push(name);
            }
            view! {
                <button
                    type="button"
                    class="chip"
                    aria-pressed=is_on.to_string()
                    on:click=move |_| save.run(JobPatch { reject_classes: Some(changed.clone()), ..JobPatch::default() })
                >
                    {text}
                </button>
            }
        })
        .collect();
    view! {
        <p class="label apart">{t!(i18n, draft.rejects)}</p>
        <div class="chips">{options}</div>
    }
}

/// Photos of further datasets: more proof for old classes, or one more new class.
#[component]
fn More(shown: JobView, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let id = shown.job.id.to_string();
    let versions = shown.job.spec.dataset_versions;
    let options: Vec<_> = shown
        .datasets
        .into_iter()
        .filter_map(|dataset| {
            let latest = dataset.latest.filter(|latest| !versions.contains(&latest.id))?;
            Some(view! { <option value=latest.id.to_string()>{dataset.name.to_string()}</option> })
        })
        .collect();
    let sending = Sending::then(reload);
    let add = move |event| {
        let added = DatasetVersionId(event_target_value(&event));
        let all = versions.iter().cloned().chain([added]);
        let patch = JobPatch {
            dataset_versions: Some(all.collect()),
            ..JobPatch::default()
        };
        sending.patch(format!("/api/v1/jobs/{}", segment(&id)), &patch);
    };
    (!options.is_empty()).then(|| {
        view! {
            <label class="field">
                <span>{t!(i18n, upload.title)}</span>
                <select on:change=add>
                    <option value="" selected>"…"</option>
                    {options}
                </select>
            </label>
            <Refusal error=sending.error()/>
        }
    })
}

/// The dataset versions, those that the baseline did not have marked.
#[component]
pub(super) fn Sources(shown: JobView, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let is_clone = shown.job.spec.baseline.is_some();
    let rows: Vec<_> = shown
        .versions
        .iter()
        .map(|version| {
            let added = is_clone && !shown.inherited.contains(&version.id);
            let name = version.dataset_name.to_string();
            let classes: Vec<String> = version.classes.iter().map(|count| count.class.to_string()).collect();
            let address = format!("/datasets/{}", segment(&name));
            view! {
                <tr>
                    <th scope="row">
                        <a href=address>{name}</a>
                        " "
                        <span class="dim">{t!(i18n, dataset.version, n = version.number)}</span>
                    </th>
                    <td class="n" data-head=t_string!(i18n, dataset.photos)>{version.n_images}</td>
                    <td class="classes-cell">{classes.join(", ")}</td>
                    <td>{added.then(|| view! { <span class="tag">{t!(i18n, draft.added)}</span> })}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <Panel id="sources" title=t!(i18n, draft.sources) about=t!(i18n, draft.sources_about)>
            <DataTable
                labelled_by="sources-title"
                columns=vec![
                    Column::text(t!(i18n, dataset.word)),
                    Column::number(t!(i18n, dataset.photos)),
                    Column::text(t!(i18n, live.classes)),
                    Column::unseen(t!(i18n, draft.added)),
                ]
                rows=rows.into_any()
                folds=true
            />
            {(shown.job.state == JobState::Draft).then(|| view! { <More shown reload/> })}
        </Panel>
    }
}
