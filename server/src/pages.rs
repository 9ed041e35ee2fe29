//! The pages and their files. A page asks the same API as any script: here in process, by a call of the same router.

use std::sync::Arc;

use app::backend::{Answer, Backend, BackendError, SharedBackend};
use app::visitor::Visitor;
use app::{App, shell};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get_service;
use leptos::config::LeptosOptions;
use leptos::nonce::use_nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes, ResponseOptions, generate_route_list, render_app_async_with_context};
use tower::ServiceExt as _;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::auth::caller::Caller;
use crate::state::AppState;

/// Pages, scripts and styles.
pub(crate) fn routes(state: &AppState, api: Router) -> Router {
    let site = &state.config.site;
    let options = LeptosOptions::builder()
        .output_name("app")
        .site_root(site.display().to_string())
        .site_pkg_dir("pkg")
        .build();
    let given = move || give(&api);
    let page = {
        let options = options.clone();
        move || shell(options.clone())
    };
    // Most names carry no digest, so a browser asks each time whether its copy is still the newest.
    let files = get_service(ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip()).layer(
        SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    );
    let missing = {
        let (given, page) = (given.clone(), page.clone());
        move |request: Request| missing(request, given.clone(), page.clone())
    };
    let routes = Router::new();
    #[cfg(debug_assertions)]
    let routes = routes.route("/design", design(given.clone()));
    routes
        .leptos_routes_with_context(&options, generate_route_list(App), given, page)
        .nest_service("/pkg", files)
        .fallback(missing)
        .with_state(options)
}

/// The addresses of the pages, as the router writes them.
#[cfg(test)]
pub(crate) fn paths() -> Vec<String> {
    let routes = generate_route_list(App);
    let paths = routes.iter().map(|route| route.path().to_owned());
    let design = cfg!(debug_assertions).then(|| "/design".to_owned());
    paths.chain(design).collect()
}

/// `?scheme=dark`
#[cfg(debug_assertions)]
#[derive(serde::Deserialize)]
struct Scheme {
    #[serde(default)]
    scheme: String,
}

#[cfg(debug_assertions)]
fn design<S: Clone + Send + Sync + 'static>(
    given: impl Fn() + Clone + Send + Sync + 'static,
) -> axum::routing::MethodRouter<S> {
    axum::routing::get(
        async move |axum::extract::Query(Scheme { scheme }): axum::extract::Query<Scheme>, request: Request| {
            let page = move || app::design(&scheme);
            render_app_async_with_context(given, page)(request).await
        },
    )
}

/// What a page finds in its context: the API with the request's own session, who looks, and a policy for the answer.
fn give(api: &Router) {
    let parts = use_context::<Parts>();
    let caller = parts.as_ref().and_then(|parts| parts.extensions.get::<Caller>());
    provide_context(Visitor {
        name: caller.map(|caller| caller.name.to_string()),
    });
    let mut proof = HeaderMap::new();
    for name in [COOKIE, AUTHORIZATION] {
        if let Some(value) = parts.as_ref().and_then(|parts| parts.headers.get(&name)) {
            proof.insert(name, value.clone());
        }
    }
    provide_context::<SharedBackend>(Arc::new(InProcess {
        api: api.clone(),
        proof,
    }));
    // Scripts are ours, or carry the random word of this very answer: what somebody smuggled into a note never runs.
    let (Some(nonce), Some(response)) = (use_nonce(), use_context::<ResponseOptions>()) else {
        return;
    };
    let policy = format!(
        "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' blob: \
         data:; connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.insert_header(CONTENT_SECURITY_POLICY, policy);
    }
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

/// The API's router, asked without a socket, by whoever asked for the page.
struct InProcess {
    api: Router,
    /// The headers that say who asks.
    proof: HeaderMap,
}

impl InProcess {
    fn ask(&self, method: Method, path: String, body: Option<String>) -> Answer {
        const MOST_BYTES: usize = 64 * 1024 * 1024;
        let (api, proof) = (self.api.clone(), self.proof.clone());
        Box::pin(async move {
            let mut request = Request::builder()
                .method(method)
                .uri(path)
                .header(HOST, "localhost")
                .header(CONTENT_TYPE, "application/json")
                .body(body.map_or_else(Body::empty, Body::from))
                .map_err(|error| BackendError::unreachable(&error.to_string()))?;
            request.headers_mut().extend(proof);
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

    fn put(&self, path: String, body: String) -> Answer {
        self.ask(Method::PUT, path, Some(body))
    }

    fn delete(&self, path: String) -> Answer {
        self.ask(Method::DELETE, path, None)
    }
}
