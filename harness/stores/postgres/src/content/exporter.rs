//! A snapshot of a database that other sessions can read in. Table definitions stay unchanged until it is
//! read.

use std::collections::BTreeMap;

use comeback_model::{Catalogue, CatalogueForm, DatabaseContent, RecordedPosition, TableFingerprint};
use sqlx::PgConnection;

use super::carried::{Carried, list_carried};
use super::catalogue;
use super::parallel::read_exported;
use super::tables::{TableInfo, list_tables};
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

/// How many times to try for a moment in which no definition changes.
pub(crate) const ATTEMPTS: usize = 3;

/// Whether both lists name the same tables, none of them truncated or rewritten in between.
pub(crate) fn is_same(one: &[TableInfo], other: &[TableInfo]) -> bool {
    let of = |tables: &[TableInfo]| {
        tables.iter().map(|table| (table.name.clone(), table.file)).collect::<std::collections::BTreeSet<_>>()
    };
    of(one) == of(other)
}

/// The error for definitions that changed in every attempt.
pub(crate) fn always_altered(database: &str) -> Error {
    Error::could_not_verify(format!(
        "definitions in database {database} were changed while they were read, {ATTEMPTS} times"
    ))
    .hint("take the backup when no migration runs")
}

/// A connection that holds a snapshot of its database, in which other sessions can read.
pub(crate) struct Exporter {
    connection: PgConnection,
    database: String,
    snapshot: String,
    /// The sequence positions read at the moment, if it has passed: a snapshot does not hold them.
    sequences: Option<BTreeMap<String, RecordedPosition>>,
}

impl Exporter {
    /// Takes a snapshot of a database.
    pub(crate) async fn open(server: &PostgresAddress, database: &str) -> Result<Self> {
        Self::begin(server.connect(database).await?, database).await
    }

    /// Takes the snapshot over an open connection, for callers that must not lose time.
    pub(crate) async fn begin(mut connection: PgConnection, database: &str) -> Result<Self> {
        sqlx::raw_sql("begin isolation level repeatable read read only")
            .execute(&mut connection)
            .await
            .context("beginning to read")?;
        let snapshot = sqlx::query_scalar("select pg_export_snapshot()")
            .fetch_one(&mut connection)
            .await
            .context(format_args!("exporting a snapshot of database {database}"))?;
        Ok(Self { connection, database: database.to_owned(), snapshot, sequences: None })
    }

    /// Reads the sequence positions now. The catalogue that is read later gets these positions.
    pub(crate) async fn hold_sequences(&mut self) -> Result<()> {
        self.sequences = Some(catalogue::read_sequences(&mut self.connection).await?);
        Ok(())
    }

    /// The client encoding for the database's text: UTF-8, or `SQL_ASCII` if the database has no encoding.
    pub(crate) async fn text_encoding(&mut self) -> Result<String> {
        sqlx::query_scalar("select case current_setting('server_encoding') when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end")
            .fetch_one(&mut self.connection)
            .await
            .context("asking for the database's encoding")
    }

    pub(crate) fn database(&self) -> &str {
        &self.database
    }

    /// Takes a snapshot of a database while no table is being altered, and keeps its tables unchanged until
    /// it is read. Waits for tables that are being altered, as `pg_dump` does.
    pub(crate) async fn hold(server: &PostgresAddress, database: &str) -> Result<Self> {
        for _ in 0..ATTEMPTS {
            let mut exporter = Self::open(server, database).await?;
            if exporter.keep_tables(server, "0").await? {
                return Ok(exporter);
            }
        }
        Err(always_altered(database))
    }

    /// Locks the tables against being dropped, truncated or altered, for as long as the snapshot is held.
    /// Returns false if one changed before the lock: then the snapshot shows another table than the server
    /// has.
    pub(crate) async fn keep_tables(&mut self, server: &PostgresAddress, timeout: &str) -> Result<bool> {
        let seen = self.list_tables().await?;
        if !self.lock_tables(&seen, timeout).await? {
            return Ok(false);
        }
        let mut connection = server.connect(&self.database).await?;
        let now = list_tables(&mut connection).await?;
        close(connection).await;
        Ok(is_same(&seen, &now))
    }

