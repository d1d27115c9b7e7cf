//! Judge that compares a restored database with the live one that the backup was taken of.

use std::collections::BTreeSet;

use async_trait::async_trait;
use comeback_engine::artefact::LiveSource;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{CatalogueForm, Finding, FindingCode, NotLookedAt, ScopeKind, Tolerance};

use super::carried::leave_out_owners;
use super::comparison::compare;
use super::frozen::{Frozen, comparable_tables, values_of_others};
use super::only::the_counterpart;
use super::reference::comparable;
use crate::content::catalogue::remove_owners;
use crate::content::exporter::Exporter;
use crate::error::{Context as _, Error, Result};
use crate::{Brings, PostgresAddress, read_catalogue};

/// Compares definitions exactly, the numbers of rows within a tolerance, and frozen tables row by row.
///
/// The source has gone on since the backup: positions of its sequences are not compared. It is read in one
/// snapshot, by a transaction that cannot write.
pub struct SourceJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The restored database; `None` for the only one that holds tables, or for the one with the name of the source.
    pub database: Option<&'a str>,
    /// The live database.
    pub source: &'a LiveSource,
    /// The tables in which nothing changes any more.
    pub frozen: &'a BTreeSet<String>,
    /// What the backup brings beside the content of databases.
    pub brings: &'a Brings,
}

#[async_trait]
impl Judge for SourceJudge<'_> {
    fn name(&self) -> &'static str {
        "source"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (LiveSource { url, password }, frozen) = (self.source, self.frozen);
        let address = PostgresAddress::parse(url)?.with_password(password.clone());
        let database = the_counterpart(self.server, self.database, address.database()).await?;
        let mut source = Exporter::open(&address, address.database()).await?;
        let mut expected = source.read_catalogue().await?;
        let mut actual = read_catalogue(self.server, &database, CatalogueForm::Complete).await?;
        for catalogue in [&mut expected, &mut actual] {
            // Large objects are data. Sequences have gone on.
            catalogue.objects.remove("large object");
            catalogue.sequences.clear();
        }
        if !self.brings.owners {
            remove_owners(&mut actual);
        }
        let owners = leave_out_owners(&mut expected, &mut actual);
        let majors = (address.major().await?, self.server.major().await?);
        comparable(self.server, &database, &mut expected, &mut actual, majors).await?;
        let mut findings = compare(&expected, &actual);
        let mut restored = Exporter::open(self.server, &database).await?;
        let (ours, theirs) = (comparable_tables(&mut restored).await?, comparable_tables(&mut source).await?);
        for theirs in &theirs {
            // A table that is missing is a missing object.
            let Some(ours) = ours.iter().find(|ours| ours.name == theirs.name) else { continue };
            if !frozen.contains(&ours.name) {
                let (expected, found) =
                    (count(&mut source, &theirs.name).await?, count(&mut restored, &ours.name).await?);
                findings.extend(rows(&ours.name, expected, found));
            }
        }
        let ours = Frozen { server: self.server, snapshot: &restored, tables: &ours };
        let recorded = Frozen { server: &address, snapshot: &source, tables: &theirs }.read(frozen).await?;
        for name in frozen {
            let expected = recorded.get(name).ok_or_else(|| not_there(name))?;
            findings.extend(ours.compare(name, expected, "the source").await?);
        }
        let live = address.database();
        let renamed =
            if live == database { String::new() } else { format!("; database {database} with {live}") };
        let summary = format!(
            "compared {} definitions and {} tables with the live database, {} of them row by row{renamed}",
            expected.len(),
            theirs.len(),
            frozen.len()
        );
        let why = "the source has gone on since the backup";
        let sequences = NotLookedAt::new(ScopeKind::ObjectKind, "positions of sequences", why);
        Ok(Opinion::new(summary, findings)
            .not_looked_at([sequences, values_of_others()])
            .not_looked_at(owners))
    }
}

fn not_there(table: &str) -> Error {
    Error::could_not_verify(format!("the source has no table {table} that could be frozen"))
        .hint("name tables with their schema, as in public.invoices")
}

async fn count(exporter: &mut Exporter, table: &str) -> Result<u64> {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from only {table}"));
    let rows: i64 = sqlx::query_scalar(sql)
        .fetch_one(exporter.connection())
        .await
        .context(format_args!("counting the rows of {table}"))?;
    u64::try_from(rows).context("counting rows")
}

fn rows(table: &str, expected: u64, found: u64) -> Option<Finding> {
    let (live, restored) = (expected as f64, found as f64);
    let slack = (live * Tolerance::default().shrink).max(2.0 * live.sqrt());
    ((live - restored).abs() > slack).then(|| {
        Finding::new(
            FindingCode::RowCount,
            table,
            format!("about the {expected} rows of the source"),
            format!("{found} rows"),
        )
        .remedy("find out how old the backup is, and whether its job leaves rows out")
    })
}
