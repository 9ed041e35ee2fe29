//! Names that people choose: classes, datasets, channels, projects, their own. Checked once, when they enter.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest name in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Why a text cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Nothing but white space.
    #[error("a {what} name must not be empty")]
    Empty {
        /// What was to be named.
        what: &'static str,
    },
    /// More than [`MAX_NAME_CHARS`] characters.
    #[error("a {what} name has at most {MAX_NAME_CHARS} characters, got {n_chars}")]
    TooLong {
        /// What was to be named.
        what: &'static str,
        /// Characters given.
        n_chars: usize,
    },
    /// A character that could leave a folder, break a line or hide the name.
    #[error("a {what} name must not contain {character:?}: {name:?}")]
    Character {
        /// What was to be named.
        what: &'static str,
        /// The first character that is refused.
        character: char,
        /// The name.
        name: String,
    },
    /// `.`, `..`, or a leading dot or dash.
    #[error("a {what} name must start with a letter or a digit: {name:?}")]
    Start {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A word that pages and tables use for something else.
    #[error("{name:?} is reserved and cannot name a {what}")]
    Reserved {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
}

fn check(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let n_chars = name.chars().count();
    if name.trim().is_empty() {
        return Err(InvalidName::Empty { what });
    }
    if n_chars > MAX_NAME_CHARS {
        return Err(InvalidName::TooLong { what, n_chars });
    }
    // Bidirectional controls and zero-width characters make two names look the same; separators leave folders.
    let refused = |c: char| {
        c.is_control()
            || matches!(
                c,
                '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' | '%' | '#' | '&'
            )
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(character) = name.chars().find(|c| refused(*c)) {
        return Err(InvalidName::Character {
            what,
            character,
            name: name.to_owned(),
        });
    }
    if !name.chars().next().is_some_and(char::is_alphanumeric) || name.ends_with(['.', ' ']) {
        return Err(InvalidName::Start {
            what,
            name: name.to_owned(),
        });
    }
    if name == "unknown" {
        return Err(InvalidName::Reserved {
            what,
            name: name.to_owned(),
        });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta] $name:ident = $what:literal),* $(,)?) => {$(
        #[$doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks a text and makes it a name.
            ///
            /// # Errors
            /// Empty, longer than [`MAX_NAME_CHARS`], or with characters that could leave a folder or mislead a reader.
            pub fn new(name: impl Into<String>) -> Result<Self, InvalidName> {
                let name = name.into();
                check($what, &name)?;
                Ok(Self(name))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

name! {
    /// A class: one row of a head.
    ClassName = "class",
    /// A dataset, unique in its project.
    DatasetName = "dataset",
    /// A channel that clients follow.
    ChannelName = "channel",
    /// A project, unique on the server.
    ProjectName = "project",
    /// A person, unique on the server whatever the case of the letters.
    UserName = "user",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_every_script_pass_and_traps_do_not() {
        for good in ["fu", "fu-ma", "福", "Class 7", "v1.2", "马老师福"] {
            assert!(ClassName::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(10_000);
        for bad in [
            "",
            "  ",
            "../x",
            "..",
            ".",
            "a/b",
            "a\\b",
            "-x",
            "a\nb",
            "a\u{202e}b",
            "unknown",
            "x.",
            &long,
        ] {
            assert!(ClassName::new(bad).is_err(), "{bad}");
            assert!(
                serde_json::from_value::<ClassName>(serde_json::json!(bad)).is_err(),
                "{bad}"
            );
        }
        let message = ClassName::new(long).unwrap_err().to_string();
        assert!(
            message.len() < 200,
            "an error must not repeat 10,000 characters: {message}"
        );
    }
}
