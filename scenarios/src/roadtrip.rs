//! The road-trip application in a drill: its data, its writes, its verification queries.

use std::time::Duration;

use comeback_engine::runner::{Course, Drill};
use comeback_error::{Error, Result};
use comeback_fixtures::{Dataset, Scale};
use comeback_model::{IntegrityQuery, Verdict};
use comeback_postgres::damages::Database;
use comeback_postgres::judges::IntegrityQueries;
use comeback_postgres::{PostgresServer, TableLoad, Workload, count, load_tables, run_script};

/// The application's database.
pub(crate) const DATABASE: &str = "roadtrip";

/// Time limit of one verification query.
const QUERY_TIMEOUT: Duration = Duration::from_mins(1);

/// Pause between two transactions of a connection: an application does other work too, and its writes must not take the
/// machine while backup and restore are timed.
const PAUSE: Duration = Duration::from_millis(10);

/// The database on a server, to be damaged.
pub(crate) fn on(server: &PostgresServer) -> Database<'_> {
    Database { server, name: DATABASE }
}

/// Creates the database and fills it with the data of the drill's seed and scale. Then asks each verification query
/// once.
pub(crate) async fn fill(drill: &Drill, server: &PostgresServer) -> Result<()> {
    let scale: Scale = drill.scale().parse().map_err(|error| Error::usage(format!("{error}")))?;
    load(drill, server, scale).await?;
    let bytes = count(server.address(), DATABASE, "select pg_database_size(current_database())").await?;
    drill.sample_data_loaded(bytes.unsigned_abs());
    rehearse_queries(drill, server).await
}

/// Creates the database and fills it with as little as there is of every kind: for a drill that restores something else.
pub(crate) async fn fill_smallest(drill: &Drill, server: &PostgresServer) -> Result<()> {
    load(drill, server, Scale::Bytes(1)).await
}

async fn load(drill: &Drill, server: &PostgresServer, scale: Scale) -> Result<()> {
    let dataset = Dataset::new(drill.seed(), scale);
    run_script(server.address(), "postgres", "the creation of the database", "create database roadtrip")
        .await?;
    for script in dataset.setup_sql() {
        run_script(server.address(), DATABASE, script.name, &script.sql).await?;
    }
    let tables = dataset.tables().into_iter().map(|table| TableLoad {
        name: table.name.to_owned(),
        statement: table.copy_statement(),
        pieces: Box::new(table.chunks()),
    });
    let rows = load_tables(server.address(), DATABASE, tables.collect()).await?;
    for script in dataset.finish_sql() {
        run_script(server.address(), DATABASE, script.name, &script.sql).await?;
    }
    drill.note(format!("loaded {rows} rows"));
    Ok(())
}

/// Starts the writes that go on during the drill.
pub(crate) async fn start_workload(drill: &Drill, server: &PostgresServer) -> Result<Workload> {
    Workload::start(server.address(), DATABASE, drill.seed(), drill.clock(), PAUSE).await
}

/// Asks the verification queries of a healthy server, so that a query that cannot run is seen before the disaster.
async fn rehearse_queries(drill: &Drill, server: &PostgresServer) -> Result<()> {
    let (server, queries) = (server.address(), &integrity_queries(drill)?);
    IntegrityQueries { server, database: DATABASE, queries, timeout: QUERY_TIMEOUT, record: None }
        .rehearse()
        .await
}

/// Asks the verification queries of a restored server, and judges the answers.
pub(crate) async fn judge_queries(drill: &mut Drill, server: &PostgresServer) -> Result<()> {
    judge_answers(drill, server, &integrity_queries(drill)?).await;
    Ok(())
}

/// The same for queries that are known already, in any part of a drill.
pub(crate) async fn judge_answers(
    course: &Course,
    server: &PostgresServer,
    queries: &[IntegrityQuery],
) -> Verdict {
    let server = server.address();
    course
        .judge(&IntegrityQueries {
            server,
            database: DATABASE,
            queries,
            timeout: QUERY_TIMEOUT,
            record: None,
        })
        .await
}

/// The application's verification queries, and those that the user added.
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
