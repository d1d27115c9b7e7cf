//! The files that lie beside a manifest and are named in no manifest: its SHA-256, its signature, and the public key of
//! the signature. `sha256sum -c` and `openssl pkeyutl` read them as they are.

use comeback_error::{Error, Result};

use crate::sha256::Sha256;

/// The name of the manifest.
pub const MANIFEST: &str = "manifest.json";
/// The SHA-256 of the manifest, in the format of `sha256sum`.
pub const HASH_FILE: &str = "manifest.json.sha256";
/// The Ed25519 signature over the bytes of the manifest: 64 bytes.
pub const SIGNATURE_FILE: &str = "manifest.json.sig";
/// The public key of that signature, as PEM. It tells a signature of an unknown key from a wrong one, and proves nothing.
pub const SIGNER_FILE: &str = "manifest.json.pub";
/// All of them: a copy of a backup includes those that are there.
pub const SIDECARS: [&str; 3] = [HASH_FILE, SIGNATURE_FILE, SIGNER_FILE];

/// The content of [`HASH_FILE`].
pub fn hash_line(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", Sha256::of(manifest))
}

/// Compares a manifest with its SHA-256. Manifests of older versions have none.
pub(super) fn ensure_unchanged(id: &str, manifest: &[u8], hash: Option<&[u8]>) -> Result<()> {
    let Some(hash) = hash else { return Ok(()) };
    let (found, text) = (Sha256::of(manifest), String::from_utf8_lossy(hash));
    let written = text.split_whitespace().next().unwrap_or_default();
    if written.eq_ignore_ascii_case(&found) {
        return Ok(());
    }
    let written: String = written.chars().filter(char::is_ascii_hexdigit).take(64).collect();
    Err(Error::failed(format!(
        "the manifest of backup {id} was changed after it was written: its SHA-256 is {found}, and {HASH_FILE} says {written}"
    ))
    .hint("use another backup, and find out what changed this one: `comeback` never does"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_manifest_or_hash_is_told() {
        let hash = hash_line(b"{}");
        assert!(ensure_unchanged("a", b"{}", Some(hash.as_bytes())).is_ok());
        assert!(ensure_unchanged("a", b"{}", None).is_ok());
        for (manifest, hash) in [(&b"{ }"[..], hash.as_bytes()), (b"{}", b""), (b"{}", b"\xff\xff")] {
            let error = ensure_unchanged("a", manifest, Some(hash)).unwrap_err();
            assert_eq!(error.kind(), comeback_error::ErrorKind::Failed);
            assert!(error.message().starts_with("the manifest of backup a was changed"), "{error}");
        }
    }
}
