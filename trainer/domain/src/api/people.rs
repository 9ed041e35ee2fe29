//! Bodies of `/api/v1` about accounts, sessions and tokens.

use serde::{Deserialize, Serialize};

use crate::ids::{TokenId, UserId};
use crate::names::{ProjectName, UserName};
use crate::people::{Password, Permission, Role};

/// Sign in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSession {
    /// Who.
    pub name: UserName,
    /// The proof.
    pub password: Password,
}

/// Who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Me {
    /// Name.
    pub name: UserName,
    /// May do everything in every project.
    pub global_admin: bool,
    /// Projects that one may see, with what one may do there.
    pub projects: Vec<ProjectRole>,
}

/// What somebody may do in a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProjectRole {
    /// The project.
    pub project: ProjectName,
    /// The role in it.
    pub role: Role,
    /// What the role may do.
    pub permissions: Vec<Permission>,
}

/// Use a one-time link: make the first account, or choose the password of an account that is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSetup {
    /// The link's key.
    pub key: String,
    /// The first account's name; a link for an account that is there knows it.
    #[serde(default)]
    pub name: Option<UserName>,
    /// The new password.
    pub password: Password,
}

/// What a one-time link is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SetupLink {
    /// Whose password it sets; none where it makes the first account.
    pub name: Option<UserName>,
    /// Until when it can be used, microseconds since 1970, UTC.
    pub expires_us: i64,
}

/// A new account with a role in a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Project by name; `main` where absent.
    #[serde(default)]
    pub project: Option<ProjectName>,
    /// Its name, unique on the server.
    pub name: UserName,
    /// The role in the project.
    pub role: Role,
}

/// A new account, and the way for its person to choose a password.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InvitedUser {
    /// The account.
    pub user: User,
    /// The page that sets the password, as a path with its key; good once, for 24 hours. Shown this once.
    pub setup_path: String,
}

/// An account, as the admins of a project see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct User {
    /// Identifier.
    pub id: UserId,
    /// Name.
    pub name: UserName,
    /// May do everything in every project.
    pub global_admin: bool,
    /// The role in the project that was asked about; none where the person is no member.
    pub role: Option<Role>,
    /// Can no longer sign in.
    pub disabled: bool,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
}

/// A member's new role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRole {
    /// The role.
    pub role: Role,
}

/// A new token of one's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What it is for, 1 to 100 characters.
    pub name: String,
    /// Days that it is good for, 1 to 3650; 365 where absent.
    #[serde(default)]
    pub expires_in_days: Option<u32>,
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Token {
    /// Identifier.
    pub id: TokenId,
    /// What it is for.
    pub name: String,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
    /// Until when it is good.
    pub expires_us: i64,
    /// When it was last used, to the minute.
    pub last_used_us: Option<i64>,
}

/// A new token with its secret, shown this once.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssuedToken {
    /// The token.
    pub token: Token,
    /// What a script sends as `Authorization: Bearer …`.
    pub secret: String,
}
