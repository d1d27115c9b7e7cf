//! Reads the profile of a cluster: its definitions, and figures of its tables.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use comeback_model::{CatalogueForm, ClusterProfile, DatabaseProfile, TableProfile, TableTally};

use super::beside::{Beside, Brings};
use super::catalogue::{self, remove_owners};
use super::tables::{ColumnInfo, TableInfo, list_tables};
use crate::connection::address::PostgresAddress;
use crate::connection::session::{APPLICATION_PATH, PINNED_PATH, close};
use crate::error::{Context as _, Error, Result};

/// The databases that hold something of users.
const DATABASES: &str = "select datname::text, quote_ident(datname) from pg_database where datallowconn and datconnlimit <> -2 and not datistemplate order by 1";

/// The size of each table, and the partitioned table at its top.
const SIZES: &str = "
    select format('%I.%I', n.nspname, c.relname), pg_table_size(c.oid),
        case when c.relispartition then (select format('%I.%I', rn.nspname, r.relname) from pg_class r join pg_namespace rn on rn.oid = r.relnamespace
            where r.oid = pg_partition_root(c.oid)) end
    from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'm')";

/// Reads the profile of every database of the backup that is no template. Nothing may write meanwhile.
pub(crate) async fn read_profile(
    server: &PostgresAddress,
    brings: &Brings,
    jobs: usize,
) -> Result<ClusterProfile> {
    let mut connection = server.connect_to_cluster().await?;
    let names: Vec<(String, String)> =
        sqlx::query_as(DATABASES).fetch_all(&mut connection).await.context("listing the databases")?;
    let beside = Beside::read(&mut connection).await?;
    close(connection).await;
    let mut profile = ClusterProfile {
        major: server.major().await?,
        roles: beside.roles(brings),
        ..ClusterProfile::default()
    };
    for (name, quoted) in names.into_iter().filter(|(name, _)| brings.database(name)) {
        let mut database = read_database_profile(server, &name, jobs).await?;
        if !brings.owners {
            remove_owners(&mut database.catalogue);
        }
        database.properties = brings.properties.then(|| beside.properties(&quoted));
        profile.databases.insert(name, database);
    }
    Ok(profile)
}

async fn read_database_profile(
    server: &PostgresAddress,
    database: &str,
    jobs: usize,
) -> Result<DatabaseProfile> {
    let mut connection = server.connect(database).await?;
    let mut catalogue = catalogue::read_database(&mut connection, CatalogueForm::Complete).await?;
    // Large objects are data: they come and go.
    catalogue.objects.remove("large object");
    for kind in ["owner", "grant", "comment"] {
        if let Some(objects) = catalogue.objects.get_mut(kind) {
            objects.retain(|identity, _| !identity.starts_with("large object "));
        }
    }
    let mut tables = list_tables(&mut connection).await?;
    // A crash empties unlogged tables, and extensions fill their own.
    tables.retain(|table| {
        !table.is_unlogged && table.extension.is_none() && !table.name.starts_with("pg_catalog.")
    });
    tables.sort_by_key(|table| std::cmp::Reverse(table.pages));
    let sizes: Vec<(String, i64, Option<String>)> =
        sqlx::query_as(SIZES).fetch_all(&mut connection).await.context("reading the sizes of tables")?;
    close(connection).await;
    let sizes = sizes.into_iter().map(|(name, bytes, root)| (name, (bytes, root))).collect();
    let work = Arc::new(Work { waiting: Mutex::new(tables.into()), sizes, done: Mutex::default() });
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..jobs.max(1) {
        running.spawn(read_tables(server.clone(), database.to_owned(), work.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended.context("reading the tables")??;
    }
    let tables = std::mem::take(&mut *work.done.lock().unwrap_or_else(PoisonError::into_inner));
    Ok(DatabaseProfile { catalogue, tables, properties: None, frozen: BTreeMap::new() })
}

/// Reads the figures of one table, named as in SQL. Nothing may write meanwhile.
pub(crate) async fn read_table_profile(
    server: &PostgresAddress,
    database: &str,
    table: &str,
) -> Result<TableProfile> {
    let mut connection = server.connect(database).await?;
    let tables = list_tables(&mut connection).await?.into_iter().filter(|one| one.name == table);
    let work = Work { waiting: Mutex::new(tables.collect()), ..Work::default() };
    close(connection).await;
    let work = Arc::new(work);
    read_tables(server.clone(), database.to_owned(), work.clone()).await?;
    let read = work.done.lock().unwrap_or_else(PoisonError::into_inner).remove(table);
    read.ok_or_else(|| Error::could_not_verify(format!("there is no table {table} in database {database}")))
}

/// What the workers of one database share.
#[derive(Default)]
struct Work {
    waiting: Mutex<VecDeque<TableInfo>>,
    sizes: BTreeMap<String, (i64, Option<String>)>,
    done: Mutex<BTreeMap<String, TableProfile>>,
}

async fn read_tables(server: PostgresAddress, database: String, work: Arc<Work>) -> Result<()> {
    let next = || work.waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let mut waiting = next();
    if waiting.is_none() {
        return Ok(());
    }
    let mut session = server.connect_to_copy(&database).await?;
    while let Some(table) = waiting {
        // The planner evaluates expressions of indexes, which call the application's functions.
        session.execute(if table.calls_code { APPLICATION_PATH } else { PINNED_PATH }).await?;
        let columns = table.columns.iter().map(ColumnInfo::expression).collect::<Vec<_>>().join(", ");
        let statement = format!("copy (select {columns} from only {}) to stdout (format binary)", table.name);
        let mut tally = TableTally::new(table.columns.iter().map(|column| column.name.clone()).collect());
        let read = session.rows(&statement, |row| tally.add_row(row)).await;
        read.map_err(|error| error.context(format!("reading {}", table.name)))?;
        let (bytes, root) = work.sizes.get(&table.name).cloned().unwrap_or_default();
        let profile = tally.profile(u64::try_from(bytes).unwrap_or(0), root);
        work.done.lock().unwrap_or_else(PoisonError::into_inner).insert(table.name, profile);
        waiting = next();
    }
    session.close().await
}
