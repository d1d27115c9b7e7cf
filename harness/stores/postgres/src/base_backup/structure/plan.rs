//! What there is to check, in jobs of about one size.

use sqlx::{PgConnection, Row as _};

use crate::cluster::list_databases;
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

/// The first major version whose `amcheck` looks at rows.
const LOOKS_AT_ROWS_SINCE: u32 = 14;
/// Pages of a table that one statement looks at: 128 MiB, so that several sessions share a large table.
const PAGES_PER_JOB: i64 = 16384;
/// Relations of one statement: each stays locked until its end, and a server has a limited number of locks.
const RELATIONS_PER_JOB: usize = 100;

/// What one statement looks at.
pub(super) struct Job {
    pub(super) database: String,
    pub(super) target: Target,
}

pub(super) enum Target {
    Indexes(Vec<Relation>),
    Tables(Vec<Relation>),
    /// A part of a table, by its first and its last page; no last page means its end.
    Pages(Relation, i64, Option<i64>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) oid: i64,
    /// Qualified and quoted.
    pub(super) name: String,
    /// Its pages; for an index with those of its table.
    pages: i64,
}

/// Everything that is to be checked.
pub(super) struct Plan {
    pub(super) jobs: Vec<Job>,
    pub(super) indexes: usize,
    pub(super) tables: usize,
}

const INDEXES: &str = "
    select c.oid::int8, format('%I.%I', n.nspname, c.relname),
        (coalesce(pg_relation_size(c.oid), 0) + coalesce(pg_relation_size(i.indrelid), 0)) / current_setting('block_size')::int8
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_am m on m.oid = c.relam
    where m.amname = 'btree' and c.relkind = 'i' and c.relpersistence = 'p' and i.indisvalid and i.indisready
    order by 3 desc, 2";

const TABLES: &str = "
    select c.oid::int8, format('%I.%I', n.nspname, c.relname),
        coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::int8
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_am m on m.oid = c.relam
    where c.relkind in ('r', 'm', 't') and m.amname = 'heap' and c.relpersistence = 'p'
    order by 3 desc, 2";

/// Lists what there is to check, the largest database first.
pub(super) async fn plan(server: &PostgresAddress) -> Result<Plan> {
    let looks_at_rows = server.major().await? >= LOOKS_AT_ROWS_SINCE;
    let (mut databases, mut indexes, mut tables) = (Vec::new(), 0, 0);
    for database in list_databases(server).await? {
        let mut connection = server.connect(&database).await?;
        ensure_available(&mut connection).await?;
        let of_indexes = list(&mut connection, INDEXES).await?;
        let of_tables = if looks_at_rows { list(&mut connection, TABLES).await? } else { Vec::new() };
        close(connection).await;
        indexes += of_indexes.len();
        tables += of_tables.len();
        let pages: i64 = of_indexes.iter().chain(&of_tables).map(|relation| relation.pages).sum();
        databases.push((pages, database, jobs(of_indexes, of_tables)));
    }
    databases.sort_by_key(|(pages, ..)| std::cmp::Reverse(*pages));
    let of_database = |(_, name, jobs): (i64, String, Vec<_>)| {
        jobs.into_iter().map(move |target| Job { database: name.clone(), target })
    };
    Ok(Plan { jobs: databases.into_iter().flat_map(of_database).collect(), indexes, tables })
}

async fn ensure_available(connection: &mut PgConnection) -> Result<()> {
    let available: bool =
        sqlx::query_scalar("select exists (select from pg_available_extensions where name = 'amcheck')")
            .fetch_one(connection)
            .await
            .context("asking for amcheck")?;
    if available {
        return Ok(());
    }
    Err(Error::could_not_verify("the server does not have the extension amcheck")
        .hint("install PostgreSQL's contrib package (apt-get install postgresql-contrib)"))
}

async fn list(connection: &mut PgConnection, sql: &'static str) -> Result<Vec<Relation>> {
    let doing = "listing what there is to check";
    let rows = sqlx::query(sql).fetch_all(connection).await.context(doing)?;
    let read = |row: &sqlx::postgres::PgRow| -> sqlx::Result<Relation> {
        Ok(Relation { oid: row.try_get(0)?, name: row.try_get(1)?, pages: row.try_get(2)? })
    };
    rows.iter().map(read).collect::<sqlx::Result<_>>().context(doing)
}

/// The jobs of one database, from relations with the largest first: what is large before what is small, so that the
/// last session to finish has little left.
fn jobs(indexes: Vec<Relation>, tables: Vec<Relation>) -> Vec<Target> {
    let (large_indexes, small_indexes) = parted(indexes);
    let (large_tables, small_tables) = parted(tables);
    let large_indexes = large_indexes.into_iter().map(|index| Target::Indexes(vec![index]));
    let large_tables = large_tables.into_iter().flat_map(pages_of);
    let small_indexes = batches(small_indexes).into_iter().map(Target::Indexes);
    let small_tables = batches(small_tables).into_iter().map(Target::Tables);
    large_indexes.chain(large_tables).chain(small_indexes).chain(small_tables).collect()
}

/// Relations that take a job or more each, and the others.
fn parted(relations: Vec<Relation>) -> (Vec<Relation>, Vec<Relation>) {
    relations.into_iter().partition(|relation| relation.pages > PAGES_PER_JOB)
}

fn pages_of(table: Relation) -> impl Iterator<Item = Target> {
    let firsts = (0..table.pages).step_by(usize::try_from(PAGES_PER_JOB).unwrap_or(usize::MAX));
    firsts.map(move |first| {
        let next = first + PAGES_PER_JOB;
        Target::Pages(table.clone(), first, (next < table.pages).then_some(next - 1))
    })
}

fn batches(relations: Vec<Relation>) -> Vec<Vec<Relation>> {
    let (mut batches, mut pages) = (Vec::<Vec<Relation>>::new(), 0);
    for relation in relations {
        pages += relation.pages;
        match batches.last_mut() {
            Some(batch) if pages <= PAGES_PER_JOB && batch.len() < RELATIONS_PER_JOB => batch.push(relation),
            _ => {
                pages = relation.pages;
                batches.push(vec![relation]);
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(oid: i64, pages: i64) -> Relation {
        Relation { oid, name: format!("public.r{oid}"), pages }
    }

    fn told(target: &Target) -> String {
        let oids = |relations: &[Relation]| {
            relations.iter().map(|one| one.oid.to_string()).collect::<Vec<_>>().join("+")
        };
        match target {
            Target::Indexes(indexes) => format!("indexes {}", oids(indexes)),
            Target::Tables(tables) => format!("tables {}", oids(tables)),
            Target::Pages(table, first, last) => format!("table {} from {first} to {last:?}", table.oid),
        }
    }

    #[test]
    fn what_is_large_is_shared_and_what_is_small_goes_together() {
        let tables = vec![
            relation(1, 2 * PAGES_PER_JOB + 1),
            relation(2, 10_000),
            relation(3, 10_000),
            relation(4, 0),
        ];
        let indexes = vec![relation(11, PAGES_PER_JOB + 1), relation(12, 1), relation(13, 1)];
        let told: Vec<_> = jobs(indexes, tables).iter().map(told).collect();
        assert_eq!(
            told,
            [
                "indexes 11",
                "table 1 from 0 to Some(16383)",
                "table 1 from 16384 to Some(32767)",
                "table 1 from 32768 to None",
                "indexes 12+13",
                "tables 2",
                "tables 3+4",
            ]
        );
        let many = batches((0..250).map(|oid| relation(oid, 0)).collect());
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    }
}
