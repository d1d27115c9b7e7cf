//! Judges of the rows: their number, and whether they are the same.

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{
    ClusterContent, DatabaseContent, Finding, FindingCode, KEY_BYTES, NotLookedAt, ScopeKind, SketchRow,
    TableFingerprint,
};
use sqlx::PgConnection;

use super::cause::{Cause, causes};
use super::columns::{compare_columns, is_reordered_by_inheritance, reordered_text};
use super::keys::key_text;
use super::restored_rows::Rows;
use crate::error::{Context as _, Result};
use crate::{PostgresAddress, fingerprint_as_recorded, rows_of};

/// Rows to name for each table. For the others, their number is given.
const NAMED_ROWS: usize = 10;
/// Rows to name as examples if one cause has changed many.
const EXAMPLES: usize = 3;

/// Counts the rows of every table. It does not notice a changed row; [`FingerprintJudge`] does.
pub struct RowCounts<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The content in the manifest.
    pub recorded: &'a ClusterContent,
}

#[async_trait]
impl Judge for RowCounts<'_> {
    fn name(&self) -> &'static str {
        "row-counts"
    }

    async fn judge(&self) -> Result<Opinion> {
        let mut findings = Vec::new();
        for (database, content) in &self.recorded.databases {
            let mut connection = self.server.connect_as_application(database).await?;
            for (table, expected) in &content.tables {
                let Some(rows) = count_rows(&mut connection, table, expected).await? else {
                    findings.push(table_missing(table, expected));
                    continue;
                };
                if rows != expected.rows {
                    let finding = Finding::new(
                        FindingCode::RowCount,
                        table,
                        format!("{} rows", expected.rows),
                        format!("{rows} rows"),
                    );
                    findings
                        .push(finding.remedy("compare with the fingerprint's findings, which name the rows"));
                }
            }
        }
        let (tables, rows) = (self.recorded.table_count(), self.recorded.row_count());
        let left_out = left_out(self.recorded);
        let rest = not_looked_at_text(&left_out);
        let summary = format!("counted {tables} tables against {rows} rows of the manifest{rest}");
        Ok(Opinion::new(summary, findings).not_looked_at(left_out))
    }
}

/// The number of rows of a table; `None` if there is no such table.
async fn count_rows(
    connection: &mut PgConnection,
    table: &str,
    recorded: &TableFingerprint,
) -> Result<Option<u64>> {
    let doing = format!("counting the rows of {table}");
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .context(&doing)?;
    if !exists {
        return Ok(None);
    }
    let rows = rows_of(table, recorded.condition.as_deref());
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from only {rows}"));
    let count: i64 = sqlx::query_scalar(sql).fetch_one(connection).await.context(&doing)?;
    Ok(Some(count.unsigned_abs()))
}

/// What the backup left out.
fn left_out(recorded: &ClusterContent) -> Vec<NotLookedAt> {
    let tables = recorded.databases.values().flat_map(|database| &database.not_looked_at);
    recorded.not_looked_at.iter().chain(tables).cloned().collect()
}

/// Describes what was not looked at, for the end of a sentence: `; not looked at: 2 foreign tables, 1
/// database`.
fn not_looked_at_text(things: &[NotLookedAt]) -> String {
    let mut kinds: BTreeMap<ScopeKind, usize> = BTreeMap::new();
    for thing in things {
        *kinds.entry(thing.kind).or_default() += 1;
    }
    let texts = kinds.iter().map(|(kind, count)| {
        let plural = if *count == 1 { "" } else { "s" };
        format!("{count} {}{plural}", kind.as_str().replace('-', " "))
    });
    let texts = texts.collect::<Vec<_>>().join(", ");
    if texts.is_empty() { texts } else { format!("; not looked at: {texts}") }
}

fn table_missing(table: &str, expected: &TableFingerprint) -> Finding {
    Finding::new(
        FindingCode::TableMissing,
        table,
        format!("a table of {} rows", expected.rows),
        "no such table",
    )
    .remedy("restore it from this backup again, or from an older one")
}

