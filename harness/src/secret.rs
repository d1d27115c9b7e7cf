//! Passwords of throw-away servers: made once, used once, never shown.

use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{Context as _, Result};
use crate::hex::hex;

/// A secret that prints as `[redacted]` and is wiped from memory when dropped.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A new password of 192 random bits from the operating system.
    pub fn random() -> Result<Self> {
        Ok(Self(random_hex::<24>()?.into()))
    }

    /// One that the user gave, from a file or the environment.
    pub fn given(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A seed from the operating system, for a run that was given none.
pub fn random_seed() -> Result<u64> {
    let bytes = random_bytes::<8>()?;
    // Seeds are typed again by people: six digits tell enough runs apart.
    Ok(u64::from_be_bytes(bytes) % 1_000_000)
}

/// So many random bytes, as hexadecimal digits.
pub(crate) fn random_hex<const BYTES: usize>() -> Result<String> {
    Ok(hex(&random_bytes::<BYTES>()?))
}

fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("asking the system for random bytes")?;
    Ok(bytes)
}
