//! Several models in the same panels, by address: counted over the photos that all of them were judged on.

mod panels;

use domain::api::compare::{LeftOutReason, ModelComparison};
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;
use leptos_router::params::ParamsMap;

use crate::backend::{BackendError, SharedBackend};
use crate::components::error::Refusal;
use crate::components::loaded::{Load, Loaded, segment};
use crate::components::panel::Panel;
use crate::components::short;
use crate::components::{live, view};
use crate::language::{filled, t, use_i18n};

/// Where the slider may stand, as on a review.
const LEAST: f64 = 0.5;
const MOST: f64 = 0.999;
/// Where it begins: the threshold of classes without one of their own.
const START: f64 = 0.9;

/// What a reader may choose, and the address keeps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Choice {
    models: String,
    reference: Option<String>,
    /// None: each model at its own thresholds.
    tau: Option<f64>,
    /// None: all classes together.
    class: Option<String>,
}

impl Choice {
    fn of(query: &ParamsMap) -> Self {
        let text = |name: &str| query.get(name).filter(|text| !text.is_empty());
        let tau = text("tau").and_then(|tau| tau.parse::<f64>().ok());
        Self {
            models: text("models").unwrap_or_default(),
            reference: text("reference"),
            tau: tau.filter(|tau| (LEAST..=MOST).contains(tau)),
            class: text("class"),
        }
    }

    /// Of the page's address and of the API alike.
    fn query(&self) -> String {
        let ids: Vec<String> = self.models.split(',').map(segment).collect();
        let mut query = format!("?models={}", ids.join(","));
        for (name, value) in [
            ("reference", self.reference.as_deref().map(segment)),
            ("tau", self.tau.map(|tau| format!("{tau:.3}"))),
            ("class", self.class.as_deref().map(segment)),
        ] {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={value}"));
            }
        }
        query
    }
}

/// JSON text of a [`ModelComparison`]; of nothing where no model is named.
async fn load(backend: SharedBackend, query: String) -> Result<String, BackendError> {
    if query == Choice::default().query() {
        return Ok("null".to_owned());
    }
    backend.get(format!("/api/v1/compare{query}")).await
}

/// The page.
#[component]
pub(crate) fn ComparePage() -> impl IntoView {
    let i18n = use_i18n();
    let query = use_query_map();
    let choice = Memo::new(move |_| Choice::of(&query.read()));
    let load = Load::new(Signal::derive(move || choice.read().query()), load);
    let show = move |compared: Option<ModelComparison>| match compared {
        Some(compared) => view! { <Shown compared choice=choice.get_untracked()/> },
        None => view! { <p class="empty">{t!(i18n, compare.few)}</p> },
    };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, compare.title))/>
        <div class="page-head">
            <div>
                <p class="crumb"><a href="/models">{t!(i18n, nav.models)}</a></p>
                <h1>{t!(i18n, compare.title)}</h1>
            </div>
        </div>
        <Loaded load show/>
    }
}

#[component]
fn Shown(compared: ModelComparison, choice: Choice) -> impl IntoView {
    let i18n = use_i18n();
    let ids: Vec<String> = compared.models.iter().map(|model| model.id.to_string()).collect();
    let classes: Vec<String> = compared.classes.iter().map(ToString::to_string).collect();
    let is_empty = compared.common.n_images == 0;
    let first = Choice {
        // What the server shows, whatever was asked for.
        reference: Some(compared.reference.to_string()),
        ..choice
    };
    let left_out = left_out(&compared);
    let shown = RwSignal::new(compared);
    let chosen = RwSignal::new(first);
    let refused = RwSignal::new(None::<BackendError>);
    #[cfg(feature = "hydrate")]
    moving::follow(chosen, shown, refused);
    let said = move || shown.with(common);
    if is_empty {
        return view! {
            <div class="stack">
                {left_out}
                <p class="flag" role="status">{live(said)}</p>
                <panels::Overall shown/>
            </div>
        };
    }
    let named = |name: &str, number: usize| format!("{number} · {}", short(name));
    let references: Vec<_> = ids
        .iter()
        .zip(1..)
        .map(|(id, number)| {
            let is_chosen = chosen.with_untracked(|choice| choice.reference.as_ref() == Some(id));
            view! { <option value=id.clone() selected=is_chosen>{named(id, number)}</option> }
        })
        .collect();
    let at = move || chosen.with(|choice| choice.tau).unwrap_or(START);
    let moved = move || chosen.with(|choice| choice.tau.is_some());
    let thresholds = move || {
        if moved() {
            let tau = format!("{:.3}", at());
            t!(i18n, compare.moved, tau = tau)
        } else {
            t!(i18n, compare.own)
        }
    };
    view! {
        <div class="stack">
            {left_out}
            <Panel id="same" full=true title=t!(i18n, compare.same) about=live(said)>
                <div class="compare-set spaced">
                    <label>
                        {t!(i18n, compare.reference)}
                        <select on:change=move |event| {
                            chosen.update(|choice| choice.reference = Some(event_target_value(&event)));
                        }>{references}</select>
                    </label>
                </div>
                <div class="slider">
                    <label for="tau">{t!(i18n, compare.threshold)}</label>
                    <input
                        id="tau"
                        type="range"
                        min=LEAST
                        max=MOST
                        step="0.001"
                        prop:value=at
                        value=chosen.with_untracked(|choice| choice.tau).unwrap_or(START)
                        aria-valuetext=move || format!("{:.3}", at())
                        on:input=move |event| {
                            if let Ok(value) = event_target_value(&event).parse::<f64>() {
                                chosen.update(|choice| choice.tau = Some(value));
                            }
                        }
                    />
                    <output for="tau">{move || if moved() { format!("{:.3}", at()) } else { "–".to_owned() }}</output>
                    <button
                        type="button"
                        class="button"
                        disabled=move || !moved()
                        on:click=move |_| chosen.update(|choice| choice.tau = None)
                    >
                        {t!(i18n, curves.reset)}
                    </button>
                </div>
                <p class="dim" role="status">{live(thresholds)}</p>
                <Refusal error=refused/>
            </Panel>
            <panels::Overall shown/>
            <panels::Figures shown/>
            <panels::Curves shown chosen classes/>
            <panels::One shown ids/>
        </div>
    }
}