/// Compares the fingerprint of every table with the manifest, and names the rows that differ. Values are
/// compared by column name; another order of the columns is a finding of its own.
///
/// It lists the tables and databases that it did not look at. Temporary tables are not among them: they
/// belong to their session.
pub struct FingerprintJudge<'a> {
    server: &'a PostgresAddress,
    recorded: &'a ClusterContent,
    shows_values: bool,
}

impl<'a> FingerprintJudge<'a> {
    /// A judge of a restored server, by the content in the manifest.
    pub fn new(server: &'a PostgresAddress, recorded: &'a ClusterContent) -> Self {
        Self { server, recorded, shows_values: false }
    }

    /// Sets whether findings show the values of restored rows that differ. The manifest does not hold the
    /// earlier values.
    #[must_use]
    pub fn showing_values(self, shows_values: bool) -> Self {
        Self { shows_values, ..self }
    }
}

#[async_trait]
impl Judge for FingerprintJudge<'_> {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut findings, mut reordered) = (Vec::new(), Vec::new());
        let mut not_looked_at = self.recorded.not_looked_at.clone();
        for (database, content) in &self.recorded.databases {
            let (actual, left_out) = fingerprint_as_recorded(self.server, database, content).await?;
            not_looked_at.extend(left_out);
            let mut connection = self.server.connect_as_application(database).await?;
            // Rows must be found even if an index lacks them.
            sqlx::raw_sql(
                "set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off",
            )
            .execute(&mut connection)
            .await
            .context("setting up the session")?;
            for (table, expected) in &content.tables {
                let Some(actual) = actual.get(table) else {
                    findings.push(table_missing(table, expected));
                    continue;
                };
                let rows = Rows { connection: &mut connection, table, shows_values: self.shows_values };
                findings.extend(compare(Some(rows), table, expected, actual).await?);
                if is_reordered_by_inheritance(expected, actual) {
                    reordered.push(table.as_str());
                }
            }
            findings.extend(extra_tables(content, &actual));
        }
        let (tables, rows) = (self.recorded.table_count(), self.recorded.row_count());
        let mut summary = format!("compared {rows} rows in {tables} tables");
        if not_looked_at.is_empty() {
            summary.push_str(", every byte of them");
        }
        summary.push_str(&not_looked_at_text(&not_looked_at));
        summary.push_str(&reordered_text(&reordered));
        Ok(Opinion::new(summary, findings).not_looked_at(not_looked_at))
    }
}

/// The findings for tables that are not in the manifest.
fn extra_tables<'a>(
    expected: &'a DatabaseContent,
    actual: &'a BTreeMap<String, TableFingerprint>,
) -> impl Iterator<Item = Finding> + 'a {
    let is_known = |table: &String| expected.tables.contains_key(table);
    actual.iter().filter(move |(table, _)| !is_known(table)).map(|(table, actual)| {
        Finding::new(
            FindingCode::TableExtra,
            table,
            "no such table",
            format!("a table of {} rows", actual.rows),
        )
        .remedy("find out where it comes from: the backup does not know it")
    })
}

/// The digests of a key's row, before and after.
#[derive(Default)]
struct Change {
    before: Option<u128>,
    after: Option<u128>,
}

/// The findings for a table: differing columns, their order, differing rows. Without a connection, a
/// duplicated row is reported as an extra row.
pub(super) async fn compare(
    rows: Option<Rows<'_>>,
    table: &str,
    expected: &TableFingerprint,
    actual: &TableFingerprint,
) -> Result<Vec<Finding>> {
    let mut findings: Vec<_> = compare_columns(table, expected, actual).into_iter().collect();
    // Digests of rows with other columns cannot be compared.
    if expected.same_columns(actual) && !actual.same_rows(expected) {
        findings.extend(compare_rows(rows, table, expected, actual).await?);
    }
    Ok(findings)
}

