//! Damages to the newest export in a repository, or to the break-glass key for it.

use std::fs;

use comeback_engine::damage::{
    Aim, Checksums, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose, newest, rewrite,
};
use comeback_engine::repository::Repository;
use comeback_engine::secret::SecretBytes;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{Content, FindingCode};

use crate::age_file::{EXPORT as FILE, encrypt};
use crate::{ExportKeys, Identities, OpenedExport, Recipients, SecretContent, make_identity, open_export};

/// The target of these damages: the newest export in a repository and its keys, between the export and the
/// disaster.
pub struct Export;

impl Target for Export {
    type On<'a> = (&'a dyn Repository, &'a ExportKeys);
}

/// Damages to an export, or to the key that opens it.
pub static TO_AN_EXPORT: DamageTable<Export> = DamageTable {
    class: "secrets",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "key-wrong",
                does: "the key that was locked away for an export opens nothing",
                judge: "restore",
                finding: FindingCode::KeyWrong,
            },
            inject: |aim| Box::pin(exchange_key(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "recipient-missing",
                does: "an export of secrets is encrypted to one recipient alone, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::RecipientMissing,
            },
            inject: |aim| Box::pin(drop_recipient(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "secrets-truncated",
                does: "an export of secrets ends before its end, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::BackupTruncated,
            },
            inject: |aim| Box::pin(truncate(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "secrets-byte-flipped",
                does: "one byte of an export of secrets is another, and its manifest says that it has to be so",
                judge: "restore",
                finding: FindingCode::BackupDamaged,
            },
            inject: |aim| Box::pin(flip_byte(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "secret-gone",
                does: "an export lacks a secret, and its manifest says that it has to be so",
                judge: "opened-secrets",
                finding: FindingCode::SecretMissing,
            },
            inject: |aim| Box::pin(drop_secret(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "secret-newline",
                does: "a secret has a line end after it in the export, and its manifest says that it has to be so",
                judge: "opened-secrets",
                finding: FindingCode::SecretChanged,
            },
            inject: |aim| Box::pin(add_newline(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "secret-older",
                does: "the newest version of a secret has the value of an older one in the export, and its manifest says that it has to be so",
                judge: "opened-secrets",
                finding: FindingCode::SecretChanged,
            },
            inject: |aim| Box::pin(put_older_value(aim)),
        },
    ]],
    sharing: Sharing::None,
};

async fn exchange_key(Aim { on: (repository, keys), .. }: Aim<'_, Export>) -> Result<Injury> {
    let id = newest(repository).await?;
    fs::remove_file(&keys.break_glass).context("exchanging the break-glass key")?;
    make_identity(&keys.break_glass)?;
    Ok(Injury::to(format!("{id}/{FILE}")))
}

async fn drop_recipient(Aim { on: (repository, keys), .. }: Aim<'_, Export>) -> Result<Injury> {
    let (id, opened) = open(repository, keys).await?;
    put(repository, &id, &opened, &keys.recipients.first_alone()).await?;
    Ok(Injury::to(format!("{id}/{FILE}")))
}

/// Cuts the end off. The checksum is corrected, but the length in the manifest's content stays.
async fn truncate(Aim { on: (repository, _), .. }: Aim<'_, Export>) -> Result<Injury> {
    edit_file(repository, |file| file.truncate(file.len() * 3 / 4)).await
}

/// Changes a byte in the second half, after the header: the recipients can still be read.
async fn flip_byte(Aim { on: (repository, _), seed }: Aim<'_, Export>) -> Result<Injury> {
    edit_file(repository, |file| {
        let half = file.len() / 2;
        let at = half + choose(seed, file.len() - half);
        file[at] ^= 0xff;
    })
    .await
}

async fn drop_secret(Aim { on: (repository, keys), seed }: Aim<'_, Export>) -> Result<Injury> {
    let (id, mut opened) = open(repository, keys).await?;
    let name = victim(&opened, seed, 0)?;
    opened.secrets.0.remove(&name);
    put(repository, &id, &opened, &keys.recipients).await?;
    Ok(Injury::to(name))
}

async fn add_newline(aim: Aim<'_, Export>) -> Result<Injury> {
    change_newest(aim, 1, |values| SecretBytes::from([values[0].expose(), b"\n"].concat())).await
}

async fn put_older_value(aim: Aim<'_, Export>) -> Result<Injury> {
    change_newest(aim, 2, |values| values[1].clone()).await
}

/// Changes the value of a secret's newest version. `change` gets the secret's values, the newest first.
async fn change_newest(
    Aim { on: (repository, keys), seed }: Aim<'_, Export>,
    at_least: usize,
    change: fn(&[SecretBytes]) -> SecretBytes,
) -> Result<Injury> {
    let (id, mut opened) = open(repository, keys).await?;
    let name = victim(&opened, seed, at_least)?;
    let nothing = || Error::could_not_verify(format!("the secret {name} has no value to change"));
    let secret = opened.secrets.0.get_mut(&name).ok_or_else(nothing)?;
    let value = change(&values(secret));
    let with_value = secret.versions.iter_mut().rev().find(|(_, version)| version.value.is_some());
    let (number, version) = with_value.ok_or_else(nothing)?;
    version.value = Some(value);
    let injury = Injury::to(&name).key(format!("version={number}"));
    put(repository, &id, &opened, &keys.recipients).await?;
    Ok(injury)
}

/// The values of a secret, the newest first.
fn values(secret: &SecretContent) -> Vec<SecretBytes> {
    secret.versions.values().rev().filter_map(|version| version.value.clone()).collect()
}

/// The name of a secret with at least `at_least` values, chosen by the seed.
fn victim(opened: &OpenedExport, seed: u64, at_least: usize) -> Result<String> {
    // A value of the largest size cannot grow: no store would take it, and the restore would refuse it before any judge.
    let can_grow = |value: &SecretBytes| value.expose().len() < crate::VALUE_BYTES;
    let fits = |values: &[SecretBytes]| values.len() >= at_least && values.first().is_some_and(can_grow);
    let fitting = opened.secrets.0.iter().filter(|(_, secret)| fits(&values(secret)));
    let names: Vec<_> = fitting.map(|(name, _)| name).collect();
    let nothing = || Error::could_not_verify("the export has no secret that this damage could be done to");
    names.get(choose(seed, names.len())).map(|name| (*name).clone()).ok_or_else(nothing)
}

/// The newest export: its name and its content.
async fn open(repository: &dyn Repository, keys: &ExportKeys) -> Result<(String, OpenedExport)> {
    let id = newest(repository).await?;
    let manifest = repository.manifest(&id).await?;
    let opened = open_export(repository, &manifest, &Identities::read(&keys.daily)?).await?;
    Ok((id, opened))
}

/// Replaces the secrets or recipients of an export, with a matching manifest.
async fn put(
    repository: &dyn Repository,
    id: &str,
    opened: &OpenedExport,
    recipients: &Recipients,
) -> Result<()> {
    let file = encrypt(&opened.secrets, &opened.key, opened.taken_at, recipients)?;
    rewrite(repository, id, Checksums::Renewed, |backup| {
        if let Content::Secrets { export, .. } = &mut backup.manifest.content {
            export.age_bytes = file.len() as u64;
        }
        *backup.file(FILE)? = file;
        Ok(())
    })
    .await
}

/// Edits the encrypted file of the newest export.
async fn edit_file(repository: &dyn Repository, edit: impl FnOnce(&mut Vec<u8>) + Send) -> Result<Injury> {
    let id = newest(repository).await?;
    rewrite(repository, &id, Checksums::Renewed, |backup| {
        edit(backup.file(FILE)?);
        Ok(Injury::to(format!("{id}/{FILE}")))
    })
    .await
}
