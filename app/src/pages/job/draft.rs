//! A draft: what differs from the baseline, what may be changed, and nothing runs until *Start*.

use domain::api::JobPatch;
use domain::job::TrainConfig;
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
pub(super) fn Draft(shown: JobView, reload: Callback<()>) -> impl IntoView {
    let i18n = use_i18n();
    let id = shown.job.id.to_string();
    let config = StoredValue::new(shown.job.spec.config.clone());
    let policies = StoredValue::new(shown.policies.clone());
    let sending = Sending::then(reload);
    let save = Callback::new(move |patch: JobPatch| {
        sending.patch(format!("/api/v1/jobs/{}", segment(&id)), &patch);
    });
    let with_config = move |edit: &dyn Fn(&mut TrainConfig)| {
        let mut changed = config.get_value();
        edit(&mut changed);
        save.run(JobPatch {
            config: Some(changed),
            ..JobPatch::default()
        });
    };
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
    let recall = shown.job.spec.config.recall_target;
    let tau = shown.job.spec.config.tau;
    view! {
        <Panel id="draft" title=t!(i18n, draft.title) about=t!(i18n, draft.about)>
            <div class="form">
                <label class="field">
                    <span>{t!(i18n, draft.policy)}</span>
                    <select on:change=move |event| {
                        let name = event_target_value(&event);
                        let policy = policies.with_value(|all| all.iter().find(|policy| policy.name == name).cloned());
                        save.run(JobPatch { policy, ..JobPatch::default() });
                    }>{options}</select>
                </label>
                <label class="field">
                    <span>{t!(i18n, draft.deadline)}</span>
                    <select on:change=move |event| {
                        if let Ok(seconds) = event_target_value(&event).parse::<u64>() {
                            with_config(&|config| config.deadline_ms = seconds * 1000);
                        }
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
                                        if let Ok(value) = event_target_value(&event).parse::<f64>() {
                                            with_config(&|config| config.recall_target = value);
                                        }
                                    }
                                />
                            </label>
                        }
                    })}
                <label class="field">
                    <span>{t!(i18n, draft.tau)}</span>
                    <input
                        type="number"
                        min="0.5"
                        max="0.999"
                        step="0.01"
                        value=tau
                        on:change=move |event| {
                            if let Ok(value) = event_target_value(&event).parse::<f64>() {
                                with_config(&|config| config.tau = value);
                            }
                        }
                    />
                </label>
            </div>
            <p class="dim" role="status">
                {move || {
                    if sending.pending() {
                        t!(i18n, draft.saving)
                    } else {
                        t!(i18n, draft.saved)
                    }
                }}
            </p>
            <Refusal error=sending.error()/>
        </Panel>
    }
}

/// The dataset versions, those that the baseline did not have marked.
#[component]
pub(super) fn Sources(shown: JobView) -> impl IntoView {
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
        </Panel>
    }
}
