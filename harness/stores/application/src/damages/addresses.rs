//! Wrong addresses: the configuration of the recovered application names a server that is gone.

use comeback_engine::damage::{Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_error::Result;
use comeback_model::FindingCode;

use super::Misled;
use crate::configuration::Configuration;

/// The target of these damages: a recovered application, before the judges look at it.
pub struct Directed;

impl Target for Directed {
    type On<'a> = Misled<'a>;
}

/// Damages to the addresses of an application.
pub static TO_ITS_ADDRESSES: DamageTable<Directed> = DamageTable {
    class: "application",
    groups: &[&[
        Damage {
            spec: DamageSpec {
                name: "database-address-old",
                does: "the application still connects to the database that was lost",
                judge: "served",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| {
                Box::pin(misdirect(aim, "postgresql", |right, earlier| {
                    right.database_url.clone_from(&earlier.database_url);
                }))
            },
        },
        Damage {
            spec: DamageSpec {
                name: "cache-address-old",
                does: "the application still connects to the Redis server that was lost",
                judge: "served",
                finding: FindingCode::AnswerWrong,
            },
            inject: |aim| {
                Box::pin(misdirect(aim, "redis", |right, earlier| {
                    right.cache_url.clone_from(&earlier.cache_url);
                }))
            },
        },
    ]],
    sharing: Sharing::None,
};

async fn misdirect(
    Aim { on: Misled { server, earlier }, .. }: Aim<'_, Directed>,
    subject: &str,
    change: fn(&mut Configuration, &Configuration),
) -> Result<Injury> {
    let mut configuration = server.configuration()?;
    change(&mut configuration, earlier);
    server.restart(&configuration).await?;
    Ok(Injury::to(subject))
}
