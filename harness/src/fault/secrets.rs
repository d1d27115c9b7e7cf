//! Damage to secrets: to their export, to its keys, to what they open, to what was restored.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Damage, Injury, choose};
use crate::error::{Context as _, Error, Result};
use crate::model::{Content, Manifest, VersionState};
use crate::repository::{BackupWriter, Repository};
use crate::secret::SecretBytes;
use crate::stores::postgres::{PostgresServer, set_password};
use crate::stores::secrets::{
    EXPORT, ExportKeys, Identities, OpenedExport, SecretStore, encrypt, make_identity, open_export,
};

/// Damages the newest export in a repository, or the key that is locked away for it.
pub async fn damage_export(
    repository: &dyn Repository,
    keys: &ExportKeys,
    damage: Damage,
    seed: u64,
) -> Result<Injury> {
    let ids = repository.list().await?;
    let newest = ids.first().ok_or_else(|| Error::could_not_verify("there is no export to damage"))?;
    let manifest = repository.manifest(newest).await?;
    let of_file = Injury { subject: format!("{newest}/{EXPORT}"), key: None };
    let mut file = super::rewrite::read(repository, newest, EXPORT).await?;
    match damage {
        Damage::KeyWrong => {
            fs::remove_file(&keys.break_glass).context("exchanging the break-glass key")?;
            make_identity(&keys.break_glass)?;
        }
        Damage::SecretsTruncated => {
            file.truncate(file.len() * 3 / 4);
            // The manifest's word on how long the file was is the one that stays.
            replace(repository, manifest, &file).await?;
        }
        Damage::SecretsByteFlipped => {
            // In the second half, which is no header: whom it is encrypted to can still be read.
            let half = file.len() / 2;
            let at = half + choose(seed, file.len() - half);
            file[at] ^= 0xff;
            replace(repository, manifest, &file).await?;
        }
        Damage::RecipientMissing => {
            let OpenedExport { taken_at, key, secrets } = open(repository, &manifest, keys).await?;
            let file = encrypt(&secrets, &key, taken_at, &keys.recipients.first_alone())?;
            replace(repository, resized(manifest, &file), &file).await?;
        }
        Damage::SecretGone | Damage::SecretNewline | Damage::SecretOlder => {
            let mut opened = open(repository, &manifest, keys).await?;
            let injury = damage_opened(&mut opened, damage, seed)?;
            let file = encrypt(&opened.secrets, &opened.key, opened.taken_at, &keys.recipients)?;
            replace(repository, resized(manifest, &file), &file).await?;
            return Ok(injury);
        }
        other => return Err(Error::usage(format!("{other} is no damage to an export of secrets"))),
    }
    Ok(of_file)
}

async fn open(repository: &dyn Repository, manifest: &Manifest, keys: &ExportKeys) -> Result<OpenedExport> {
    Ok(open_export(repository, manifest, &Identities::read(&keys.daily)?).await?)
}

fn damage_opened(opened: &mut OpenedExport, damage: Damage, seed: u64) -> Result<Injury> {
    let secrets = &mut opened.secrets.0;
    let names = secrets.iter().filter(|(_, secret)| {
        let values = secret.versions.values().filter(|version| version.value.is_some());
        damage != Damage::SecretOlder || values.count() > 1
    });
    let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
    let nothing = || Error::could_not_verify(format!("the export has no secret for {damage}"));
    let name = names.get(choose(seed, names.len())).ok_or_else(nothing)?.clone();
    if damage == Damage::SecretGone {
        secrets.remove(&name);
        return Ok(Injury { subject: name, key: None });
    }
    let versions = &mut secrets.get_mut(&name).ok_or_else(nothing)?.versions;
    let mut values = versions.iter().rev().filter_map(|(number, one)| Some((*number, one.value.clone()?)));
    let ((number, newest), older) = (values.next().ok_or_else(nothing)?, values.next());
    let value = match older {
        Some((_, older)) if damage == Damage::SecretOlder => older,
        _ => SecretBytes::from([newest.expose(), b"\n"].concat()),
    };
    if let Some(version) = versions.get_mut(&number) {
        version.value = Some(value);
    }
    Ok(Injury { subject: name, key: Some(format!("version={number}")) })
}

/// A manifest that says of another file that it has to be so long.
fn resized(mut manifest: Manifest, file: &[u8]) -> Manifest {
    if let Content::Secrets { export, .. } = &mut manifest.content {
        export.age_bytes = file.len() as u64;
    }
    manifest
}

/// Puts another file into the export, with a manifest whose checksum fits it.
async fn replace(repository: &dyn Repository, manifest: Manifest, file: &[u8]) -> Result<()> {
    repository.remove(&manifest.id).await?;
    let mut backup = BackupWriter::new(repository.begin(&manifest.id).await?);
    backup.write(EXPORT, file).await?;
    let files = backup.files().to_vec();
    backup.commit(&Manifest { files, ..manifest }).await
}

/// Damages the file of an export where it was written: not what is in it, but who can get at that.
pub async fn damage_export_file(path: &Path, keys: &ExportKeys, damage: Damage) -> Result<Injury> {
    let doing = format!("injecting {damage}");
    let hurt = match damage {
        Damage::ExportReadable => {
            let everybody = fs::Permissions::from_mode(0o644);
            tokio::fs::set_permissions(path, everybody).await.context(&doing)?;
            path.to_owned()
        }
        Damage::KeyBeside => {
            let beside = path.with_file_name("key.txt");
            tokio::fs::copy(&keys.break_glass, &beside).await.context(&doing)?;
            beside
        }
        other => return Err(Error::usage(format!("{other} is no damage to the file of an export"))),
    };
    let name = hurt.file_name().unwrap_or_default().to_string_lossy();
    Ok(Injury { subject: name.into_owned(), key: None })
}

/// Changes the password of a role and stores it as a new version, after the last export.
pub async fn rotate_unseen(
    store: &dyn SecretStore,
    secret: &str,
    server: &PostgresServer,
    role: &str,
) -> Result<Injury> {
    let password = SecretBytes::random_password()?;
    store.add_version(secret, &password).await?;
    set_password(server, role, &password).await?;
    Ok(Injury { subject: secret.to_owned(), key: None })
}

/// Damages a restored store, as a careless hand would.
pub async fn damage_secrets(store: &dyn SecretStore, damage: Damage, seed: u64) -> Result<Injury> {
    let mut candidates = Vec::new();
    for name in store.list().await? {
        let Some(description) = store.describe(&name).await? else { continue };
        let newest = description.versions.iter().rev().find(|(_, state)| **state == VersionState::Enabled);
        match (damage, newest) {
            (Damage::LabelGone, _) if !description.labels.is_empty() => {
                candidates.push((name, description.labels, 0));
            }
            (Damage::VersionDisabled, Some((number, _))) => {
                let number = *number;
                candidates.push((name, description.labels, number));
            }
            _ => {}
        }
    }
    let at = choose(seed, candidates.len());
    let nothing = || Error::could_not_verify(format!("the store has no secret for {damage}"));
    let (name, mut labels, number) = candidates.into_iter().nth(at).ok_or_else(nothing)?;
    if damage == Damage::LabelGone {
        labels.pop_last();
        store.set_labels(&name, &labels).await?;
        return Ok(Injury { subject: name, key: None });
    }
    store.set_state(&name, number, VersionState::Disabled).await?;
    Ok(Injury { subject: name, key: Some(format!("version={number}")) })
}
