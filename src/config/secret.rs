//! What must not be seen.

use std::fmt;

use sha2::{Digest, Sha256};

/// Something that must not be seen: `Debug` shows three stars.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The secret itself, for the one place that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is the secret. Takes the same time wherever the two differ.
    pub fn is(&self, given: &str) -> bool {
        // Of hashes, an early difference tells nothing about the secret.
        Sha256::digest(self.0.as_bytes()) == Sha256::digest(given.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
