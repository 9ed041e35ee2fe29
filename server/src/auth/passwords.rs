//! Passwords: Argon2id with the parameters that OWASP recommends, on blocking threads, two at once at most.
//!
//! <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>

use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use axum::http::StatusCode;
use domain::people::Password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;
use crate::ids::random_bytes;

/// Each hash takes 19 MiB and a core for a moment, so people who sign in wait for each other.
const N_AT_ONCE: usize = 2;
/// Whoever waits longer than this is told to come back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Compared with where there is no account or no password yet, so that both answers take the same time: a hash of no known
/// password, under the parameters that new hashes get.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and compares.
#[derive(Clone, Debug)]
pub(crate) struct Passwords {
    permits: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(N_AT_ONCE)),
        }
    }
}

impl Passwords {
    /// The text to store for a password.
    ///
    /// # Errors
    /// The machine is too busy, or has no random bytes.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, ApiError> {
        let permit = self.permit().await?;
        let work = move || {
            let _permit = permit;
            hash(&password)
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
    }

    /// Whether that is the password behind a stored text; without one it never is, after the same time.
    ///
    /// # Errors
    /// The machine is too busy, or what is stored cannot be read.
    pub(crate) async fn verify(&self, password: Password, stored: Option<String>) -> Result<bool, ApiError> {
        let permit = self.permit().await?;
        let work = move || {
            let _permit = permit;
            let known = stored.is_some();
            let stored = PasswordHash::new(stored.as_deref().unwrap_or(NOBODY));
            let stored = stored.map_err(|error| ApiError::internal(error.to_string()))?;
            let same = Argon2::default().verify_password(password.expose().as_bytes(), &stored);
            Ok(same.is_ok() && known)
        };
        tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)?
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(PATIENCE, permit).await {
            Ok(permit) => permit.map_err(ApiError::internal),
            Err(_) => Err(ApiError::problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too many people sign in at once",
                "too many passwords are being checked at this moment; try again in a few seconds",
            )),
        }
    }
}

/// The text to store for a password; a blocking call of some hundredths of a second.
///
/// # Errors
/// The machine has no random bytes.
pub(crate) fn hash(password: &Password) -> Result<String, ApiError> {
    let salt = random_bytes::<16>().map_err(ApiError::internal)?;
    let hash = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    Ok(hash.map_err(|error| ApiError::internal(error.to_string()))?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_is_the_password() {
        let passwords = Passwords::default();
        let stored = passwords.hash(Password::new("correct horse battery")).await.unwrap();
        assert!(!stored.contains("horse"));
        let is = async |text: &str, stored: Option<&String>| {
            passwords.verify(Password::new(text), stored.cloned()).await.unwrap()
        };
        assert!(is("correct horse battery", Some(&stored)).await);
        assert!(!is("correct horse batterz", Some(&stored)).await);
        assert!(!is("", Some(&stored)).await);
        assert!(!is("correct horse battery", None).await, "there is no password yet");
        let again = passwords.hash(Password::new("correct horse battery")).await.unwrap();
        assert_ne!(stored, again, "each has its own salt");
    }

    #[test]
    fn nobody_is_hashed_like_everybody() {
        let stored = hash(&Password::new("correct horse battery")).unwrap();
        let parameters = |text: &str| text.rsplitn(3, '$').nth(2).map(ToOwned::to_owned);
        assert_eq!(parameters(&stored), parameters(NOBODY));
        assert_eq!(stored.len(), NOBODY.len());
        assert!(PasswordHash::new(NOBODY).is_ok());
    }
}
