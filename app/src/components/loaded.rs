//! A page's data: waiting for it, showing it, and what went wrong.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::server::codee::string::FromToStringCodec;
use serde::de::DeserializeOwned;

use crate::backend::{Answer, BackendError, SharedBackend, read, use_backend, written};
use crate::components::error::ErrorNotice;
use crate::components::{live, view};
use crate::language::{t, use_i18n};

/// Where an error begins in a loaded text; no JSON begins so.
const FAILED: char = '!';

/// What a page shows, on its way as JSON text of a `T`.
///
/// Text, so that all pages share what waits, travels with the page and is taken over by the browser; a `T` is read from it
/// only where it is shown.
pub(crate) struct Load<T> {
    text: Text,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Load<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Load<T> {}

type Text = Resource<String, FromToStringCodec>;

impl<T: DeserializeOwned + 'static> Load<T> {
    /// Fetches JSON text of a `T`, anew for each `key`.
    pub(crate) fn new<F>(
        key: Signal<String>,
        fetch: impl Fn(SharedBackend, String) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<String, BackendError>> + Send + 'static,
    {
        Self {
            text: resource(key, Arc::new(move |backend, key| Box::pin(fetch(backend, key)))),
            kind: PhantomData,
        }
    }

    /// Fetches what a path of the API answers.
    pub(crate) fn path(path: String) -> Self {
        Self::new(Signal::stored(path), |backend, path| backend.get(path))
    }

    /// Asks again; what is there stays until the answer comes.
    pub(crate) fn refetch(self) {
        self.text.refetch();
    }

    /// What came, if anything did.
    pub(crate) fn get(self) -> Option<Result<T, BackendError>> {
        self.text.get().map(|text| parse(&text))
    }
}

fn resource(key: Signal<String>, fetch: Arc<dyn Fn(SharedBackend, String) -> Answer + Send + Sync>) -> Text {
    let backend = use_backend();
    Resource::new_str(
        move || key.get(),
        move |key| {
            let fetched = fetch(backend.clone(), key);
            async move {
                fetched
                    .await
                    .unwrap_or_else(|error| format!("{FAILED}{}", written(&error)))
            }
        },
    )
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, BackendError> {
    match text.strip_prefix(FAILED) {
        Some(error) => Err(read("this page", error).unwrap_or_else(|unreadable| unreadable)),
        None => read("this page", text),
    }
}

/// Shows what was loaded. After a failed reload the last good answer stays, under the error.
#[component]
pub(crate) fn Loaded<T, F>(load: Load<T>, show: F) -> impl IntoView
where
    T: DeserializeOwned + 'static,
    F: Fn(T) -> AnyView + Send + Sync + 'static,
{
    loaded(load.text, Box::new(move |text| parse(text).map(&show)))
}

type Show = Box<dyn Fn(&str) -> Result<AnyView, BackendError> + Send + Sync>;

fn loaded(text: Text, show: Show) -> AnyView {
    let i18n = use_i18n();
    let last_good = StoredValue::<Option<String>>::new(None);
    let retry = Callback::new(move |()| text.refetch());
    let content = move || {
        text.get().map(|answer| match show(&answer) {
            Ok(shown) => {
                last_good.set_value(Some(answer));
                shown
            }
            Err(error) => {
                let shown = last_good.with_value(|good| show(good.as_ref()?).ok());
                let stale = shown.is_some();
                view! {
                    <ErrorNotice error stale retry/>
                    {shown}
                }
            }
        })
    };
    let waiting = move || {
        view! {
            <div aria-busy="true">
                <p class="unseen" role="status">{t!(i18n, loading)}</p>
                <div class="panel skeleton" aria-hidden="true"></div>
                <div class="panel skeleton" aria-hidden="true"></div>
            </div>
        }
    };
    view! { <Transition fallback=waiting>{live(content)}</Transition> }
}

/// JSON text of an object, gathered from answers as they came.
#[derive(Default)]
pub(crate) struct Gathered(String);

impl Gathered {
    /// Adds a field; `json` is JSON text.
    pub(crate) fn field(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
        self.0.push_str(json);
    }

    /// The object.
    pub(crate) fn finish(mut self) -> String {
        if self.0.is_empty() {
            self.0.push('{');
        }
        self.0.push('}');
        self.0
    }
}

/// JSON text of a list of JSON texts.
pub(crate) fn list(texts: &[String]) -> String {
    format!("[{}]", texts.join(","))
}

/// One segment of a path, whatever stands in it.
pub(crate) fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_never_leaves_its_place() {
        assert_eq!(segment("fu-ma_1.0"), "fu-ma_1.0");
        assert_eq!(segment("a/b?c#d"), "a%2Fb%3Fc%23d");
        assert_eq!(segment("福"), "%E7%A6%8F");
    }

    #[test]
    fn gathered_answers_are_one_answer() {
        let mut all = Gathered::default();
        all.field("n", "3");
        all.field("names", &list(&["\"a\"".to_owned(), "null".to_owned()]));
        let read: serde_json::Value = parse(&all.finish()).unwrap();
        assert_eq!(read, serde_json::json!({"n": 3, "names": ["a", null]}));
        assert_eq!(Gathered::default().finish(), "{}");
    }

    #[test]
    fn an_error_is_loaded_as_one() {
        let error = BackendError::from_answer(503, "");
        let text = format!("{FAILED}{}", written(&error));
        assert_eq!(parse::<Vec<u8>>(&text), Err(error));
        assert_eq!(parse::<Vec<u8>>("[1,2]"), Ok(vec![1, 2]));
        assert_eq!(parse::<Vec<u8>>("{}").unwrap_err().status, 200);
    }
}
