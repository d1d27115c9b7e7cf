//! What is sealed in the database, and the keys that open it.

use comeback_error::{Context as _, Error, Result};
use comeback_roadtrip::{VaultKeys, open_api_keys};
use sqlx::PgConnection;

use crate::configuration::KeyVersions;

/// A sealed row, and whether its value could be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// The row's id.
    pub id: String,
    /// Why it could not be opened; `None` if it was.
    pub unopened: Option<String>,
}

/// The keys of the vault, the newest in force.
pub(crate) fn vault_keys(versions: &KeyVersions) -> Result<VaultKeys> {
    let doing = "reading the vault keys";
    let keys = versions.iter().map(|(version, key)| Ok((i16::try_from(*version).context(doing)?, key)));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let newest = keys.last().ok_or_else(|| Error::could_not_verify("the vault key has no version"))?.0;
    VaultKeys::new(newest, keys.iter().map(|(version, key)| (*version, key.expose())))
}

/// Opens every stored API key with these keys, and forgets its value. The connection is the superuser's.
pub async fn open_vault(connection: &mut PgConnection, versions: &KeyVersions) -> Result<Vec<SealedRow>> {
    let opened = open_api_keys(connection, &vault_keys(versions)?).await?;
    Ok(opened.into_iter().map(|(id, unopened)| SealedRow { id, unopened }).collect())
}
