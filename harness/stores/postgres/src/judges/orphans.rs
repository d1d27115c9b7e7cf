//! Judge of the writes that an old primary acknowledged and never replicated.

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::ledger::write_name;
use comeback_model::{Finding, FindingCode, Ledger};

use crate::error::{Error, Result};
use crate::{PostgresAddress, WORKLOAD_TABLE, read_writes};

/// Checks that such writes are still in the old data directory, where people can merge them by hand, and that none of
/// them is in the server that was rebuilt.
pub struct OrphanedWrites<'a> {
    /// The server that was rebuilt.
    pub rebuilt: &'a PostgresAddress,
    /// The database that the workload wrote to.
    pub database: &'a str,
    /// The ledger of what the old primary acknowledged.
    pub ledger: &'a Ledger,
    /// The transactions that it did not replicate.
    pub orphaned: &'a BTreeSet<u64>,
    /// The transactions that the old data directory does not have either.
    pub lost: &'a BTreeSet<u64>,
}

#[async_trait]
impl Judge for OrphanedWrites<'_> {
    fn name(&self) -> &'static str {
        "orphaned-writes"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { ledger, orphaned, lost, .. } = self;
        if orphaned.is_empty() {
            return Err(Error::could_not_verify("the old primary had replicated every write"));
        }
        let lost: Vec<_> = orphaned.intersection(lost).collect();
        let gone = lost.first().map(|first| {
            let actual = format!("{} of {} are not there", lost.len(), orphaned.len());
            Finding::new(
                FindingCode::WriteLost,
                "old primary",
                "what it acknowledged and did not replicate",
                actual,
            )
            .key(write_name(**first, None))
            .remedy("these writes were acknowledged, and are nowhere: tell whom they concern")
        });
        let observed = read_writes(self.rebuilt, self.database, ledger).await?;
        let merged: Vec<_> = observed.rows.iter().filter(|row| orphaned.contains(&row.number)).collect();
        let merged = merged.first().map(|row| {
            let first = write_name(row.number, Some(row.key));
            let expected = "no write that the other region never had";
            let actual = format!("{} rows of such writes, as {first}", merged.len());
            Finding::new(FindingCode::WritePhantom, WORKLOAD_TABLE, expected, actual).remedy(
                "rebuild the server from a new copy; merge such writes by hand, in the service, one by one",
            )
        });
        Ok(Opinion::new(
            format!(
                "{} acknowledged transactions ended in the old primary alone: it still has {} of them, to be merged by \
                 hand, and the rebuilt server {}",
                orphaned.len(),
                orphaned.len() - lost.len(),
                if merged.is_some() { "has some" } else { "has none" }
            ),
            gone.into_iter().chain(merged),
        ))
    }
}
