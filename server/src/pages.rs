//! The pages and their files. A page asks the same API as any script: here in process, by a call of the same router.

use std::sync::Arc;

use app::backend::{Answer, Backend, BackendError, SharedBackend};
use app::{App, shell};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get_service;
use leptos::config::LeptosOptions;
use leptos::prelude::provide_context;
use leptos_axum::{LeptosRoutes, generate_route_list, render_app_async_with_context};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::state::AppState;

/// Pages, scripts and styles.
pub(crate) fn routes(state: &AppState, api: Router) -> Router {
    let site = &state.config.site;
    let options = LeptosOptions::builder()
        .output_name("app")
        .site_root(site.display().to_string())
        .site_pkg_dir("pkg")
        .build();
    let backend: SharedBackend = Arc::new(InProcess { api });
    let given = move || provide_context::<SharedBackend>(Arc::clone(&backend));
    let page = {
        let options = options.clone();
        move || shell(options.clone())
    };
    // Names carry no digest yet, so a browser asks each time whether its copy is still the newest.
    let files = get_service(ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip()).layer(
        SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    );
    let missing = {
        let (given, page) = (given.clone(), page.clone());
        move |request: Request| missing(request, given.clone(), page.clone())
    };
    Router::new()
        .leptos_routes_with_context(&options, generate_route_list(App), given, page)
        .nest_service("/pkg", files)
        .fallback(missing)
        .with_state(options)
}

/// What no route knows: a page that says so, or for a script a problem.
async fn missing<V>(
    request: Request,
    given: impl Fn() + Clone + Send + Sync + 'static,
    page: impl Fn() -> V + Clone + Send + Sync + 'static,
) -> Response
where
    V: leptos::IntoView + 'static,
{
    if request.uri().path().starts_with("/api/") || request.method() != Method::GET {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut response = render_app_async_with_context(given, page)(request).await;
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The API's router, asked without a socket.
struct InProcess {
    api: Router,
}

impl InProcess {
    fn ask(&self, method: Method, path: String, body: Option<String>) -> Answer {
        const MOST_BYTES: usize = 64 * 1024 * 1024;
        let api = self.api.clone();
        Box::pin(async move {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, "localhost")
                .header(CONTENT_TYPE, "application/json")
                .body(body.map_or_else(Body::empty, Body::from))
                .map_err(|error| BackendError::unreachable(&error.to_string()))?;
            let response = match api.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let status = response.status();
            let body = to_bytes(response.into_body(), MOST_BYTES).await;
            let body = body.map_err(|error| BackendError::unreachable(&error.to_string()))?;
            let text = String::from_utf8_lossy(&body).into_owned();
            if status.is_success() {
                Ok(text)
            } else {
                Err(BackendError::from_answer(status.as_u16(), &text))
            }
        })
    }
}

impl Backend for InProcess {
    fn get(&self, path: String) -> Answer {
        self.ask(Method::GET, path, None)
    }

    fn post(&self, path: String, body: String) -> Answer {
        self.ask(Method::POST, path, Some(body))
    }

    fn patch(&self, path: String, body: String) -> Answer {
        self.ask(Method::PATCH, path, Some(body))
    }
}
