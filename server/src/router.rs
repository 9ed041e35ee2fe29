//! Every route on one screen.

use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::Json;
use axum::routing::get;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    channels, compare, dataset_versions, datasets, dial, events, exports, features, images, jobs, models, overrides,
    overview, policies, preview, projects, requests as responses, session, setup, tokens, users,
};
use crate::auth::{guard, sessions};
use crate::requests;
use crate::state::AppState;

/// Largest JSON body: a version of 200,000 rows.
const MAX_JSON_BYTES: usize = 64 * 1024 * 1024;

#[derive(OpenApi)]
#[openapi(info(
    title = "Rehead",
    description = "Add a class to a live image recogniser within the hour, and prove that nothing old was harmed."
))]
struct Description;

fn v1() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(session::create, session::delete))
        .routes(routes!(session::me))
        .routes(routes!(setup::get, setup::create))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::grant, users::expel))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::delete))
        .routes(routes!(overview::get))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::get))
        .routes(routes!(responses::list, responses::create))
        .routes(routes!(responses::get))
        .routes(routes!(responses::close))
        .routes(routes!(datasets::list, datasets::create))
        .routes(routes!(datasets::get))
        .routes(routes!(datasets::versions, dataset_versions::create))
        .routes(routes!(datasets::version))
        .routes(routes!(datasets::rows))
        .routes(routes!(images::missing))
        .routes(routes!(images::put, images::get))
        .routes(routes!(jobs::list, jobs::create))
        .routes(routes!(jobs::get, jobs::patch))
        .routes(routes!(jobs::start))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::result))
        .routes(routes!(preview::get))
        .routes(routes!(events::follow))
        .routes(routes!(models::list))
        .routes(routes!(models::get))
        .routes(routes!(models::report))
        .routes(routes!(models::verdict))
        .routes(routes!(models::file))
        .routes(routes!(overrides::create))
        .routes(routes!(overrides::get))
        .routes(routes!(features::get))
        .routes(routes!(exports::html))
        .routes(routes!(exports::json))
        .routes(routes!(exports::classes))
        .routes(routes!(exports::checks))
        .routes(routes!(exports::confusion))
        .routes(routes!(exports::flips))
        .routes(routes!(dial::get, dial::turn))
        .routes(routes!(dial::refit))
        .routes(routes!(compare::get))
        .routes(routes!(models::backbones))
        .routes(routes!(policies::list))
        .routes(routes!(policies::save))
        .routes(routes!(channels::list))
        .routes(routes!(channels::get))
        .routes(routes!(channels::publish))
        .routes(routes!(channels::undo))
        .routes(routes!(channels::anchor))
        .routes(routes!(channels::releases))
}

/// The API alone.
fn api(state: &AppState) -> Router {
    let (routes, description) = OpenApiRouter::new().nest("/api/v1", v1()).split_for_parts();
    // The largest body is an image's; JSON bodies have a limit of the same size.
    const { assert!(images::MAX_IMAGE_BYTES <= MAX_JSON_BYTES) };
    routes
        .route("/api/v1/openapi.json", get(|| async { Json(description) }))
        .route(
            "/healthz",
            get(|| async { Json(serde_json::json!({ "status": "ok" })) }),
        )
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES))
        .with_state(state.clone())
}

/// The API with its problems and request ids, without a wire: what pages on the server call in process.
pub(crate) fn inner(state: &AppState) -> Router {
    guarded(state, api(state))
}

/// Everything that a browser or a script may ask.
pub(crate) fn all(state: &AppState, pages: Router) -> Router {
    // A stream of events must reach the page as it is written, and numbers and weights hardly shrink.
    let compressible = DefaultPredicate::new()
        .and(NotForContentType::const_new("text/event-stream"))
        .and(NotForContentType::const_new("application/octet-stream"));
    let fixed = |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    guarded(state, api(state).merge(pages))
        .layer(fixed(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(REFERRER_POLICY, "same-origin"))
        // Pages bring a policy of their own; what else is answered is no document to act in.
        .layer(fixed(
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ))
        .layer(CompressionLayer::new().compress_when(compressible))
}

fn guarded(state: &AppState, routes: Router) -> Router {
    routes
        .layer(middleware::from_fn_with_state(state.clone(), guard::check))
        .layer(sessions::layer(state))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn_with_state(state.clone(), requests::wrap))
}

#[cfg(test)]
mod tests;
