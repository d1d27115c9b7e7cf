//! Sets the moment of a base backup: a named restore point, and a snapshot of every database that sees
//! exactly the transactions before it.
//!
//! A base backup has no snapshot of its own. While the snapshots are exported and the restore point is
//! written, which takes a few milliseconds, every user table is locked against writes (`SHARE`). A
//! transaction that wrote holds its lock until it is visible, so it is either in both the snapshots and the
//! restore point, or in neither. Recovery to the restore point must then give exactly the content that the
//! snapshots see.

use std::future::pending;
use std::time::Duration;

use comeback_engine::{clock, wait};
use comeback_model::{ClusterContent, Lsn};
use futures_util::future::try_join_all;
use sqlx::{PgConnection, Row as _};

use crate::cluster::list_databases;
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::content::catalogue::read_sequences;
use crate::content::exporter::{ATTEMPTS, Exporter, always_altered, is_same};
use crate::content::read::{read_catalogues, read_tables};
use crate::content::tables::{TableInfo, list_tables};
use crate::error::{Context as _, Error, Result};
use crate::surroundings;

/// How long one attempt waits for its locks in all databases together: while one of ours waits, later writers wait
/// behind it. It is shorter than PostgreSQL's default `deadlock_timeout` (1 s), so in a deadlock between our lock and a
/// writer's, ours gives up first.
const LOCK_WAIT_MS: u64 = 200;
/// How long the server lets us hold a lock without a word from us, such as when this process was stopped. Together with
/// the wait it is 500 ms.
const HOLD_MS: u64 = 300;
/// The pause after an attempt that failed, in which writers go on.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to retry on a busy server.
const BARRIER_LIMIT: Duration = Duration::from_mins(2);

/// The moment of a backup.
pub(crate) struct Moment {
    /// One snapshot for each database.
    pub(crate) exporters: Vec<Exporter>,
    /// The position of the restore point.
    pub(crate) lsn: Lsn,
    /// The server's clock at the moment: earlier commits are included, later ones are not.
    pub(crate) at: jiff::Timestamp,
    /// How long writers had to wait, in milliseconds.
    pub(crate) barrier_ms: u64,
    /// The name of the restore point.
    pub(crate) name: String,
    /// The definitions at that moment; the tables' rows are added later.
    pub(crate) content: ClusterContent,
}

/// A moment without writers. The server keeps its content until the moment is read or dropped.
pub struct HeldMoment {
    /// The position of the restore point.
    pub lsn: Lsn,
    /// The server's clock at the moment: earlier commits are included, later ones are not.
    pub at: jiff::Timestamp,
    exporters: Vec<Exporter>,
    /// The content, to which the tables are added later.
    content: ClusterContent,
}

/// Sets the restore point `name` at one moment of all databases, and holds their content of that moment.
pub async fn hold_moment(server: &PostgresAddress, name: &str) -> Result<HeldMoment> {
    let Moment { exporters, lsn, at, content, .. } =
        set_moment(server, &list_databases(server).await?, name).await?;
    Ok(HeldMoment { lsn, at, exporters, content })
}

impl HeldMoment {
    /// Reads the content of the cluster at that moment; later writes do not show.
    pub async fn read(mut self, server: &PostgresAddress) -> Result<ClusterContent> {
        read_tables(server, self.exporters, &mut self.content).await?;
        Ok(self.content)
    }
}

/// Sets the restore point `name` and takes the snapshots that go with it. If a definition changes before all
/// definitions are read, it tries again with a number appended to the name.
pub(crate) async fn set_moment(server: &PostgresAddress, databases: &[String], name: &str) -> Result<Moment> {
    let (mut changing, mut names) = (String::new(), Names { name, number: 0 });
    for _ in 0..ATTEMPTS {
        let mut moment = quiet_moment(server, databases, &mut names).await?;
        moment.content = read_catalogues(server, &mut moment.exporters).await?;
        match moment.changing_database(server).await? {
            None => return Ok(moment),
            Some(database) => changing = database,
        }
    }
    Err(always_altered(&changing))
}

/// Names of restore points. Each attempt has a name of its own: one that failed may have set its restore point, and
/// recovery stops at the first with a name.
struct Names<'a> {
    name: &'a str,
    number: usize,
}

impl Names<'_> {
    fn next(&mut self) -> String {
        self.number += 1;
        if self.number == 1 { self.name.to_owned() } else { format!("{}_{}", self.name, self.number) }
    }
}

impl Moment {
    /// The first database whose definitions changed since the moment.
    async fn changing_database(&mut self, server: &PostgresAddress) -> Result<Option<String>> {
        for exporter in &mut self.exporters {
            let Some(content) = self.content.databases.get(exporter.database()) else { continue };
            if !exporter.is_current(server, &content.catalogue).await? {
                return Ok(Some(exporter.database().to_owned()));
            }
        }
        Ok(None)
    }
}

