//! What runs only in the page: asking the server by `fetch`, and the clock.

pub(crate) mod files;

use std::future::Future;

use gloo_net::http::{Request, RequestBuilder, Response};
use send_wrapper::SendWrapper;

use crate::backend::{Answer, Backend, BackendError};

/// Asks the server that the page came from.
#[derive(Clone, Copy, Debug)]
pub struct Fetch;

impl Backend for Fetch {
    fn get(&self, path: String) -> Answer {
        answer(async move { Request::get(&path).send().await })
    }

    fn post(&self, path: String, body: String) -> Answer {
        sent(Request::post(&path), body)
    }

    fn patch(&self, path: String, body: String) -> Answer {
        sent(Request::patch(&path), body)
    }

    fn put(&self, path: String, body: String) -> Answer {
        sent(Request::put(&path), body)
    }

    fn delete(&self, path: String) -> Answer {
        answer(async move { Request::delete(&path).send().await })
    }
}

fn sent(request: RequestBuilder, body: String) -> Answer {
    answer(async move {
        request
            .header("content-type", "application/json")
            .body(body)?
            .send()
            .await
    })
}

/// Puts bytes.
///
/// # Errors
/// The server cannot be reached, or refuses them.
pub(crate) async fn put_bytes(path: &str, bytes: &[u8]) -> Result<(), BackendError> {
    let unreachable = |error: gloo_net::Error| BackendError::unreachable(&error.to_string());
    let body = js_sys::Uint8Array::from(bytes);
    let request = Request::put(path)
        .header("content-type", "application/octet-stream")
        .body(body);
    let response = request.map_err(unreachable)?.send().await.map_err(unreachable)?;
    if response.ok() {
        return Ok(());
    }
    let text = response.text().await.unwrap_or_default();
    Err(BackendError::from_answer(response.status(), &text))
}

/// Leaves the page for another of this server, loaded anew: what was rendered for somebody else does not stay.
pub fn go_to(address: &str) {
    // Fails only while another page is being loaded already.
    let _ = leptos::prelude::window().location().set_href(address);
}

/// Changes the query of the page's address, so that a reload and whoever gets the link see the same.
pub(crate) fn set_query(query: &str) {
    let window = leptos::prelude::window();
    let path = window.location().pathname().unwrap_or_default();
    if let Ok(history) = window.history() {
        let _ = history.replace_state_with_url(&wasm_bindgen::JsValue::NULL, "", Some(&format!("{path}{query}")));
    }
}

/// What was being written, for as long as this tab is open; an empty text is forgotten.
pub(crate) fn keep_draft(name: &str, text: &str) {
    // A browser that keeps nothing loses a draft with a reload, and nothing else.
    if let Ok(Some(storage)) = leptos::prelude::window().session_storage() {
        let _ = if text.is_empty() {
            storage.remove_item(name)
        } else {
            storage.set_item(name, text)
        };
    }
}

/// What [`keep_draft`] kept.
pub(crate) fn kept_draft(name: &str) -> Option<String> {
    let storage = leptos::prelude::window().session_storage().ok()??;
    storage.get_item(name).ok()?
}

/// Microseconds since 1970, UTC, by the clock of this machine.
#[must_use]
pub fn now_us() -> i64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "microseconds fit an i64 for 290,000 years"
    )]
    let now_us = (js_sys::Date::now() * 1000.0) as i64;
    now_us
}

// A page has one thread, so its futures are not `Send`; the wrapper says so and would panic on another thread.
fn answer(sent: impl Future<Output = Result<Response, gloo_net::Error>> + 'static) -> Answer {
    Box::pin(SendWrapper::new(async move {
        let unreachable = |error: gloo_net::Error| BackendError::unreachable(&error.to_string());
        let response = sent.await.map_err(unreachable)?;
        let text = response.text().await.map_err(unreachable)?;
        if response.ok() {
            Ok(text)
        } else {
            Err(BackendError::from_answer(response.status(), &text))
        }
    }))
}