    /// Locks the tables of the snapshot against being dropped, truncated or altered. Returns false if one is
    /// gone.
    pub(crate) async fn lock_tables(&mut self, seen: &[TableInfo], timeout: &str) -> Result<bool> {
        let names: Vec<_> =
            seen.iter().filter(|table| !table.is_view).map(|table| format!("only {}", table.name)).collect();
        if names.is_empty() {
            return Ok(true);
        }
        let sql = format!(
            "set local lock_timeout = {timeout}; lock table {} in access share mode",
            names.join(", ")
        );
        match sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut self.connection).await {
            Ok(_) => Ok(true),
            // The table was dropped, with or without its schema.
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("42P01" | "3F000")) =>
            {
                Ok(false)
            }
            Err(error) => Err(error).context(format_args!("locking the tables of {}", self.database)),
        }
    }

    /// Whether the server still has the definitions that were read in the snapshot. Some of the server's
    /// functions describe the present definitions, whatever the snapshot.
    pub(crate) async fn is_current(&mut self, server: &PostgresAddress, read: &Catalogue) -> Result<bool> {
        let mut connection = server.connect(&self.database).await?;
        let then = catalogue::read_revision(&mut self.connection).await?;
        let is_untouched = catalogue::read_revision(&mut connection).await? == then;
        close(connection).await;
        if is_untouched {
            return Ok(true);
        }
        // The revision also changes with temporary tables, which are not definitions: compare the catalogues.
        let now = catalogue::read_database(&mut server.connect(&self.database).await?, read.form).await?;
        // Large objects are data: creating one changes no definition.
        let definitions = |catalogue: &Catalogue| {
            let mut objects = catalogue.objects.clone();
            objects.remove("large object");
            objects
        };
        Ok(definitions(&now) == definitions(read))
    }

    /// The name of the snapshot, for sessions that join it.
    pub(crate) fn snapshot(&self) -> &str {
        &self.snapshot
    }

    /// The server's clock at the snapshot or shortly before it.
    pub(crate) async fn taken_at(&mut self) -> Result<jiff::Timestamp> {
        let at_us: i64 = sqlx::query_scalar("select (extract(epoch from now()) * 1000000)::int8")
            .fetch_one(&mut self.connection)
            .await
            .context("reading the server's clock")?;
        jiff::Timestamp::from_microsecond(at_us).context("reading the server's clock")
    }

    /// The definitions, with the held sequence positions, or else the present ones.
    pub(crate) async fn read_catalogue(&mut self) -> Result<Catalogue> {
        match self.sequences.take() {
            Some(held) => {
                catalogue::read_definitions(&mut self.connection, CatalogueForm::Complete, held).await
            }
            None => catalogue::read_database(&mut self.connection, CatalogueForm::Complete).await,
        }
    }

    /// The fingerprints of the snapshot's tables that this kind of backup stores. The others are listed as
    /// not looked at.
    pub(crate) async fn read_content(
        &mut self,
        server: &PostgresAddress,
        carried: Carried,
        catalogue: Catalogue,
    ) -> Result<DatabaseContent> {
        let (tables, not_looked_at) = list_carried(&mut self.connection, carried).await?;
        let tables = self.read_tables(server, tables).await?;
        Ok(DatabaseContent { catalogue, tables, not_looked_at })
    }

    pub(crate) async fn read_tables(
        &self,
        server: &PostgresAddress,
        tables: Vec<TableInfo>,
    ) -> Result<BTreeMap<String, TableFingerprint>> {
        read_exported(server, &self.database, &self.snapshot, tables).await
    }

    pub(crate) async fn read_table(
        &mut self,
        server: &PostgresAddress,
        table: &str,
    ) -> Result<TableFingerprint> {
        let mut tables = self.list_tables().await?;
        tables.retain(|info| info.name == table);
        let tables = self.read_tables(server, tables).await?;
        tables.into_values().next().ok_or_else(|| Error::could_not_verify(format!("{table} is not there")))
    }

    /// The connection; its transaction holds the snapshot.
    pub(crate) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    pub(crate) async fn list_tables(&mut self) -> Result<Vec<TableInfo>> {
        list_tables(&mut self.connection).await
    }
}
