//! People: what each role may do in a project, and what a password must be.
//!
//! Roles stand in a row and each may do all that the one before it may. Which call needs which permission is the
//! server's table; this module only says which role has it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::UserName;

/// What somebody is in a project, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Uploads, opens requests, makes, starts and stops jobs.
    Operator,
    /// Lets a model out whose verdict is no pass, if somebody else's job made it.
    Reviewer,
    /// Moves channels.
    Publisher,
    /// Says who is who.
    Admin,
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {got:?}; there are viewer, operator, reviewer, publisher and admin")]
pub struct UnknownRole {
    /// What was given, at most its first 80 characters.
    pub got: String,
}

/// What a call does to a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Looks at what is there.
    Read,
    /// Adds data, requests and jobs.
    Operate,
    /// Overrides a verdict.
    Override,
    /// Moves a channel.
    Publish,
    /// Changes who may do what.
    Administer,
}

impl Role {
    /// All of them, from the least to the most.
    pub const ALL: [Self; 5] = [
        Self::Viewer,
        Self::Operator,
        Self::Reviewer,
        Self::Publisher,
        Self::Admin,
    ];

    /// The word used in JSON and the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Reviewer => "reviewer",
            Self::Publisher => "publisher",
            Self::Admin => "admin",
        }
    }

    /// Whether it may do that.
    #[must_use]
    pub fn permits(self, permission: Permission) -> bool {
        self >= permission.least_role()
    }

    /// All that it may do.
    #[must_use]
    pub fn permissions(self) -> Vec<Permission> {
        let permitted = |permission: &Permission| self.permits(*permission);
        Permission::ALL.into_iter().filter(permitted).collect()
    }
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Read,
        Self::Operate,
        Self::Override,
        Self::Publish,
        Self::Administer,
    ];

    /// The least role that has it.
    #[must_use]
    pub const fn least_role(self) -> Role {
        match self {
            Self::Read => Role::Viewer,
            Self::Operate => Role::Operator,
            Self::Override => Role::Reviewer,
            Self::Publish => Role::Publisher,
            Self::Administer => Role::Admin,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let named = Self::ALL.into_iter().find(|role| role.as_str() == text);
        named.ok_or_else(|| UnknownRole {
            got: text.chars().take(80).collect(),
        })
    }
}

/// A password on its way to be hashed; it shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct Password(String);

/// Why a password is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too short or too long.
    #[error(
        "a password has {} to {} characters, got {n_chars}",
        Password::LENGTH.start(),
        Password::LENGTH.end()
    )]
    Length {
        /// Characters given.
        n_chars: usize,
    },
    /// The first thing that anybody tries.
    #[error("a password must not be the name of the account")]
    Name,
}

impl Password {
    /// Characters that a password has.
    pub const LENGTH: std::ops::RangeInclusive<usize> = 12..=200;

    /// Takes any text: what was wrong with it is only said where a new one is chosen.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for hashing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Checks a new password of that person.
    ///
    /// # Errors
    /// It is too short, too long, or the name.
    pub fn check(&self, name: &UserName) -> Result<(), WeakPassword> {
        let n_chars = self.0.chars().count();
        if !Self::LENGTH.contains(&n_chars) {
            return Err(WeakPassword::Length { n_chars });
        }
        if self.0.to_lowercase() == name.key() {
            return Err(WeakPassword::Name);
        }
        Ok(())
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl UserName {
    /// What makes it unique: two names that differ in the case of letters only are one.
    #[must_use]
    pub fn key(&self) -> String {
        self.as_str().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_do_what_the_one_before_it_may() {
        for (n, role) in Role::ALL.into_iter().enumerate() {
            assert_eq!(role.permissions(), Permission::ALL[..=n], "{role}");
            assert_eq!(role.as_str().parse::<Role>(), Ok(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        assert!("root".parse::<Role>().unwrap_err().to_string().contains("viewer"));
    }

    #[test]
    fn passwords_are_long_and_not_the_name_and_never_shown() {
        let name = UserName::new("Administrator").unwrap();
        assert!(Password::new("correct horse").check(&name).is_ok());
        assert!(Password::new("马到成功，福气临门，十二字").check(&name).is_ok());
        for (weak, n_chars) in [("short", 5), ("", 0), (&"x".repeat(201)[..], 201)] {
            let got = Password::new(weak).check(&name);
            assert_eq!(got, Err(WeakPassword::Length { n_chars }), "{weak}");
        }
        assert_eq!(Password::new("administratoR").check(&name), Err(WeakPassword::Name));
        assert!(!format!("{:?}", Password::new("correct horse")).contains("horse"));
    }
}
