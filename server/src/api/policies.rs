//! Gate policies: those that come with the product, and a project's own.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::NewPolicy;
use domain::gate::policy::GatePolicy;
use domain::ids::ProjectId;

use super::{InProject, named, project};
use crate::auth::caller::Caller;
use crate::db;
use crate::error::ApiError;
use crate::state::AppState;

/// The longest name, in characters.
const MAX_NAME_CHARS: usize = 60;

/// The policies that a job of the project may be judged by: shipped ones, then the project's own in their latest version.
#[utoipa::path(get, path = "/policies", tag = "policies", params(InProject),
    responses((status = 200, body = Vec<GatePolicy>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<GatePolicy>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(known(&state, &project.id).await?))
}

/// What names of policies mean in a project by now.
async fn known(state: &AppState, project: &ProjectId) -> Result<Vec<GatePolicy>, ApiError> {
    let mut policies = Vec::from(GatePolicy::shipped());
    policies.extend(db::policies::latest(&state.db, project).await?);
    Ok(policies)
}

/// Save a policy of the project's own: the next version of this name. Jobs keep the version that they were made with.
#[utoipa::path(put, path = "/policies/{name}", tag = "policies", params(("name" = String, Path)),
    request_body = NewPolicy, responses((status = 201, body = GatePolicy), (status = 422)))]
pub(crate) async fn save(
    State(state): State<AppState>,
    caller: Caller,
    Path(name): Path<String>,
    Json(new): Json<NewPolicy>,
) -> Result<(StatusCode, Json<GatePolicy>), ApiError> {
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    let n_chars = name.chars().count();
    if !(1..=MAX_NAME_CHARS).contains(&n_chars) || name.trim() != name || name.chars().any(char::is_control) {
        return Err(ApiError::invalid(format!(
            "a policy's name has 1 to {MAX_NAME_CHARS} characters and no space around it"
        )));
    }
    if GatePolicy::named(&name).is_some() {
        return Err(ApiError::invalid(format!(
            "{name} is the name of a shipped policy; give one of your own another name"
        )));
    }
    let policy = GatePolicy {
        name,
        version: 1,
        alpha: new.alpha,
        looks: new.looks,
        checks: new.checks,
    };
    policy.validate().map_err(ApiError::invalid)?;
    let now_us = state.clock.now_us();
    let saved = db::policies::insert(&state.db, &project.id, &policy, Some(&caller.id), now_us).await?;
    tracing::info!(project = %project.id, policy = saved.name, version = saved.version, "a policy was saved");
    Ok((StatusCode::CREATED, Json(saved)))
}

/// What a policy's name means in the project by now: jobs made from other jobs are judged by that.
pub(super) async fn renewed(state: &AppState, project: &ProjectId, policy: GatePolicy) -> Result<GatePolicy, ApiError> {
    let known = known(state, project).await?;
    let found = known.into_iter().find(|known| known.name == policy.name);
    Ok(found.unwrap_or(policy))
}

/// Whether a policy is what its name means by now; names that mean nothing are a job's own.
pub(super) async fn check_current(state: &AppState, project: &ProjectId, policy: &GatePolicy) -> Result<(), ApiError> {
    let current = renewed(state, project, policy.clone()).await?;
    if current == *policy {
        return Ok(());
    }
    let name = crate::error::shortened(&policy.name);
    Err(ApiError::invalid(format!(
        "{name:?} is the name of a policy that has other numbers by now; choose it again, or give one of your own another name"
    )))
}

/// A policy by its name: the project's own, else a shipped one.
pub(super) async fn find(state: &AppState, project: &ProjectId, name: &str) -> Result<GatePolicy, ApiError> {
    let known = known(state, project).await?;
    let names: Vec<String> = known.iter().map(|policy| policy.name.clone()).collect();
    known.into_iter().find(|policy| policy.name == name).ok_or_else(|| {
        ApiError::invalid(format!(
            "there is no policy {:?}; there are {}",
            crate::error::shortened(name),
            names.join(", ")
        ))
    })
}
