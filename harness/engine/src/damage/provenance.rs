//! Damages to the signature of a backup: each is what somebody does who can write into the repository and has no key.

use comeback_error::{Context as _, Error, Result};
use comeback_model::{FindingCode, Manifest};

use super::backup::{Backup, newest};
use super::{Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, StoredBackup, rewrite};
use crate::repository::{Repository, SIGNATURE_FILE, SIGNER_FILE, SigningKey, manifest_bytes};

/// Damages to the signature of the newest backup.
pub static TO_THE_SIGNATURE: DamageTable<Backup> = DamageTable {
    class: "provenance",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "manifest-altered",
                does: "the manifest of the newest backup is changed, and its hash with it",
                judge: "provenance",
                finding: FindingCode::ManifestAltered,
            },
            inject: |aim| Box::pin(alter(aim.on)),
        },
        Damage {
            spec: DamageSpec {
                name: "signature-gone",
                does: "the signature of the newest backup is emptied",
                judge: "provenance",
                finding: FindingCode::SignatureMissing,
            },
            inject: |aim| Box::pin(remove(aim.on)),
        },
        Damage {
            spec: DamageSpec {
                name: "signature-foreign",
                does: "the newest backup is signed by another key",
                judge: "provenance",
                finding: FindingCode::SignatureForeign,
            },
            inject: |aim| Box::pin(sign_again(aim.on)),
        },
    ]],
    sharing: Sharing::None,
};

async fn alter(repository: &dyn Repository) -> Result<Injury> {
    let id = newest(repository).await?;
    let kept = async |name| {
        let missing = || Error::could_not_verify(format!("backup {id} has no {name} to keep"));
        repository.beside(&id, name).await?.ok_or_else(missing)
    };
    let sidecars =
        vec![(SIGNATURE_FILE, kept(SIGNATURE_FILE).await?), (SIGNER_FILE, kept(SIGNER_FILE).await?)];
    replace(repository, &id, |manifest| {
        manifest.elapsed_ms = manifest.elapsed_ms.saturating_add(1);
        Ok(sidecars)
    })
    .await
}

async fn remove(repository: &dyn Repository) -> Result<Injury> {
    let id = newest(repository).await?;
    replace(repository, &id, |_| Ok(vec![(SIGNATURE_FILE, Vec::new())])).await
}

async fn sign_again(repository: &dyn Repository) -> Result<Injury> {
    let id = newest(repository).await?;
    let key = SigningKey::random("another key").context("making another key")?;
    replace(repository, &id, |manifest| {
        let signature = key.sign(&manifest_bytes(manifest)?);
        Ok(vec![(SIGNATURE_FILE, signature), (SIGNER_FILE, key.public().pem().into_bytes())])
    })
    .await
}

/// Puts a backup back with another manifest, and with these files beside it.
async fn replace(
    repository: &dyn Repository,
    id: &str,
    edit: impl FnOnce(&mut Manifest) -> Result<Vec<(&'static str, Vec<u8>)>>,
) -> Result<Injury> {
    rewrite(repository, id, Checksums::Kept, |backup: &mut StoredBackup| {
        backup.sidecars = edit(&mut backup.manifest)?;
        Ok(Injury::to(id))
    })
    .await
}
