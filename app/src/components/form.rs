//! A form that posts JSON and leaves for another page: its fields, what is wrong, and the time in between.

use leptos::ev::SubmitEvent;
use leptos::html::Input;
use leptos::prelude::*;

use crate::backend::{BackendError, SharedBackend, use_backend, written};
use crate::components::loaded::Gathered;
use crate::components::view;

/// Where a form is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submit {
    /// An answer is on its way.
    pub busy: RwSignal<bool>,
    /// Scripts have come: before, pressing the button would lead nowhere.
    ready: RwSignal<bool>,
    failed: RwSignal<Option<BackendError>>,
}

impl Submit {
    /// A form that nobody has touched.
    pub(crate) fn new() -> Self {
        let ready = RwSignal::new(false);
        // Effects run in the browser only, after the page has come alive.
        Effect::new(move |_| ready.set(true));
        Self {
            busy: RwSignal::new(false),
            ready,
            failed: RwSignal::new(None),
        }
    }

    /// Whether pressing the button does nothing now.
    pub(crate) fn is_waiting(&self) -> bool {
        self.busy.get() || !self.ready.get()
    }
}

/// Posts what `asked` gives (an address, a body of named texts, and the page to go to after a success).
pub(crate) fn on_submit(
    form: Submit,
    asked: impl Fn() -> (&'static str, Vec<(&'static str, String)>, String) + 'static,
) -> impl FnMut(SubmitEvent) + 'static {
    let backend = use_backend();
    move |event: SubmitEvent| {
        event.prevent_default();
        // Enter in a field submits as well, also while an answer is on its way.
        if form.busy.get_untracked() {
            return;
        }
        form.busy.set(true);
        form.failed.set(None);
        let (path, fields, next) = asked();
        let mut body = Gathered::default();
        for (name, text) in fields {
            body.field(name, &written(&text));
        }
        post(&backend, form, path, body.finish(), next);
    }
}

#[cfg(feature = "hydrate")]
fn post(backend: &SharedBackend, form: Submit, path: &str, body: String, next: String) {
    let answer = backend.post(path.to_owned(), body);
    leptos::task::spawn_local(async move {
        match answer.await {
            Ok(_) => crate::browser::go_to(&next),
            Err(error) => {
                form.failed.set(Some(error));
                form.busy.set(false);
            }
        }
    });
}

/// Nothing is submitted on the server.
#[cfg(not(feature = "hydrate"))]
fn post(_backend: &SharedBackend, _form: Submit, _path: &str, _body: String, _next: String) {}

/// What the server said against it.
#[component]
pub(crate) fn Failure(form: Submit, title: AnyView) -> impl IntoView {
    // The region is there from the start, so that what appears in it is read out.
    view! {
        <div id="form-failure" class="entry-failure" role="alert">
            <p class="banner-title" hidden=move || form.failed.with(Option::is_none)>{title}</p>
            <p lang="en">{move || form.failed.with(|failed| failed.as_ref().map(|error| error.sentence().to_owned()))}</p>
        </div>
    }
}

/// What stands in a field.
pub(crate) fn text(input: NodeRef<Input>) -> String {
    input.get_untracked().map(|input| input.value()).unwrap_or_default()
}

/// A labelled field.
#[component]
pub(crate) fn Field(
    /// Of the input, unique on the page; also its name.
    id: &'static str,
    label: AnyView,
    /// `text` or `password`.
    kind: &'static str,
    autocomplete: &'static str,
    /// The input itself: what a browser filled in before scripts came is read as well.
    input: NodeRef<Input>,
    /// What the field wants.
    #[prop(optional)]
    hint: Option<AnyView>,
    /// What stands in it from the start, for good.
    #[prop(optional_no_strip)]
    fixed: Option<String>,
    form: Submit,
) -> impl IntoView {
    let hint_id = format!("{id}-hint");
    let described_by = match &hint {
        Some(_) => format!("{hint_id} form-failure"),
        None => "form-failure".to_owned(),
    };
    view! {
        <div class="entry-field">
            <label for=id>{label}</label>
            <input
                node_ref=input
                id=id
                name=id
                type=kind
                autocomplete=autocomplete
                autocapitalize="none"
                spellcheck="false"
                required
                readonly=fixed.is_some()
                value=fixed
                aria-describedby=described_by
                aria-invalid=move || form.failed.with(Option::is_some).then_some("true")
            />
            {hint.map(|hint| view! { <p id=hint_id class="dim">{hint}</p> })}
        </div>
    }
}
