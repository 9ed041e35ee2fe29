//! A policy being written: which checks run, their limits, and limits of single classes.

use std::collections::BTreeMap;

use domain::api::NewPolicy;
use domain::gate::policy::{CheckId, GatePolicy, PolicyCheck};
use domain::names::ClassName;
use domain::stats::least_n;
use leptos::prelude::*;
use leptos_i18n::t_string;

use super::{Unit, number};
use crate::components::check::check_name;
use crate::components::error::Refusal;
use crate::components::loaded::segment;
use crate::components::sending::Sending;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// A check as the form holds it.
#[derive(Clone, Copy)]
struct Line {
    id: CheckId,
    is_on: RwSignal<bool>,
    limit: RwSignal<String>,
}

impl Line {
    fn of(policy: &GatePolicy, id: CheckId) -> Self {
        let check = policy.checks.iter().find(|check| check.id == id);
        let limit = check.map_or_else(String::new, |check| Unit::of(id).written(check.limit));
        Self {
            id,
            is_on: RwSignal::new(check.is_some()),
            limit: RwSignal::new(limit),
        }
    }

    fn read(self) -> Option<f64> {
        let unit = Unit::of(self.id);
        if unit == Unit::None {
            return Some(0.0);
        }
        self.limit.with(|text| unit.read(text))
    }

    fn is_wrong(self) -> bool {
        self.is_on.get() && self.read().is_none()
    }
}

/// A limit of one class.
#[derive(Clone, Copy)]
struct Exception {
    check: RwSignal<CheckId>,
    class: RwSignal<String>,
    limit: RwSignal<String>,
}

impl Exception {
    fn new(check: CheckId, class: String, limit: String) -> Self {
        Self {
            check: RwSignal::new(check),
            class: RwSignal::new(class),
            limit: RwSignal::new(limit),
        }
    }

    fn read(self) -> Option<(CheckId, ClassName, f64)> {
        let limit = self.limit.with(|text| Unit::Percent.read(text))?;
        let class = ClassName::new(self.class.get().trim()).ok()?;
        Some((self.check.get(), class, limit))
    }
}

/// Everything that the form holds.
#[derive(Clone, Copy)]
struct Written {
    name: RwSignal<String>,
    alpha: RwSignal<String>,
    looks: RwSignal<String>,
    lines: StoredValue<Vec<Line>>,
    exceptions: RwSignal<Vec<Exception>>,
}

impl Written {
    fn of(policy: &GatePolicy, is_own: bool) -> Self {
        let exceptions = policy.checks.iter().flat_map(|check| {
            let limits = check.per_class.iter();
            limits.map(|(class, limit)| Exception::new(check.id, class.to_string(), Unit::Percent.written(*limit)))
        });
        Self {
            name: RwSignal::new(if is_own { policy.name.clone() } else { String::new() }),
            alpha: RwSignal::new(number(policy.alpha * 100.0)),
            looks: RwSignal::new(policy.looks.to_string()),
            lines: StoredValue::new(CheckId::LISTED.iter().map(|id| Line::of(policy, *id)).collect()),
            exceptions: RwSignal::new(exceptions.collect()),
        }
    }

    fn alpha(self) -> Option<f64> {
        let alpha = self.alpha.with(|text| Unit::Percent.read(text))?;
        (alpha > 0.0 && alpha < 0.5).then_some(alpha)
    }

    fn looks(self) -> Option<u32> {
        self.looks.get().trim().parse().ok().filter(|looks| *looks > 0)
    }

    /// The policy, where every field holds what it should.
    fn read(self) -> Option<NewPolicy> {
        let (alpha, looks) = (self.alpha()?, self.looks()?);
        let mut checks = Vec::new();
        for line in self.lines.get_value().into_iter().filter(|line| line.is_on.get()) {
            checks.push(PolicyCheck {
                id: line.id,
                limit: line.read()?,
                per_class: BTreeMap::new(),
            });
        }
        for exception in self.exceptions.get() {
            let (id, class, limit) = exception.read()?;
            // An exception to a check that does not run is none.
            let check = checks.iter_mut().find(|check| check.id == id)?;
            check.per_class.insert(class, limit);
        }
        Some(NewPolicy {
            project: None,
            alpha,
            looks,
            checks,
        })
    }

    /// From how many groups on a class can pass.
    fn least(self) -> Option<u64> {
        let policy = self.read()?;
        let check = policy.checks.iter().find(|check| check.id == CheckId::OldClassLoss)?;
        Some(least_n(check.limit, policy.alpha / f64::from(policy.looks)))
    }
}

