//! Who signed the manifest of a backup.

use std::fmt;

use comeback_error::Result;

use super::Repository;
use super::keys::PublicKey;
use super::sidecar::{SIGNATURE_FILE, SIGNER_FILE};

/// Who signed the manifest of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// A trusted key; the name of its file.
    Trusted(String),
    /// A key that is not among the trusted ones; its fingerprint.
    Unknown(String),
    /// Nobody: there is no signature.
    Unsigned,
    /// There is a signature, and it is of other bytes.
    Wrong,
}

impl Provenance {
    /// Whether a trusted key signed it.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Self::Trusted(_))
    }

    /// Looks at a signature, and at the public key that lies beside it.
    fn of(manifest: &[u8], signature: Option<&[u8]>, signer: Option<&[u8]>, trusted: &[PublicKey]) -> Self {
        let Some(signature) = signature.filter(|signature| !signature.is_empty()) else {
            return Self::Unsigned;
        };
        if let Some(key) = trusted.iter().find(|key| key.has_signed(manifest, signature)) {
            return Self::Trusted(key.name().to_owned());
        }
        let signer = signer.and_then(|pem| PublicKey::parse(std::str::from_utf8(pem).ok()?, SIGNER_FILE));
        match signer {
            Some(key) if key.has_signed(manifest, signature) => Self::Unknown(key.fingerprint()),
            _ => Self::Wrong,
        }
    }
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted(name) => write!(f, "signed by {name}"),
            Self::Unknown(fingerprint) => write!(f, "signed by the unknown key {fingerprint}"),
            Self::Unsigned => f.pad("unsigned"),
            Self::Wrong => f.pad("its signature is wrong"),
        }
    }
}

/// Who signed the manifest of a backup, among the keys that the repository trusts.
pub async fn provenance(repository: &dyn Repository, id: &str) -> Result<Provenance> {
    provenance_among(repository, id, repository.trusted_keys()).await
}

/// Who signed the manifest of a backup, among these keys.
pub async fn provenance_among(
    repository: &dyn Repository,
    id: &str,
    trusted: &[PublicKey],
) -> Result<Provenance> {
    let Some(signature) = repository.beside(id, SIGNATURE_FILE).await? else {
        return Ok(Provenance::Unsigned);
    };
    let (manifest, signer) =
        (repository.manifest_bytes(id).await?, repository.beside(id, SIGNER_FILE).await?);
    Ok(Provenance::of(&manifest, Some(&signature), signer.as_deref(), trusted))
}

#[cfg(test)]
mod tests {
    use super::super::keys::SigningKey;
    use super::*;

    #[test]
    fn a_signature_is_told_by_its_key() {
        let [ours, theirs] = ["ours", "theirs"].map(|name| SigningKey::random(name).unwrap());
        let trusted = [ours.public().clone()];
        let told = |manifest: &[u8], key: Option<&SigningKey>, beside: Option<&SigningKey>| {
            let (signature, pem) = (key.map(|key| key.sign(b"{}")), beside.map(|key| key.public().pem()));
            let pem = pem.as_ref().map(String::as_bytes);
            Provenance::of(manifest, signature.as_deref(), pem, &trusted)
        };
        assert_eq!(told(b"{}", Some(&ours), None), Provenance::Trusted("ours".to_owned()));
        let unknown = Provenance::Unknown(theirs.public().fingerprint());
        assert_eq!(told(b"{}", Some(&theirs), Some(&theirs)), unknown);
        // A key beside the manifest that claims to be ours proves nothing.
        assert_eq!(told(b"{}", Some(&theirs), Some(&ours)), Provenance::Wrong);
        assert_eq!(told(b"{}", Some(&theirs), None), Provenance::Wrong);
        assert_eq!(told(b"{ }", Some(&ours), Some(&ours)), Provenance::Wrong);
        assert_eq!(told(b"{}", None, Some(&ours)), Provenance::Unsigned);
        assert_eq!(Provenance::of(b"{}", Some(b"short"), None, &trusted), Provenance::Wrong);
    }
}
