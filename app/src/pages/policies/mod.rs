//! The gate's policies: what each of them checks and from how many photos on it can pass; a project's own are edited here.

mod editor;

use domain::api::DEFAULT_PROJECT;
use domain::gate::policy::{CheckId, GatePolicy, PolicyCheck};
use domain::model::Model;
use domain::stats::least_n;
use leptos::prelude::*;
use leptos_i18n::t_string;
use leptos_meta::Title;
use serde::Deserialize;

use crate::backend::{BackendError, SharedBackend};
use crate::components::check::check_name;
use crate::components::loaded::{Gathered, Load, Loaded};
use crate::components::table::{Column, DataTable};
use crate::components::view;
use crate::language::{t, use_i18n};
use editor::Editor;

#[derive(Debug, Deserialize)]
struct All {
    policies: Vec<GatePolicy>,
    models: Vec<Model>,
}

/// JSON text of [`All`].
async fn load(backend: SharedBackend) -> Result<String, BackendError> {
    let mut all = Gathered::default();
    for (name, path) in [("policies", "policies"), ("models", "models")] {
        let answer = backend.get(format!("/api/v1/{path}?project={DEFAULT_PROJECT}")).await?;
        all.field(name, &answer);
    }
    Ok(all.finish())
}

/// The page.
#[component]
pub(crate) fn PoliciesPage() -> impl IntoView {
    let i18n = use_i18n();
    let load = Load::new(Signal::stored(String::new()), |backend, _| load(backend));
    // The name of the policy that is being edited; it outlives a reload of the list.
    let editing = RwSignal::new(None::<String>);
    let done = Callback::new(move |()| {
        editing.set(None);
        load.refetch();
    });
    let show = move |all: All| view! { <List all editing done/> };
    view! {
        <Title text=move || format!("{} · Rehead", t_string!(i18n, policies.title))/>
        <div class="page-head">
            <div>
                <h1>{t!(i18n, policies.title)}</h1>
                <p class="dim">{t!(i18n, policies.about)}</p>
            </div>
        </div>
        <Loaded load show/>
    }
}

#[component]
fn List(all: All, editing: RwSignal<Option<String>>, done: Callback<()>) -> impl IntoView {
    // Classes that a limit of their own can be given to.
    let mut classes: Vec<String> = Vec::new();
    for class in all.models.iter().flat_map(|model| &model.classes) {
        let name = class.name.to_string();
        if !classes.contains(&name) {
            classes.push(name);
        }
    }
    let classes = StoredValue::new(classes);
    let panels: Vec<_> = all
        .policies
        .into_iter()
        .enumerate()
        .map(|(idx, policy)| view! { <One idx policy classes editing done/> })
        .collect();
    view! { <div class="stack">{panels}</div> }
}

/// One policy, and under it the form while it is edited.
#[component]
fn One(
    idx: usize,
    policy: GatePolicy,
    classes: StoredValue<Vec<String>>,
    editing: RwSignal<Option<String>>,
    done: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let id = format!("policy-{idx}");
    let title_id = format!("{id}-title");
    let (headed_by, labelled_by) = (title_id.clone(), title_id.clone());
    let is_own = GatePolicy::named(&policy.name).is_none();
    let from = policy
        .checks
        .iter()
        .find(|check| check.id == CheckId::OldClassLoss)
        .map(|check| {
            let n = least_n(check.limit, policy.alpha_per_look());
            view! { <p class="sentence">{t!(i18n, policies.from, n = n)}</p> }
        });
    let (looks, each, alpha) = (
        policy.looks,
        number(policy.alpha_per_look() * 100.0),
        number(policy.alpha * 100.0),
    );
    let rows: Vec<_> = policy.checks.iter().map(row).collect();
    let (name, version) = (policy.name.clone(), policy.version);
    let kind = if is_own {
        view! { <span class="dim">{t!(i18n, policies.version, n = version)}</span> }
    } else {
        view! { <span class="tag">{t!(i18n, policies.shipped)}</span> }
    };
    let (opened, toggled) = (policy.name.clone(), policy.name.clone());
    let is_open = Memo::new(move |_| editing.with(|editing| editing.as_deref() == Some(&opened)));
    let word = if is_own {
        t!(i18n, policies.edit)
    } else {
        t!(i18n, policies.copy)
    };
    let policy = StoredValue::new(policy);
    view! {
        <section id=id class="panel" aria-labelledby=headed_by>
            <div class="split">
                <h2 id=title_id>{name} " " {kind}</h2>
                <button
                    type="button"
                    class="button"
                    aria-expanded=move || is_open.get().to_string()
                    on:click=move |_| {
                        let name = toggled.clone();
                        editing.update(|editing| {
                            *editing = if editing.as_ref() == Some(&name) { None } else { Some(name) };
                        });
                    }
                >
                    {word}
                </button>
            </div>
            {from}
            <p class="dim">{t!(i18n, policies.looks, n = looks, each = each, alpha = alpha)}</p>
            <DataTable
                labelled_by=labelled_by
                columns=vec![
                    Column::text(t!(i18n, policies.check)),
                    Column::text(t!(i18n, policies.measures)),
                    Column::number(t!(i18n, policies.limit)),
                    Column::text(t!(i18n, policies.exceptions)),
                ]
                rows=rows.into_any()
                folds=true
            />
            {move || {
                is_open.get().then(|| view! { <Editor policy=policy.get_value() is_own classes done/> })
            }}
        </section>
    }
}

