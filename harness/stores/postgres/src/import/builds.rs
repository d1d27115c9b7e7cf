//! Builds indexes and constraints, several at a time.
//!
//! Two jobs that would wait for each other's locks never run together. The server would make one wait or,
//! where foreign keys point both ways, end one as a deadlock.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};
use tokio::task::JoinSet;

use super::meaning::{Build, BuildClass};
use super::part::Statement;
use super::session::{Sessions, run};
use super::words::TableName;
use crate::RestoreFailure;
use crate::error::{Context as _, Result};

/// An index or a constraint, and later statements of the script about it.
pub(super) struct Job {
    pub(super) build: Build,
    pub(super) statements: Vec<Statement>,
}

/// The tables with what decides the order of work: which jobs wait for each other, and which go first.
const TABLES: &str = "
    with recursive up(oid, ancestor, depth) as (
        select c.oid, c.oid, 0 from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'm')
      union all
        select u.oid, i.inhparent, u.depth + 1 from up u join pg_catalog.pg_inherits i on i.inhrelid = u.ancestor
    )
    select distinct on (c.oid) n.nspname::text, c.relname::text, c.oid::int8, u.ancestor::int8, pg_catalog.pg_relation_size(c.oid)
    from up u join pg_catalog.pg_class c on c.oid = u.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    order by c.oid, u.depth desc, u.ancestor";

/// What the order of work needs to know about a table.
struct Table {
    oid: i64,
    /// The root of the partitions or children that it belongs to; otherwise itself.
    family: i64,
    bytes: i64,
}

/// A job that waits for its turn.
struct Waiting {
    job: Job,
    /// What it locks: tables for an index, whole families for a foreign key, which also locks partitions.
    locks: Vec<i64>,
    bytes: i64,
}

/// Runs jobs of one class, at most `limit` at a time, the largest tables first.
pub(super) async fn build_all(
    main: &mut PgConnection,
    sessions: &mut Sessions,
    script: &str,
    jobs: Vec<Job>,
    limit: usize,
) -> Result<(), RestoreFailure> {
    let tables = read_tables(main).await?;
    let mut waiting: Vec<_> = jobs.into_iter().map(|job| prepare(job, &tables)).collect();
    waiting.sort_by_key(|one| std::cmp::Reverse(one.bytes));
    let mut held: Vec<(usize, Vec<i64>, bool)> = Vec::new();
    let mut running = JoinSet::new();
    let mut number = 0;
    loop {
        let free = if running.len() < limit { next(&waiting, &held) } else { None };
        if let Some(place) = free {
            let Waiting { job, locks, .. } = waiting.remove(place);
            held.push((number, locks, job.build.shares));
            running.spawn(carry_out(sessions.take().await?, script.to_owned(), job, number));
            number += 1;
            continue;
        }
        let Some(ended) = running.join_next().await else { return Ok(()) };
        let (connection, done) = ended.context("building an index")??;
        sessions.give_back(connection);
        held.retain(|(one, ..)| *one != done);
    }
}

/// The first job that no running job blocks.
fn next(waiting: &[Waiting], held: &[(usize, Vec<i64>, bool)]) -> Option<usize> {
    waiting.iter().position(|one| {
        !held.iter().any(|(_, locks, shares)| {
            let both_share = *shares && one.job.build.shares;
            !both_share && one.locks.iter().any(|lock| locks.contains(lock))
        })
    })
}

async fn carry_out(
    mut connection: PgConnection,
    script: String,
    job: Job,
    number: usize,
) -> Result<(PgConnection, usize), RestoreFailure> {
    for statement in &job.statements {
        run(&mut connection, &script, statement).await?;
    }
    Ok((connection, number))
}

fn prepare(job: Job, tables: &HashMap<TableName, Table>) -> Waiting {
    let known: Vec<_> = job.build.tables.iter().filter_map(|name| tables.get(name)).collect();
    let lock = |table: &&Table| match job.build.class {
        BuildClass::Index => table.oid,
        BuildClass::ForeignKey => table.family,
    };
    let (locks, bytes) = (known.iter().map(lock).collect(), known.iter().map(|table| table.bytes).sum());
    Waiting { job, locks, bytes }
}

async fn read_tables(connection: &mut PgConnection) -> Result<HashMap<TableName, Table>> {
    let rows = sqlx::raw_sql(TABLES).fetch_all(connection).await.context("listing the tables")?;
    let read = |row: &sqlx::postgres::PgRow| -> sqlx::Result<(TableName, Table)> {
        let name = (row.try_get(0)?, row.try_get(1)?);
        Ok((name, Table { oid: row.try_get(2)?, family: row.try_get(3)?, bytes: row.try_get(4)? }))
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().context("listing the tables")
}
