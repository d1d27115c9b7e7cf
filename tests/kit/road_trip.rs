//! Fills a PostgreSQL server with the road-trip application's database.

use comeback_fixtures::{Dataset, Scale};
use comeback_postgres::{PostgresServer, TableLoad, load_tables, run_script};

/// The road-trip application's database, with its workload's table in use.
pub(crate) async fn fill(server: &PostgresServer) {
    fill_at(server, Scale::Ci).await;
}

/// The same with another amount of data.
pub(crate) async fn fill_at(server: &PostgresServer, scale: Scale) {
    let dataset = Dataset::new(7, scale);
    run_script(server.address(), "postgres", "the database", "create database roadtrip").await.unwrap();
    for script in dataset.setup_sql() {
        run_script(server.address(), "roadtrip", script.name, &script.sql).await.unwrap();
    }
    let tables = dataset.tables().into_iter().map(|table| TableLoad {
        name: table.name.to_owned(),
        statement: table.copy_statement(),
        pieces: Box::new(table.chunks()),
    });
    load_tables(server.address(), "roadtrip", tables.collect()).await.unwrap();
    for script in dataset.finish_sql() {
        run_script(server.address(), "roadtrip", script.name, &script.sql).await.unwrap();
    }
}
