//! Judge of rows that were loaded but not committed yet.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Manifest, TableFingerprint};

use super::content::compare;
use crate::error::Result;

/// Compares the rows loaded from an export of one table with the export's manifest, before they are
/// committed. Computed columns must have the same values too.
pub struct LoadedRows<'a> {
    /// The fingerprint of the loaded rows.
    pub loaded: &'a TableFingerprint,
    /// The manifest of the export.
    pub recorded: &'a Manifest,
}

#[async_trait]
impl Judge for LoadedRows<'_> {
    fn name(&self) -> &'static str {
        "loaded-rows"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (export, recorded) = self.recorded.content.table()?;
        let findings = compare(None, &export.table, recorded, self.loaded).await?;
        let (rows, table) = (recorded.rows, &export.table);
        Ok(Opinion::new(format!("compared {rows} rows of {table} before they are kept"), findings))
    }
}