fn row(check: &PolicyCheck) -> AnyView {
    let i18n = use_i18n();
    let (id, limit) = (check.id, check.limit);
    let exceptions: Vec<_> = check
        .per_class
        .iter()
        .map(|(class, limit)| format!("{class} {}", bound(id, *limit)))
        .collect();
    view! {
        <tr>
            <th scope="row">{check_name(i18n, id)} " " <code class="dim">{id.as_str()}</code></th>
            <td class="wide-cell dim">{measures(id)}</td>
            <td class="n" data-head=t_string!(i18n, policies.limit)>{bound(id, limit)}</td>
            <td>{exceptions.join(", ")}</td>
        </tr>
    }
}

/// What a check measures, in a few words.
fn measures(id: CheckId) -> AnyView {
    let i18n = use_i18n();
    match id {
        CheckId::Structural => t!(i18n, policies.structural),
        CheckId::Coverage => t!(i18n, policies.coverage),
        CheckId::OldClassLoss => t!(i18n, policies.old_class_loss),
        CheckId::RecallChange => t!(i18n, policies.recall_change),
        CheckId::NegativeFlips => t!(i18n, policies.negative_flips),
        CheckId::NewRecall => t!(i18n, policies.new_recall),
        CheckId::NewPrecision => t!(i18n, policies.new_precision),
        CheckId::FalseNew => t!(i18n, policies.false_new),
        CheckId::Calibration => t!(i18n, policies.calibration),
        CheckId::AnchorLoss => t!(i18n, policies.anchor_loss),
        CheckId::ClassRecall => t!(i18n, policies.class_recall),
        CheckId::ClassPrecision => t!(i18n, policies.class_precision),
        CheckId::Latency => t!(i18n, policies.latency),
        CheckId::Size => t!(i18n, policies.size),
        CheckId::Looks => ().into_any(),
    }
}

/// How a limit is written: none, in percent, or in the check's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    None,
    Percent,
    Milliseconds,
    Bytes,
}

impl Unit {
    const fn of(id: CheckId) -> Self {
        match id {
            CheckId::Structural | CheckId::Coverage | CheckId::Looks => Self::None,
            CheckId::Latency => Self::Milliseconds,
            CheckId::Size => Self::Bytes,
            _ => Self::Percent,
        }
    }

    const fn sign(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Percent => "%",
            Self::Milliseconds => "ms",
            Self::Bytes => "B",
        }
    }

    /// As it is written in a field.
    fn written(self, limit: f64) -> String {
        match self {
            Self::Percent => number(limit * 100.0),
            _ => number(limit),
        }
    }

    /// What was written in a field, where it can be a limit.
    fn read(self, text: &str) -> Option<f64> {
        let value: f64 = text.trim().parse().ok()?;
        match self {
            Self::None => Some(0.0),
            // Through whole billionths: 0.7 % is 0.007 and not 0.006999….
            Self::Percent => (0.0..=100.0).contains(&value).then(|| (value * 1e7).round() / 1e9),
            Self::Milliseconds | Self::Bytes => (value.is_finite() && value > 0.0).then_some(value),
        }
    }
}

/// `≤ 0.5 %`, `≥ 80 %`, `≥ −1 %`.
fn bound(id: CheckId, limit: f64) -> String {
    let unit = Unit::of(id);
    let relation = match id {
        CheckId::Structural | CheckId::Coverage | CheckId::Looks => return "–".to_owned(),
        CheckId::NewRecall | CheckId::NewPrecision | CheckId::ClassRecall | CheckId::ClassPrecision => "≥ ",
        CheckId::RecallChange => "≥ −",
        _ => "≤ ",
    };
    format!("{relation}{} {}", unit.written(limit), unit.sign())
}

/// With at most four decimals, and none that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_come_back_as_they_were_written() {
        for percent in ["0.5", "0.7", "2", "99.95", "100", "0"] {
            let limit = Unit::Percent.read(percent).unwrap();
            assert_eq!(Unit::Percent.written(limit), percent);
        }
        assert_eq!(Unit::Percent.read("0.7"), Some(0.007));
        for wrong in ["", "x", "-1", "100.1", "NaN"] {
            assert_eq!(Unit::Percent.read(wrong), None, "{wrong}");
        }
        assert_eq!((Unit::Bytes.read("0"), Unit::Bytes.read("5e6")), (None, Some(5e6)));
    }

    #[test]
    fn bounds_say_which_way_they_hold() {
        assert_eq!(bound(CheckId::OldClassLoss, 0.005), "≤ 0.5 %");
        assert_eq!(bound(CheckId::NewRecall, 0.8), "≥ 80 %");
        assert_eq!(bound(CheckId::RecallChange, 0.01), "≥ −1 %");
        assert_eq!(bound(CheckId::Latency, 12.5), "≤ 12.5 ms");
        assert_eq!(bound(CheckId::Structural, 0.0), "–");
    }
}
