//! Who a request is from, and what the call may do for that person.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::ids::{ProjectId, UserId};
use domain::names::UserName;
use domain::people::{Permission, Role};

use super::permissions::Need;
use crate::db;
use crate::db::Db;
use crate::db::users::Account;
use crate::error::ApiError;

/// A person who is known, for the time of one request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Identifier.
    pub id: UserId,
    /// Name.
    pub name: UserName,
    /// May do everything in every project.
    pub is_admin: bool,
    roles: BTreeMap<ProjectId, Role>,
    /// What the permission table says of this call.
    need: Need,
    /// The call's project was held against the need. [`super::guard`] lets no answer out where this was forgotten.
    checked: Arc<AtomicBool>,
}

impl Caller {
    /// Somebody, for a call with this need.
    ///
    /// # Errors
    /// The database says no.
    pub(super) async fn load(db: &Db, account: Account, need: Need) -> Result<Self, ApiError> {
        let roles = db::users::roles(db, &account.id).await?;
        Ok(Self {
            id: account.id,
            name: account.name,
            is_admin: account.is_admin,
            roles,
            need,
            checked: Arc::default(),
        })
    }

    /// The role in a project; none where the person has no business there.
    pub(crate) fn role(&self, project: &ProjectId) -> Option<Role> {
        if self.is_admin {
            Some(Role::Admin)
        } else {
            self.roles.get(project).copied()
        }
    }

    /// Holds the call's project against what the call needs. Of a project that is none of the person's, nothing is told:
    /// `missing` says that what was asked for is not there.
    ///
    /// # Errors
    /// The person has no role there, or one that may not do this.
    pub(crate) fn admit(&self, project: &ProjectId, missing: impl FnOnce() -> ApiError) -> Result<(), ApiError> {
        self.checked.store(true, Ordering::Relaxed);
        let Some(role) = self.role(project) else {
            return Err(missing());
        };
        match self.need {
            Need::In(permission) if !role.permits(permission) => Err(self.lacks(role, permission)),
            _ => Ok(()),
        }
    }

    /// Refuses at once what the person may do nowhere: before a body is read, and without a look at any id.
    pub(super) fn admit_anywhere(&self) -> Result<(), ApiError> {
        let permission = match self.need {
            Need::In(permission) => permission,
            Need::GlobalAdmin if !self.is_admin => {
                return Err(forbidden(format!(
                    "this is for those who look after the whole server; `rehead admin user {} --global-admin` on its machine \
                     makes somebody one of them",
                    self.name
                )));
            }
            Need::GlobalAdmin | Need::SignedIn | Need::Nobody => return Ok(()),
        };
        let most = if self.is_admin {
            Some(Role::Admin)
        } else {
            self.roles.values().max().copied()
        };
        match most {
            Some(role) if role.permits(permission) => Ok(()),
            Some(role) => Err(self.lacks(role, permission)),
            None => Err(forbidden(format!(
                "{} is no member of any project; an admin of one can change that",
                self.name
            ))),
        }
    }

    /// Whether the project was held against the need, or did not have to be.
    pub(super) fn is_checked(&self) -> bool {
        !matches!(self.need, Need::In(_)) || self.checked.load(Ordering::Relaxed)
    }

    fn lacks(&self, role: Role, permission: Permission) -> ApiError {
        let least = permission.least_role();
        forbidden(format!(
            "this needs the role {least} in the project, and {} is {role}; an admin of the project can change that",
            self.name
        ))
    }
}

/// 403: known, and may not.
pub(crate) fn forbidden(detail: String) -> ApiError {
    ApiError::problem(StatusCode::FORBIDDEN, "forbidden", "Not permitted", detail)
}

/// 401: not known.
pub(crate) fn unknown() -> ApiError {
    ApiError::problem(
        StatusCode::UNAUTHORIZED,
        "signed-out",
        "Not signed in",
        "sign in first: with a session of POST /api/v1/session, or with a token as Authorization: Bearer rh_…",
    )
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(unknown)
    }
}
