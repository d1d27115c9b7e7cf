//! Secrets in memory: passwords of throw-away servers, and the values in a secret store.

use std::fmt;

use comeback_error::{Context as _, Result};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::hex::hex;

/// A secret that prints as `[redacted]` and is wiped from memory when dropped.
#[derive(Debug, Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A new password of 192 random bits from the operating system.
    pub fn random() -> Result<Self> {
        Ok(Self(random_hex::<24>()?.into()))
    }

    /// A secret that the user gave, in a file or the environment.
    pub fn given(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The value of a secret, any bytes. It is never printed, and is wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretBytes(SecretSlice<u8>);

impl SecretBytes {
    /// `bytes` random bytes from the operating system.
    pub fn random(bytes: usize) -> Result<Self> {
        let mut value = vec![0; bytes];
        getrandom::fill(&mut value).context("asking the system for random bytes")?;
        Ok(Self(value.into()))
    }

    /// A new password of 192 random bits, as letters and digits.
    pub fn random_password() -> Result<Self> {
        Ok(Self::from(random_hex::<24>()?.into_bytes()))
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(value: Vec<u8>) -> Self {
        Self(value.into())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A random key for digests of secrets, which reveal nothing without the key. A bare hash of a short value can be
/// found by trying.
#[derive(Debug, Clone, PartialEq)]
pub struct DigestKey(SecretBytes);

impl DigestKey {
    /// A new key of 256 random bits from the operating system.
    pub fn random() -> Result<Self> {
        Ok(Self(random_bytes::<32>()?.to_vec().into()))
    }

    /// A stored key; `None` if it does not have 256 bits.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() == 32).then(|| Self(bytes.into()))
    }

    /// The key, for the one place that stores it.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The HMAC-SHA-256 of a value, as hexadecimal digits.
    pub fn digest(&self, value: &[u8]) -> String {
        hex(&hmac_sha256(self.expose(), value))
    }
}

/// The HMAC-SHA-256 of a message. Source: RFC 2104: a key longer than a block is hashed, a shorter one is padded.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = Zeroizing::new([0; 64]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// A seed from the operating system, for a run without one.
pub fn random_seed() -> Result<u64> {
    let bytes = random_bytes::<8>()?;
    // People type seeds again: six digits are enough to tell runs apart.
    Ok(u64::from_be_bytes(bytes) % 1_000_000)
}

/// Random bytes, as hexadecimal digits.
pub fn random_hex<const BYTES: usize>() -> Result<String> {
    Ok(hex(&random_bytes::<BYTES>()?))
}

/// Random bytes from the operating system.
pub fn random_bytes<const BYTES: usize>() -> Result<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("asking the system for random bytes")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_printed() {
        let value = SecretBytes::from(b"hunter2".to_vec());
        let key = DigestKey::from_bytes(b"hunter2hunter2hunter2hunter2hunt".to_vec()).unwrap();
        let printed = format!("{value:?} {key:?} {:?}", Secret::given("hunter2"));
        assert!(!printed.contains("hunter2") && !printed.contains("104"), "{printed}");
    }

    /// Test cases 2 and 6 of RFC 4231.
    #[test]
    fn a_digest_is_the_hmac_of_the_standard() {
        let digest = hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?"));
        assert_eq!(digest, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        let message = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let digest = hex(&hmac_sha256(&[0xaa; 131], message));
        assert_eq!(digest, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
}
