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