/// The form.
#[component]
pub(super) fn Editor(
    policy: GatePolicy,
    is_own: bool,
    classes: StoredValue<Vec<String>>,
    done: Callback<()>,
) -> impl IntoView {
    let i18n = use_i18n();
    let written = Written::of(&policy, is_own);
    let sending = Sending::then(done);
    let is_ready = Memo::new(move |_| written.read().is_some() && !written.name.get().trim().is_empty());
    let save = move || {
        let Some(body) = written.read() else { return };
        let name = written.name.get_untracked();
        sending.put(format!("/api/v1/policies/{}", segment(name.trim())), &body);
    };
    let options: Vec<_> = classes.with_value(|classes| {
        let option = |name: &String| view! { <option value=name.clone()></option> };
        classes.iter().map(option).collect()
    });
    let lines: Vec<_> = written.lines.get_value().into_iter().map(line).collect();
    let least = move || {
        written
            .least()
            .map(|n| view! { <p class="sentence">{t!(i18n, policies.from, n = n)}</p> })
    };
    view! {
        <form
            class="form apart"
            on:submit=move |event| {
                event.prevent_default();
                save();
            }
        >
            <label class="field">
                <span>{t!(i18n, policies.name)}</span>
                <input
                    type="text"
                    maxlength="60"
                    required
                    prop:value=move || written.name.get()
                    on:input=move |event| written.name.set(event_target_value(&event))
                />
                <small class="dim">{t!(i18n, policies.name_about)}</small>
            </label>
            <div class="pair">
                {field(t!(i18n, policies.alpha), written.alpha, Signal::derive(move || written.alpha().is_none()))}
                {field(t!(i18n, policies.looks_field), written.looks, Signal::derive(move || written.looks().is_none()))}
            </div>
            <fieldset class="limits">
                <legend>{t!(i18n, policies.limits)}</legend>
                {lines}
            </fieldset>
            {exceptions(written)}
            <datalist id="classes">{options}</datalist>
            {live(least)}
            <div class="form-actions">
                <button
                    type="submit"
                    class="button primary"
                    disabled=move || !is_ready.get() || sending.pending()
                >
                    {t!(i18n, policies.save)}
                </button>
                <button type="button" class="button" on:click=move |_| done.run(())>{t!(i18n, publish.cancel)}</button>
            </div>
            <p class="dim">{t!(i18n, policies.save_about)}</p>
            <Refusal error=sending.error()/>
        </form>
    }
}

/// A field with a number in it.
fn field(label: AnyView, value: RwSignal<String>, is_wrong: Signal<bool>) -> AnyView {
    view! {
        <label class="field">
            <span>{label}</span>
            <input
                type="text"
                inputmode="decimal"
                aria-invalid=move || is_wrong.get().to_string()
                prop:value=move || value.get()
                on:input=move |event| value.set(event_target_value(&event))
            />
        </label>
    }
}

fn line(line: Line) -> AnyView {
    let i18n = use_i18n();
    let unit = Unit::of(line.id);
    let limit = (unit != Unit::None).then(|| {
        view! {
            <input
                type="text"
                inputmode="decimal"
                aria-label=move || format!("{} ({})", t_string!(i18n, policies.limit), line.id.as_str())
                aria-invalid=move || line.is_wrong().to_string()
                disabled=move || !line.is_on.get()
                prop:value=move || line.limit.get()
                on:input=move |event| line.limit.set(event_target_value(&event))
            />
            <span class="dim">{unit.sign()}</span>
        }
    });
    view! {
        <div class="limit">
            <label class="check">
                <input
                    type="checkbox"
                    disabled=line.id == CheckId::Structural
                    prop:checked=move || line.is_on.get()
                    on:change=move |event| line.is_on.set(event_target_checked(&event))
                />
                <span>{check_name(i18n, line.id)} " " <code class="dim">{line.id.as_str()}</code></span>
            </label>
            {limit}
        </div>
    }
}

/// Limits of single classes.
fn exceptions(written: Written) -> AnyView {
    let i18n = use_i18n();
    let all = written.exceptions;
    let rows = move || {
        let rows = all.get().into_iter().enumerate();
        rows.map(|(idx, exception)| row(idx, exception, all))
            .collect::<Vec<_>>()
    };
    let add = move |_| {
        all.update(|all| all.push(Exception::new(CheckId::OldClassLoss, String::new(), String::new())));
    };
    view! {
        <fieldset class="limits">
            <legend>{t!(i18n, policies.exceptions_title)}</legend>
            <p class="dim">{t!(i18n, policies.exceptions_about)}</p>
            {live(rows)}
            <button type="button" class="button" on:click=add>{t!(i18n, policies.add)}</button>
        </fieldset>
    }
}

fn row(idx: usize, exception: Exception, all: RwSignal<Vec<Exception>>) -> AnyView {
    let i18n = use_i18n();
    let chosen = exception.check.get_untracked();
    let options: Vec<_> = CheckId::LISTED
        .iter()
        .filter(|id| id.is_per_class())
        .map(|id| {
            let word = id.as_str();
            view! { <option value=word selected=*id == chosen>{word}</option> }
        })
        .collect();
    let choose = move |event| {
        let word = event_target_value(&event);
        if let Some(id) = CheckId::LISTED.iter().find(|id| id.as_str() == word) {
            exception.check.set(*id);
        }
    };
    let is_wrong = move || exception.read().is_none().to_string();
    let remove = move |_| {
        all.update(|all| {
            all.remove(idx);
        });
    };
    view! {
        <div class="exception">
            <select aria-label=move || t_string!(i18n, policies.check) on:change=choose>{options}</select>
            <input
                type="text"
                list="classes"
                aria-label=move || t_string!(i18n, classes.class)
                placeholder=move || t_string!(i18n, classes.class)
                aria-invalid=is_wrong
                prop:value=move || exception.class.get()
                on:input=move |event| exception.class.set(event_target_value(&event))
            />
            <input
                type="text"
                inputmode="decimal"
                aria-label=move || format!("{}, %", t_string!(i18n, policies.limit))
                placeholder="%"
                prop:value=move || exception.limit.get()
                on:input=move |event| exception.limit.set(event_target_value(&event))
            />
            <button type="button" class="button" on:click=remove>{t!(i18n, policies.remove)}</button>
        </div>
    }
}
