//! A vault key that is rotated after the export of secrets.

use comeback_engine::damage::{Damage, DamageSpec, DamageTable, Injury, Sharing, Target};
use comeback_engine::secret::SecretBytes;
use comeback_error::{Context as _, Result};
use comeback_model::FindingCode;
use comeback_roadtrip::seal_api_keys;
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::configuration::KeyVersions;
use crate::vault::vault_keys;

/// The length of a vault key, in bytes.
const KEY_BYTES: usize = 32;

/// The target of these damages: what is sealed in the database, between the export of secrets and that of the database.
pub struct Vault;

impl Target for Vault {
    type On<'a> = SealedRows<'a>;
}

/// Sealed rows, and the keys that open them.
#[derive(Clone, Copy)]
pub struct SealedRows<'a> {
    /// The superuser's way to the database.
    pub database: &'a PgConnectOptions,
    /// The keys.
    pub keys: &'a KeyVersions,
}

/// Damages to what the vault key opens.
pub static TO_THE_VAULT: DamageTable<Vault> = DamageTable {
    class: "references",
    groups: &[&[Damage {
        spec: DamageSpec {
            name: "vault-key-rotated",
            does: "the vault key was rotated after the export of secrets, and the API keys were sealed anew",
            judge: "vault",
            finding: FindingCode::ReferenceBroken,
        },
        inject: |aim| Box::pin(rotate(aim.on)),
    }]],
    sharing: Sharing::AllBut(&[]),
};

/// Seals every row with a key that is in no export.
async fn rotate(on: SealedRows<'_>) -> Result<Injury> {
    let mut keys = on.keys.clone();
    let newest = keys.last_key_value().map_or(0, |(version, _)| *version);
    keys.insert(newest + 1, SecretBytes::random(KEY_BYTES)?);
    let mut connection = on.database.connect().await.context("connecting to rotate the vault key")?;
    seal_api_keys(&mut connection, &vault_keys(&keys)?).await?;
    Ok(Injury::to("vault.api_keys"))
}
