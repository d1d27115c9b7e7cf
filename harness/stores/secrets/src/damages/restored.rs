//! Damages to a restored store, as human mistakes would cause them.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, choose};
use comeback_error::{Error, Result};
use comeback_model::{FindingCode, VersionState};

use crate::{SecretDescription, SecretStore};

/// The target of these damages: a restored store, before the judges look at it.
pub struct RestoredSecrets;

impl Target for RestoredSecrets {
    type On<'a> = &'a dyn SecretStore;
}

/// Damages to a restored store of secrets.
pub static TO_RESTORED_SECRETS: DamageTable<RestoredSecrets> = DamageTable {
    class: "secrets",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "label-gone",
                does: "a restored secret lacks a label",
                judge: "secrets",
                finding: FindingCode::LabelsChanged,
            },
            inject: |aim| Box::pin(remove_label(aim)),
        },
        Damage {
            spec: DamageSpec {
                name: "version-disabled",
                does: "the newest version of a restored secret is disabled",
                judge: "secrets",
                finding: FindingCode::VersionStateChanged,
            },
            inject: |aim| Box::pin(disable_newest(aim)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

async fn remove_label(Aim { on: store, seed }: Aim<'_, RestoredSecrets>) -> Result<Injury> {
    let labels = |secret: SecretDescription| Some(secret.labels).filter(|labels| !labels.is_empty());
    let (name, mut labels) = victim(store, seed, labels).await?;
    labels.pop_last();
    store.set_labels(&name, &labels).await?;
    Ok(Injury::to(name))
}

async fn disable_newest(Aim { on: store, seed }: Aim<'_, RestoredSecrets>) -> Result<Injury> {
    let newest = |secret: SecretDescription| {
        let mut versions = secret.versions.into_iter().rev();
        versions.find(|(_, state)| *state == VersionState::Enabled).map(|(number, _)| number)
    };
    let (name, number) = victim(store, seed, newest).await?;
    store.set_state(&name, number, VersionState::Disabled).await?;
    Ok(Injury::to(name).key(format!("version={number}")))
}

/// A secret that has what is to be damaged, chosen by the seed. Returns its name and what was found.
async fn victim<T: Send>(
    store: &dyn SecretStore,
    seed: u64,
    part: fn(SecretDescription) -> Option<T>,
) -> Result<(String, T)> {
    let mut candidates = Vec::new();
    for name in store.list().await? {
        if let Some(part) = store.describe(&name).await?.and_then(part) {
            candidates.push((name, part));
        }
    }
    if candidates.is_empty() {
        return Err(Error::could_not_verify("the store has no secret that this damage could be done to"));
    }
    Ok(candidates.swap_remove(choose(seed, candidates.len())))
}
