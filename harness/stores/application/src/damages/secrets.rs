//! Wrong secrets: the recovered application was given other values than it needs.

use comeback_engine::damage::{Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::{Error, Result};
use comeback_model::FindingCode;

use super::Misled;
use crate::configuration::{AppSecrets, Configuration};
use crate::judges::Expectation;

/// The target of these damages: a recovered application, before the judges look at it.
pub struct Informed;

impl Target for Informed {
    type On<'a> = Misled<'a>;
}

/// Damages to the secrets of an application.
pub static TO_ITS_SECRETS: DamageTable<Informed> = DamageTable {
    class: "application",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "vault-key-other",
                does: "the application has the vault key of an older version in place of the newest",
                judge: "served",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| Box::pin(misinform(aim.on, Expectation::API_KEY, older_vault_key)),
        },
        Damage {
            spec: DamageSpec {
                name: "session-key-gone",
                does: "the application has the newest session key alone, which signed no session of before",
                judge: "served",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| Box::pin(misinform(aim.on, Expectation::SESSION, newest_session_key)),
        },
        Damage {
            spec: DamageSpec {
                name: "password-old",
                does: "the application has a password of before its rotation",
                judge: "served",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| Box::pin(misinform(aim.on, "postgresql", earlier_password)),
        },
    ]],
    sharing: Sharing::None,
};

/// Changes the secrets. Returns whether there was something to change.
type Change = fn(&mut AppSecrets, &Configuration) -> bool;

async fn misinform(on: Misled<'_>, subject: &str, change: Change) -> Result<Injury> {
    let mut configuration = on.server.configuration()?;
    if !change(&mut configuration.secrets, on.earlier) {
        return Err(Error::could_not_verify("the application has no older secret for this damage"));
    }
    on.server.restart(&configuration).await?;
    Ok(Injury::to(subject))
}

fn older_vault_key(secrets: &mut AppSecrets, _: &Configuration) -> bool {
    let older = secrets.vault_keys.values().rev().nth(1).cloned();
    let newest = secrets.vault_keys.values_mut().next_back();
    older.zip(newest).map(|(older, newest)| *newest = older).is_some()
}

fn newest_session_key(secrets: &mut AppSecrets, _: &Configuration) -> bool {
    let (before, newest) = (secrets.session_keys.len(), secrets.session_keys.pop_last());
    secrets.session_keys = newest.into_iter().collect();
    before > 1
}

fn earlier_password(secrets: &mut AppSecrets, earlier: &Configuration) -> bool {
    let changed = secrets.postgres_password != earlier.secrets.postgres_password;
    secrets.postgres_password.clone_from(&earlier.secrets.postgres_password);
    changed
}
