//! The pages and their files.

use axum::Router;

use crate::state::AppState;

/// Pages, scripts and styles.
pub(crate) fn routes(_state: &AppState, _api: Router) -> Router {
    Router::new()
}
