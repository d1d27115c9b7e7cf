//! The verifier of the password that Comeback logs in with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comeback_engine::secret::{Secret, hmac_sha256, random_bytes};
use sha2::{Digest as _, Sha256};

use crate::error::Result;

/// The SCRAM verifier of a random password, with one iteration. The default of 4096 iterations makes it
/// expensive to guess a human password. 192 random bits cannot be guessed, and each of a drill's hundred
/// log-ins would pay for the iterations. Source: RFC 5802, section 3, and `scram_build_secret` in
/// PostgreSQL's scram-common.c.
pub(crate) fn verifier(password: &Secret) -> Result<String> {
    let salt = random_bytes::<16>()?;
    Ok(with_salt(password.expose().as_bytes(), &salt))
}

fn with_salt(password: &[u8], salt: &[u8]) -> String {
    let salted = hmac_sha256(password, &[salt, &1_u32.to_be_bytes()].concat());
    let stored = Sha256::digest(hmac_sha256(&salted, b"Client Key"));
    let server = hmac_sha256(&salted, b"Server Key");
    format!(
        "SCRAM-SHA-256$1:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compared with another implementation: `pbkdf2_hmac` of Python's hashlib.
    #[test]
    fn it_is_the_verifier_of_the_standard() {
        let [head, digests] = [
            "SCRAM-SHA-256$1:AAAAAAAAAAAAAAAAAAAAAA==",
            "Ob/FtfweDAFWmmduwr4hLUrzo5ua/ryw/OyoBEnogWM=:xsxLaKEXP1kVyLpX6xhGEkyFoSQ14NSNX/87nUtQot8=",
        ];
        assert_eq!(with_salt(b"foo", &[0; 16]), format!("{head}${digests}"));
    }
}
