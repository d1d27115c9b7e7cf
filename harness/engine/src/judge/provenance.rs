//! Judges where a backup comes from: who signed its manifest.

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::{Finding, FindingCode, NotLookedAt, ScopeKind};

use super::{Judge, Opinion};
use crate::repository::{Provenance, PublicKey, Repository, provenance};

/// Compares the signature of a manifest with the keys that the repository trusts. If it trusts none, nothing is claimed.
pub struct ProvenanceJudge<'a> {
    /// The repository, with its keys.
    pub repository: &'a dyn Repository,
    /// The name of the backup.
    pub id: &'a str,
}

#[async_trait]
impl Judge for ProvenanceJudge<'_> {
    fn name(&self) -> &'static str {
        "provenance"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (id, trusted) = (self.id, self.repository.trusted_keys());
        let found = provenance(self.repository, id).await?;
        let summary = format!("the manifest of {id}: {found}");
        if trusted.is_empty() && found != Provenance::Wrong {
            let reason = format!("no trusted key was named, and the manifest is {}", told(&found));
            let unseen = NotLookedAt::new(ScopeKind::Signature, id, reason);
            return Ok(Opinion::new(summary, None).not_looked_at([unseen]));
        }
        Ok(Opinion::new(summary, finding(id, &found, trusted)))
    }
}

/// Why a backup should not be restored: a trusted key was named and did not sign it, or its signature is wrong.
pub async fn distrust(repository: &dyn Repository, id: &str) -> Result<Option<Finding>> {
    let (found, trusted) = (provenance(repository, id).await?, repository.trusted_keys());
    let is_judged = !trusted.is_empty() || found == Provenance::Wrong;
    Ok(is_judged.then(|| finding(id, &found, trusted)).flatten())
}

fn told(found: &Provenance) -> String {
    match found {
        Provenance::Unsigned => "not signed".to_owned(),
        found => found.to_string(),
    }
}

fn finding(id: &str, found: &Provenance, trusted: &[PublicKey]) -> Option<Finding> {
    let names = trusted.iter().map(PublicKey::name).collect::<Vec<_>>().join(" or ");
    let expected =
        if names.is_empty() { "a right signature".to_owned() } else { format!("signed by {names}") };
    let (code, actual, remedy) = match found {
        Provenance::Trusted(_) => return None,
        Provenance::Unsigned => (
            FindingCode::SignatureMissing,
            "no signature".to_owned(),
            "restore a signed backup; if this one is older than the key, verify it without `trusted-keys`",
        ),
        Provenance::Unknown(fingerprint) => (
            FindingCode::SignatureForeign,
            format!("signed by the unknown key {fingerprint}"),
            "find out whose key it is; if it is yours, add its public key to `trusted-keys` under [repository.main]",
        ),
        Provenance::Wrong => (
            FindingCode::ManifestAltered,
            "a signature of other bytes".to_owned(),
            "restore another backup, and find out who wrote into the repository",
        ),
    };
    Some(Finding::new(code, id, expected, actual).remedy(remedy))
}
