//! A plain SQL export, loaded by us and by `psql`.

use comeback_error::{Error, Result};
use comeback_postgres::{RestoreFailure, fingerprint_tables, import_sql, parallelism, run_script};

use super::bench::{DATABASE, Table, World, rounds, say};

pub(crate) async fn compare() -> Result<()> {
    let world = World::new().await?;
    world.server.start(&[]).await?;
    world.fill().await?;
    let (server, mut table) = (&world.server, Table::default());
    let script = format!("{}/dump.sql", server.node().dir());
    world.shell(server, &format!("pg_dump {DATABASE} > {script}")).await?;
    let expected = fingerprint_tables(server.address(), DATABASE).await?;
    for _ in 0..rounds() {
        empty(&world, "by_psql").await?;
        let load = format!("psql -Xq -v ON_ERROR_STOP=1 -f {script} by_psql > {script}.out");
        table.time("psql -f", world.shell(server, &load)).await?;
        for jobs in [1, parallelism()] {
            empty(&world, "by_us").await?;
            let name = format!("import over {jobs} connection(s)");
            table.time(&name, Box::pin(import(&world, &script, jobs))).await?;
            if fingerprint_tables(server.address(), "by_us").await? != expected {
                return Err(Error::failed("the import differs from what was exported"));
            }
        }
    }
    world.substrate.remove_all().await?;
    table.print("import of a plain SQL export")?;
    say("  each import had the fingerprint of the source")
}

async fn empty(world: &World, database: &str) -> Result<()> {
    for statement in [
        format!("drop database if exists {database}"),
        format!("create database {database} template template0"),
        "checkpoint".to_owned(),
    ] {
        run_script(world.server.address(), "postgres", "an empty database", &statement).await?;
    }
    Ok(())
}

async fn import(world: &World, script: &str, jobs: usize) -> Result<()> {
    let file = tokio::fs::File::open(script).await;
    let file = file.map_err(|error| Error::could_not_verify(format!("opening {script}: {error}")))?;
    match import_sql(&world.server, "by_us", "dump.sql", file, jobs).await {
        Ok(_) => Ok(()),
        Err(RestoreFailure::Backup(finding)) => Err(Error::failed(finding.to_string())),
        Err(RestoreFailure::Other(error)) => Err(error),
    }
}
