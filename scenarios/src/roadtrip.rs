//! The road-trip application on the harness: its data, its writes, its verification queries.

use std::time::Duration;

use comeback_fixtures::{Dataset, Scale};
use comeback_harness::oracle::IntegrityQuery;
use comeback_harness::runner::Drill;
use comeback_harness::stores::postgres::{
    PostgresServer, TableLoad, Workload, count, load_tables, run_script,
};
use comeback_harness::{Error, Result};

/// The application's database.
pub(crate) const DATABASE: &str = "roadtrip";

/// Between two transactions of a connection: an application has other things to do, and backup and restore are not to
/// be timed on a machine that is full of its writes.
const PAUSE: Duration = Duration::from_millis(10);

/// Creates the database and fills it, by the seed and the scale of the drill.
pub(crate) async fn fill(drill: &Drill, server: &PostgresServer) -> Result<()> {
    let scale: Scale = drill.scale().parse().map_err(|error| Error::usage(format!("{error}")))?;
    let dataset = Dataset::new(drill.seed(), scale);
    run_script(server, "postgres", "the creation of the database", "create database roadtrip").await?;
    for script in dataset.setup_sql() {
        run_script(server, DATABASE, script.name, &script.sql).await?;
    }
    let tables = dataset.tables().into_iter().map(|table| TableLoad {
        name: table.name.to_owned(),
        statement: table.copy_statement(),
        pieces: Box::new(table.chunks()),
    });
    let rows = load_tables(server, DATABASE, tables.collect()).await?;
    for script in dataset.finish_sql() {
        run_script(server, DATABASE, script.name, &script.sql).await?;
    }
    drill.note(format!("loaded {rows} rows"));
    let bytes = count(server, DATABASE, "select pg_database_size(current_database())").await?;
    drill.sample_data_loaded(bytes.unsigned_abs());
    Ok(())
}

/// Starts the writes that go on during the drill.
pub(crate) async fn start_workload(drill: &Drill, server: &PostgresServer) -> Result<Workload> {
    Workload::start(server, DATABASE, drill.seed(), drill.clock(), PAUSE).await
}

/// The application's own verification queries, and those that the user added.
pub(crate) fn integrity_queries(drill: &Drill) -> Result<Vec<IntegrityQuery>> {
    let own = comeback_fixtures::integrity_queries().into_iter().map(|query| {
        Ok(IntegrityQuery {
            name: query.name.to_owned(),
            sql: query.sql.to_owned(),
            expect: query.expect.parse().map_err(Error::could_not_verify)?,
            expect_text: query.expect.to_owned(),
        })
    });
    own.chain(drill.user_queries().iter().cloned().map(Ok)).collect()
}