async fn quiet_moment(
    server: &PostgresAddress,
    databases: &[String],
    names: &mut Names<'_>,
) -> Result<Moment> {
    let watch = clock::Stopwatch::start();
    loop {
        let error = match attempt(server, databases, &names.next()).await {
            Ok(moment) => return Ok(moment),
            Err(error) => error,
        };
        // Retrying does not help.
        if surroundings::remedy(None, error.message()).is_some()
            || error.message().contains("permission denied")
        {
            return Err(error);
        }
        if watch.elapsed() >= BARRIER_LIMIT {
            return Err(Error::could_not_verify(format!(
                "waited {:.1} s for a moment without open writes; last observed: {}",
                BARRIER_LIMIT.as_secs_f64(),
                error.message()
            ))
            .hint("a transaction that writes has not ended: look into pg_stat_activity for the oldest xact_start")
            .hint("one that was prepared and forgotten holds its locks for ever: look into pg_prepared_xacts")
            .hint("a vacuum of a large table takes such a lock as well: wait for its end"));
        }
        wait::rest(PAUSE, pending::<()>()).await;
    }
}

async fn attempt(server: &PostgresAddress, databases: &[String], name: &str) -> Result<Moment> {
    let (mut lockers, mut readers) =
        (Vec::with_capacity(databases.len()), Vec::with_capacity(databases.len()));
    for database in databases {
        let mut connection = server.connect(database).await?;
        let tables = list_tables(&mut connection).await?;
        // Connect first: logging in takes longer than everything that is done under the locks.
        let mut reading = server.connect(database).await?;
        // The first such queries of a session take the server ten times as long as later ones.
        list_tables(&mut reading).await?;
        read_sequences(&mut reading).await?;
        lockers.push((database, connection, tables));
        readers.push(reading);
    }
    let mut connection = server.connect_to_cluster().await?;
    let watch = clock::Stopwatch::start();
    for (database, connection, tables) in &mut lockers {
        let left_ms = LOCK_WAIT_MS.saturating_sub(watch.elapsed_ms()).max(1);
        lock(connection, tables, left_ms)
            .await
            .map_err(|error| error.context(format!("locking database {database}")))?;
    }
    let opened = lockers
        .iter()
        .zip(readers)
        .map(|((database, _, tables), reading)| take_snapshot(database, tables, reading));
    let exporters = try_join_all(opened).await?;
    let row = sqlx::query(
        "select pg_create_restore_point($1)::text, (extract(epoch from clock_timestamp()) * 1000000)::int8",
    )
    .bind(name)
    .fetch_one(&mut connection)
    .await
    .context(format_args!("setting restore point {name}"))?;
    for (database, connection, _) in &mut lockers {
        // The server may have ended the session meanwhile, and with it the lock: then the moment is none.
        let ended = sqlx::raw_sql("commit").execute(connection).await;
        ended.context(format_args!("holding the lock on database {database} until the restore point"))?;
    }
    let barrier_ms = watch.elapsed_ms();
    for (_, connection, _) in lockers {
        close(connection).await;
    }
    let lsn: String = row.try_get(0).context("reading the restore point")?;
    let at_us: i64 = row.try_get(1).context("reading the restore point")?;
    let at = jiff::Timestamp::from_microsecond(at_us).context("reading the server's clock")?;
    let (lsn, name) = (lsn.parse().context("reading the restore point")?, name.to_owned());
    Ok(Moment { exporters, lsn, at, barrier_ms, name, content: ClusterContent::default() })
}

/// Takes the snapshot of a database whose tables are locked.
async fn take_snapshot(database: &str, tables: &[TableInfo], reading: PgConnection) -> Result<Exporter> {
    let mut exporter = Exporter::begin(reading, database).await?;
    let seen = exporter.list_tables().await?;
    ensure_same_tables(database, tables, &seen)?;
    // These locks stay until the tables are read. The barrier's locks keep others from altering a table
    // until we hold these. A session that waits to alter a table is ahead of us in the queue; then we try
    // again.
    if !exporter.lock_tables(&seen, &LOCK_WAIT_MS.to_string()).await? {
        return Err(changed(database));
    }
    // Read before the restore point is set, so that recovery replays at least these positions. No lock
    // stops others from calling `nextval`.
    exporter.hold_sequences().await?;
    Ok(exporter)
}

/// Locks tables against writes. The server itself ends the wait and the hold, whatever becomes of this process.
async fn lock(connection: &mut PgConnection, tables: &[TableInfo], left_ms: u64) -> Result<()> {
    let begin = format!(
        "begin; set local statement_timeout = {left_ms}; set local lock_timeout = {left_ms}; \
         set local idle_in_transaction_session_timeout = {HOLD_MS}"
    );
    // The settings come in a message of their own: until version 13 a timeout began with the message.
    let prepared = sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut *connection).await;
    prepared.context("waiting for open writes")?;
    let lockable = tables.iter().filter(|table| !table.is_view);
    let names = lockable.map(|table| format!("only {}", table.name)).collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        return Ok(());
    }
    let sql = format!("lock table {names} in share mode");
    let locked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    locked.context("waiting for open writes").map(drop)
}

/// Our locks do not cover a table that was created or dropped in between: try again.
fn ensure_same_tables(database: &str, locked: &[TableInfo], seen: &[TableInfo]) -> Result<()> {
    if is_same(locked, seen) {
        return Ok(());
    }
    Err(changed(database))
}

fn changed(database: &str) -> Error {
    Error::could_not_verify(format!("the tables of database {database} changed at that moment"))
}