/// On which photos everything was counted, and which were left out.
fn common(compared: &ModelComparison) -> AnyView {
    let i18n = use_i18n();
    let common = &compared.common;
    let (n, others, relabelled) = (common.n_images, common.n_not_all, common.n_relabelled);
    if n > 0 {
        return t!(i18n, compare.common, n = n, others = others, relabelled = relabelled);
    }
    match &common.apart {
        Some([a, b]) => {
            let (a, b) = (short(&a.0), short(&b.0));
            t!(i18n, compare.apart, a = a, b = b)
        }
        None => t!(i18n, compare.nothing),
    }
}

/// Names that are not shown, each with the reason.
fn left_out(compared: &ModelComparison) -> Option<AnyView> {
    let i18n = use_i18n();
    let lines: Vec<_> = compared
        .left_out
        .iter()
        .map(|one| {
            let reason = match one.reason {
                LeftOutReason::Missing => t_string!(i18n, compare.missing),
                LeftOutReason::Twice => t_string!(i18n, compare.twice),
                LeftOutReason::TooMany => t_string!(i18n, compare.too_many),
                LeftOutReason::NoScores => t_string!(i18n, compare.no_scores),
            };
            view! { <li>{filled(reason, &[("id", &one.model)])}</li> }
        })
        .collect();
    (!lines.is_empty()).then(|| view! { <ul class="flag" role="status">{lines}</ul> })
}

/// What a choice needs, in the browser only.
#[cfg(feature = "hydrate")]
mod moving {
    use domain::api::compare::ModelComparison;
    use leptos::prelude::*;

    use super::Choice;
    use crate::backend::{BackendError, read, use_backend};
    use crate::browser::files::pause;
    use crate::browser::set_query;

    /// Keeps the address at the choice, and counts anew for the last of several that follow one another.
    pub(super) fn follow(
        chosen: RwSignal<Choice>,
        shown: RwSignal<ModelComparison>,
        refused: RwSignal<Option<BackendError>>,
    ) {
        let backend = use_backend();
        Effect::new(move |before: Option<Choice>| {
            let now = chosen.get();
            if before.is_some_and(|before| before != now) {
                let query = now.query();
                set_query(&query);
                let (backend, wanted) = (backend.clone(), now.clone());
                leptos::task::spawn_local(async move {
                    pause(60).await;
                    let is_last = || chosen.try_with_untracked(|choice| *choice == wanted) == Some(true);
                    if !is_last() {
                        return;
                    }
                    let path = format!("/api/v1/compare{query}");
                    let text = backend.get(path.clone()).await;
                    let counted = text.and_then(|text| read::<ModelComparison>(&path, &text));
                    if is_last() {
                        refused.try_set(counted.as_ref().err().cloned());
                        if let Ok(counted) = counted {
                            shown.try_set(counted);
                        }
                    }
                });
            }
            now
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_what_was_chosen() {
        let choice = Choice {
            models: "a,b,福".to_owned(),
            reference: Some("b".to_owned()),
            tau: Some(0.95),
            class: Some("fu ma".to_owned()),
        };
        assert_eq!(
            choice.query(),
            "?models=a,b,%E7%A6%8F&reference=b&tau=0.950&class=fu%20ma"
        );
        assert_eq!(Choice::default().query(), "?models=");
    }
}
