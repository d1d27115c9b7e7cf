//! Compares tables in which nothing changes any more, row by row.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::{Finding, FindingCode, NotLookedAt, ScopeKind, TableFingerprint};

use super::keys::key_text;
use crate::PostgresAddress;
use crate::content::exporter::Exporter;
use crate::content::tables::TableInfo;
use crate::error::Result;

/// How many differing rows a finding names.
const NAMED_ROWS: usize = 5;

/// The tables of a snapshot, to be read row by row.
pub(super) struct Frozen<'a> {
    /// The server.
    pub(super) server: &'a PostgresAddress,
    /// The snapshot of the database.
    pub(super) snapshot: &'a Exporter,
    /// Its tables.
    pub(super) tables: &'a [TableInfo],
}

impl Frozen<'_> {
    /// The fingerprints of the named tables that are there.
    pub(super) async fn read(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, TableFingerprint>> {
        let tables = self.tables.iter().filter(|table| names.contains(&table.name)).cloned().collect();
        self.snapshot.read_tables(self.server, tables).await
    }

    /// Compares the rows of a table with a fingerprint. A table that is not there is a missing object, which is
    /// found elsewhere.
    pub(super) async fn compare(
        &self,
        name: &str,
        expected: &TableFingerprint,
        whose: &str,
    ) -> Result<Option<Finding>> {
        let Some(table) = self.tables.iter().find(|table| table.name == name) else { return Ok(None) };
        let read = self.snapshot.read_tables(self.server, vec![table.as_recorded(expected)]).await?;
        let found = read.into_values().next();
        Ok(found.filter(|found| !expected.same_rows(found)).map(|found| {
            let rows = format!("the {} rows of {whose}", expected.rows);
            Finding::new(FindingCode::ContentDiffers, name, rows, difference(expected, &found)).remedy(format!(
                "find out whether the table was changed on purpose; if not, the backup lacks or changes rows of {whose}"
            ))
        }))
    }
}

/// What nobody compares in a table that is not frozen.
pub(super) fn values_of_others() -> NotLookedAt {
    let why = "figures of them are compared, and single values are not; name those in which nothing changes with --frozen";
    NotLookedAt::new(ScopeKind::RowValues, "tables that are not frozen", why)
}

/// The tables whose rows can be compared.
pub(super) async fn comparable_tables(snapshot: &mut Exporter) -> Result<Vec<TableInfo>> {
    let mut tables = snapshot.list_tables().await?;
    tables.retain(|table| !table.is_unlogged && !table.is_view && table.extension.is_none());
    tables.retain(|table| !table.name.starts_with("pg_catalog."));
    Ok(tables)
}

/// The fingerprints of the named tables of a restored database that are there.
pub(super) async fn read_frozen(
    server: &PostgresAddress,
    database: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let mut snapshot = Exporter::open(server, database).await?;
    let tables = comparable_tables(&mut snapshot).await?;
    Frozen { server, snapshot: &snapshot, tables: &tables }.read(names).await
}

/// Compares the tables of a restored database with recorded fingerprints.
pub(super) async fn compare_frozen(
    server: &PostgresAddress,
    database: &str,
    recorded: &BTreeMap<String, TableFingerprint>,
) -> Result<Vec<Finding>> {
    if recorded.is_empty() {
        return Ok(Vec::new());
    }
    let mut snapshot = Exporter::open(server, database).await?;
    let tables = comparable_tables(&mut snapshot).await?;
    let restored = Frozen { server, snapshot: &snapshot, tables: &tables };
    let mut findings = Vec::new();
    for (name, expected) in recorded {
        findings.extend(restored.compare(name, expected, "the reference").await?);
    }
    Ok(findings)
}

/// What differs, in words: `2000 rows; 2 differ in name: id=7; id=8`.
fn difference(expected: &TableFingerprint, found: &TableFingerprint) -> String {
    let rows = found.rows;
    if !expected.same_columns(found) {
        return format!("{rows} rows with the columns {}", found.columns_text());
    }
    let columns = expected.differing_columns(found).join(", ");
    let difference = expected.sketch.difference(&found.sketch);
    let changed: BTreeSet<_> =
        difference.removed.iter().chain(&difference.added).map(|row| row.key).collect();
    // A sample of the differing rows cannot be counted, and one of many is not worth a name.
    if difference.sampling != Some(1) || changed.is_empty() {
        return format!("{rows} rows that differ in {columns}");
    }
    let keys: Vec<_> = changed.iter().filter_map(|key| key_text(expected, key)).take(NAMED_ROWS).collect();
    let named = if keys.is_empty() { String::new() } else { format!(": {}", keys.join("; ")) };
    format!("{rows} rows; {} differ in {columns}{named}", changed.len())
}
