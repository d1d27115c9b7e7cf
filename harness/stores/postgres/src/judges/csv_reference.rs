//! Judge that compares a loaded CSV file with what was recorded of an earlier one.

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::clock::Clock;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{CsvProfile, Drift, Finding, FindingCode, Profile, Reference, Tolerance};

use super::reference::other_store;
use crate::PostgresAddress;
use crate::content::profile::read_table_profile;
use crate::error::Result;

/// What the table is called in findings.
const RECORDS: &str = "records";

/// Compares the columns and their order, the number of records, and for each column the share of empty fields and the
/// number of different values. Columns that are new, at any place, are no finding.
pub struct CsvReference<'a> {
    /// The server that the file was loaded into.
    pub server: &'a PostgresAddress,
    /// The database, and the table as in SQL.
    pub table: (&'a str, &'a str),
    /// The names in the header.
    pub columns: &'a [String],
    /// What was recorded; `None` to record only.
    pub reference: Option<&'a Reference>,
    /// Takes the profile of this file, for the caller to record.
    pub record: Option<&'a RecordSlot>,
}

#[async_trait]
impl Judge for CsvReference<'_> {
    fn name(&self) -> &'static str {
        if self.reference.is_some() { "reference" } else { "record" }
    }

    async fn judge(&self) -> Result<Opinion> {
        let (database, table) = self.table;
        let table = read_table_profile(self.server, database, table).await?;
        let profile = CsvProfile { columns: self.columns.to_vec(), table };
        let rows = profile.table.rows;
        if let Some(slot) = self.record {
            slot.set(Profile::Csv(profile.clone()));
        }
        let Some(reference) = self.reference else {
            return Ok(Opinion::new(format!("read figures of {rows} records, to record"), []));
        };
        let Profile::Csv(recorded) = &reference.profile else {
            return Err(other_store(reference, "a CSV file"));
        };
        let mut drift = Drift::default();
        drift.add(RECORDS, &recorded.table, &profile.table, &Tolerance::default());
        let findings =
            header(&recorded.columns, &profile.columns).into_iter().chain(drift.findings).collect();
        let (findings, accepted) = reference.settle(findings, Clock::machine().today());
        let summary = format!(
            "compared {rows} records and {} of their columns with {}",
            drift.columns,
            reference.told()
        );
        Ok(Opinion::new(summary, findings).not_looked_at(accepted))
    }
}

/// The finding for columns that are gone, or that stand in another order.
fn header(recorded: &[String], found: &[String]) -> Option<Finding> {
    let kept: Vec<_> = found.iter().filter(|name| recorded.contains(name)).collect();
    let is_same = kept.iter().copied().eq(recorded);
    (!is_same).then(|| {
        let (expected, actual) = (recorded.join(", "), found.join(", "));
        Finding::new(FindingCode::ColumnsDiffer, "header", expected, actual)
            .remedy("find out what changed the export: a reader that goes by position takes wrong values")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_may_be_new_and_neither_gone_nor_moved() {
        let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        for (found, is_same) in [
            ("id,name,mail", true),
            ("id,born,name,mail,more", true),
            ("id,mail", false),
            ("id,mail,name", false),
            ("id,Name,mail", false),
        ] {
            let finding = header(&names("id,name,mail"), &names(found));
            assert_eq!(finding.is_none(), is_same, "{found}");
        }
    }
}