async fn compare_rows(
    mut rows: Option<Rows<'_>>,
    table: &str,
    expected: &TableFingerprint,
    actual: &TableFingerprint,
) -> Result<Vec<Finding>> {
    let difference = expected.sketch.difference(&actual.sketch);
    let mut changes: BTreeMap<[u8; KEY_BYTES], Change> = BTreeMap::new();
    for SketchRow { key, digest } in difference.removed {
        changes.entry(key).or_default().before = Some(digest);
    }
    for SketchRow { key, digest } in difference.added {
        changes.entry(key).or_default().after = Some(digest);
    }
    let sampling = difference.sampling.unwrap_or(0);
    let columns = expected.differing_columns(actual);
    let are_all_known =
        sampling == 1 && changes.values().all(|change| change.before.is_some() && change.after.is_some());
    let keys: Vec<_> = changes.keys().copied().collect();
    let known = are_all_known.then_some(&keys[..]);
    if let Some(causes) =
        causes(rows.as_mut().map(|rows| &mut *rows.connection), table, expected, actual, known).await?
    {
        let examples: Vec<_> = keys.iter().filter_map(|key| key_text(expected, key)).take(EXAMPLES).collect();
        return Ok(causes.iter().map(|cause| cause_finding(table, cause, &examples)).collect());
    }
    let mut findings = Vec::new();
    for (key, change) in changes.iter().take(NAMED_ROWS) {
        let key = key_text(expected, key);
        findings.push(row_finding(rows.as_mut(), table, key, change, &columns).await?);
    }
    // If all differing rows are named, there is nothing to add.
    if sampling != 1 || changes.len() > findings.len() {
        let differing = match (sampling, changes.len() as u64) {
            (0, _) | (_, 0) => "the rows that differ could not be named".to_owned(),
            (1, count) => format!("{count} rows differ"),
            (_, count) => format!("about {} rows differ", count * sampling),
        };
        let expected = format!("{} rows as recorded (digest {:032x})", expected.rows, expected.digest);
        let actual = format!(
            "{differing}, in columns {}; {} rows in all (digest {:032x})",
            columns.join(", "),
            actual.rows,
            actual.digest
        );
        let finding = Finding::new(FindingCode::ContentDiffers, table, expected, actual);
        findings.insert(0, finding.remedy("restore the table from this backup again, or from an older one"));
    }
    Ok(findings)
}

/// One finding for all rows that one cause has changed.
fn cause_finding(table: &str, cause: &Cause, examples: &[String]) -> Finding {
    let (before, after) = cause.texts();
    let examples = examples.join("; ");
    let among = if examples.is_empty() { String::new() } else { format!(", among them {examples}") };
    Finding::new(FindingCode::ContentDiffers, table, before, format!("{after}{among}")).remedy(
        "find the program that does not know NULL from an empty text, such as a spreadsheet or a CSV import, and restore \
         the table without it",
    )
}

async fn row_finding(
    mut rows: Option<&mut Rows<'_>>,
    table: &str,
    key: Option<String>,
    change: &Change,
    columns: &[&str],
) -> Result<Finding> {
    let held = match (rows.as_mut(), &key, change.after) {
        (Some(rows), Some(key), Some(_)) => rows.values(key, columns).await?,
        _ => None,
    };
    let finding = match (change.before, change.after) {
        (Some(before), Some(after)) => {
            let columns = columns.join(", ");
            let other = held.unwrap_or_else(|| format!("other values in {columns}"));
            Finding::new(
                FindingCode::RowChanged,
                table,
                format!("the recorded values in {columns} (digest {before:032x})"),
                format!("{other} (digest {after:032x})"),
            )
        }
        (Some(before), None) => Finding::new(
            FindingCode::RowMissing,
            table,
            format!("a row with digest {before:032x}"),
            "no such row",
        ),
        (None, after) => {
            let digest = after.unwrap_or_default();
            let copies = match (rows, &key) {
                (Some(rows), Some(key)) => rows.copies(key).await?,
                _ => 1,
            };
            if copies > 1 {
                Finding::new(
                    FindingCode::RowDuplicated,
                    table,
                    "the row once",
                    format!("the row {copies} times"),
                )
            } else {
                let row = held.map_or_else(|| "a row".to_owned(), |held| format!("a row: {held}"));
                Finding::new(
                    FindingCode::RowExtra,
                    table,
                    "no such row",
                    format!("{row} (digest {digest:032x})"),
                )
            }
        }
    };
    let finding = finding.remedy("restore the row from this backup again, and find out what changed it");
    Ok(match key {
        Some(key) => finding.key(key),
        None => finding,
    })
}
