//! Exports of one table as comma-separated values.
//!
//! *Restored* means that a server has loaded every record into a table of text columns. *Sound*: the file is UTF-8,
//! and every record has as many fields as its header. Types, keys and rules are not in such a file, and whether a
//! row is missing cannot be known.

use std::sync::Arc;

use async_compression::tokio::bufread::GzipDecoder;
use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, Lack, OwnBackup, Place, Restored, VerifyOptions, peel,
};
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::repository::{Fetch, find_file};
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Need, Room};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, NotLookedAt, Phase, ScopeKind, Statement};
use tokio::io::BufReader;

use crate::csv::{FILE, LoadedText, TABLE, is_csv, load_text};
use crate::error::{Error, Result};
use crate::judges::{CsvReference, ServerLogJudge};
use crate::{PostgresNodes as _, PostgresServer};

/// The database that the records are loaded into.
const DATABASE: &str = "restored";
/// What a packed file may become, in the estimate of the disk.
const UNPACKED: u64 = 8;
/// The ends of the names of such files. Text with commas is everywhere: content alone does not tell.
const ENDINGS: [&str; 4] = ["", ".gz", ".zst", ".lz4"];

/// Recognises CSV files with a header.
pub(super) struct CsvKind;

#[async_trait]
impl ArtefactKind for CsvKind {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn looks_for(&self) -> &'static str {
        "a CSV file with a header, named *.csv or with --as csv"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let name = found.place.name();
        let name = name.strip_suffix(".age").unwrap_or(&name);
        let is_named =
            options.kind.is_some() || ENDINGS.iter().any(|end| name.ends_with(&format!(".csv{end}")));
        let Some(single) = found.single().filter(|_| is_named && is_csv(&found.head)) else {
            return Ok(None);
        };
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind: found.describe("CSV export"),
            bytes: Some(single.bytes),
            ..ArtefactSummary::default()
        };
        let (place, options, is_packed) = (found.place.clone(), options.clone(), !found.layers.is_empty());
        Ok(Some(Arc::new(Csv { place, summary, options, is_packed })))
    }
}

struct Csv {
    place: Arc<dyn Place>,
    summary: ArtefactSummary,
    options: Arc<VerifyOptions>,
    is_packed: bool,
}

#[async_trait]
impl Artefact for Csv {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let bytes = self.summary.bytes.unwrap_or_default();
        // A row in a table takes about twice its text.
        let node_bytes = bytes.saturating_mul(if self.is_packed { UNPACKED } else { 2 });
        Room::of(course.substrate()?.kind()).await?.check(Need { node_bytes, ..Need::default() })?;
        Ok(Vec::new())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        let server = new_server(course).await?;
        course.step(Phase::Recover, "load every record into a table of text columns");
        let name = self.place.name();
        let decryptor = self.options.decryptor.as_deref();
        let mut peeled = peel(&name, self.place.open("").await?, decryptor).await?;
        let loaded = load_text(&server, DATABASE, &name, &mut peeled.content).await?;
        Ok(Box::new(RestoredTable { server, loaded, options: self.options.clone() }))
    }
}

async fn new_server(course: &mut Course) -> Result<PostgresServer> {
    course.step(Phase::Recover, "create a new server");
    let server = course.postgres_node("restored").await?;
    server.init().await?;
    server.start(&[]).await?;
    let mut connection = server.connect("postgres").await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "create database {DATABASE} encoding 'UTF8' template template0"
    )))
    .execute(&mut connection)
    .await
    .map_err(|error| Error::could_not_verify(format!("creating a database: {error}")))?;
    crate::connection::session::close(connection).await;
    Ok(server)
}

/// Restores an export of Comeback's own: its bytes are those of the manifest, and so is the number of its rows.
pub(super) async fn restore_own_table(
    course: &mut Course,
    own: &OwnBackup,
    options: &Arc<VerifyOptions>,
) -> Result<Box<dyn Restored>, RestoreFailure> {
    let OwnBackup { manifest, repository, .. } = own;
    let (_, recorded) = manifest.content.table()?;
    let server = new_server(course).await?;
    course
        .step(Phase::Recover, "fetch the export, check every byte, and load it into a table of text columns");
    let subject = format!("{}/{FILE}", manifest.id);
    let fetch = Fetch::open(&**repository, &manifest.id, find_file(manifest, FILE)?).await?;
    let mut rows = GzipDecoder::new(BufReader::new(fetch));
    rows.multiple_members(true);
    let loaded = load_text(&server, DATABASE, &subject, &mut rows).await;
    // Report the checksum first: a damaged file fails with misleading errors.
    rows.into_inner().into_inner().finish().await?;
    let loaded = loaded?;
    if loaded.rows != recorded.rows {
        let (expected, actual) = (format!("{} rows", recorded.rows), format!("{} rows", loaded.rows));
        return Err(Finding::new(FindingCode::RowCount, subject, expected, actual)
            .remedy("verify an older export, and find out what wrote this one")
            .into());
    }
    course.judge_for(Statement::Restored, &own.provenance()).await;
    Ok(Box::new(RestoredTable { server, loaded, options: options.clone() }))
}

/// A loaded file.
struct RestoredTable {
    server: PostgresServer,
    loaded: LoadedText,
    options: Arc<VerifyOptions>,
}

impl Restored for RestoredTable {
    fn summary(&self) -> String {
        let LoadedText { columns, rows } = &self.loaded;
        format!("{rows} records of {} fields were loaded as text", columns.len())
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let Self { server, loaded, options } = self;
        let mut judges: Vec<(Statement, Box<dyn Judge + '_>)> = vec![
            (Statement::Sound, Box::new(CsvShape { loaded })),
            (Statement::Sound, Box::new(ServerLogJudge { server })),
        ];
        if options.wants_profile() {
            let (server, columns, table) = (server.address(), &loaded.columns, (DATABASE, TABLE));
            let (reference, record) = (options.reference.as_deref(), options.record.as_ref());
            let judge = CsvReference { server, table, columns, reference, record };
            judges.push((options.shown_by_profile(), Box::new(judge)));
        }
        judges
    }
}

/// Says what the load of a CSV file has checked. A file that is not as it should be was refused before.
struct CsvShape<'a> {
    loaded: &'a LoadedText,
}

#[async_trait]
impl Judge for CsvShape<'_> {
    fn name(&self) -> &'static str {
        "csv-shape"
    }

    async fn judge(&self) -> Result<Opinion> {
        let LoadedText { columns, rows } = self.loaded;
        let summary =
            format!("each of {rows} records has the {} fields of the header, in UTF-8", columns.len());
        let why = "types, keys and rules are not in the file, and rows that are missing leave no trace";
        let table = NotLookedAt::new(ScopeKind::TableDefinition, columns.join(", "), why);
        Ok(Opinion::new(summary, []).not_looked_at([table]))
    }
}
