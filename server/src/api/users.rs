//! Accounts and members, for the admins of a project.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use domain::api::people::{InvitedUser, NewRole, NewUser, User};
use domain::ids::{ProjectId, UserId};
use domain::names::UserName;

use super::{InProject, named, project};
use crate::auth::caller::Caller;
use crate::auth::links;
use crate::db;
use crate::db::users::Account;
use crate::error::ApiError;
use crate::ids::new_id;
use crate::state::AppState;

/// All accounts by name, each with its role in the project.
#[utoipa::path(get, path = "/users", tag = "people", params(InProject), responses((status = 200, body = Vec<User>)))]
pub(crate) async fn list(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<InProject>,
) -> Result<Json<Vec<User>>, ApiError> {
    let project = project(&state, &caller, query.project.as_deref()).await?;
    Ok(Json(db::users::list(&state.db, &project.id).await?))
}

/// Make an account with a role in a project. Its person chooses a password through the one-time link in the answer. Asked
/// again before that, for somebody of no other project, it makes a new link; the one before is no longer good.
#[utoipa::path(post, path = "/users", tag = "people", request_body = NewUser,
    responses((status = 201, body = InvitedUser), (status = 409, description = "The name is taken")))]
pub(crate) async fn create(
    State(state): State<AppState>,
    caller: Caller,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<InvitedUser>), ApiError> {
    let project = project(&state, &caller, named(new.project.as_ref())).await?;
    let account = Account {
        id: UserId(new_id(&state.clock)),
        name: new.name,
        is_admin: false,
        password_hash: None,
        created_us: state.clock.now_us(),
        disabled_us: None,
    };
    let account = if db::users::insert(&state.db, &account, Some((&project.id, new.role))).await? {
        tracing::info!(user = %account.name, by = %caller.name, role = %new.role, "an account was made");
        account
    } else {
        let invited = invited_here(&state, &account.name, &project.id).await?;
        let invited = invited.ok_or_else(|| {
            ApiError::conflict(format!(
                "there is an account {:?} already; PUT /api/v1/projects/{}/members/{} gives it a role",
                account.name.as_str(),
                project.name,
                account.name
            ))
        })?;
        db::users::grant(&state.db, &invited.id, &project.id, new.role, state.clock.now_us()).await?;
        tracing::info!(user = %invited.name, by = %caller.name, role = %new.role, "an invitation was made anew");
        invited
    };
    let setup_path = links::issue(&state.db, &state.clock, Some(&account.id)).await?;
    let user = user(account, new.role);
    Ok((StatusCode::CREATED, Json(InvitedUser { user, setup_path })))
}

/// Give somebody a role in a project, instead of the one that the person had.
#[utoipa::path(put, path = "/projects/{name}/members/{user}", tag = "people",
    params(("name" = String, Path), ("user" = String, Path)), request_body = NewRole,
    responses((status = 200, body = User), (status = 404)))]
pub(crate) async fn grant(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, user_name)): Path<(String, String)>,
    Json(new): Json<NewRole>,
) -> Result<Json<User>, ApiError> {
    let project = project(&state, &caller, Some(&name)).await?;
    let account = found(&state, &user_name).await?;
    db::users::grant(&state.db, &account.id, &project.id, new.role, state.clock.now_us()).await?;
    tracing::info!(user = %account.name, by = %caller.name, project = %project.name, role = %new.role, "a role was given");
    Ok(Json(user(account, new.role)))
}

/// Take somebody out of a project.
#[utoipa::path(delete, path = "/projects/{name}/members/{user}", tag = "people",
    params(("name" = String, Path), ("user" = String, Path)), responses((status = 204), (status = 404)))]
pub(crate) async fn expel(
    State(state): State<AppState>,
    caller: Caller,
    Path((name, user_name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let project = project(&state, &caller, Some(&name)).await?;
    let account = found(&state, &user_name).await?;
    if !db::users::expel(&state.db, &account.id, &project.id).await? {
        return Err(ApiError::not_found("member", &account.name));
    }
    tracing::info!(user = %account.name, by = %caller.name, project = %project.name, "a member was taken out");
    Ok(StatusCode::NO_CONTENT)
}

/// An account that was made in this project and that nobody has used yet. Whoever holds its link becomes that person, so one
/// that is of another project as well, or looks after the server, is not this project's to invite.
async fn invited_here(state: &AppState, name: &UserName, project: &ProjectId) -> Result<Option<Account>, ApiError> {
    let Some(account) = db::users::by_name(&state.db, name).await? else {
        return Ok(None);
    };
    let roles = db::users::roles(&state.db, &account.id).await?;
    let is_only_here = roles.len() == 1 && roles.contains_key(project);
    let is_unused = account.password_hash.is_none() && account.disabled_us.is_none() && !account.is_admin;
    Ok(Some(account).filter(|_| is_only_here && is_unused))
}

async fn found(state: &AppState, name: &str) -> Result<Account, ApiError> {
    let account = match UserName::new(name) {
        Ok(name) => db::users::by_name(&state.db, &name).await?,
        Err(_) => None,
    };
    account.ok_or_else(|| ApiError::not_found("account", name))
}

fn user(account: Account, role: domain::people::Role) -> User {
    User {
        id: account.id,
        name: account.name,
        global_admin: account.is_admin,
        role: Some(role),
        disabled: account.disabled_us.is_some(),
        created_us: account.created_us,
    }
}
