//! What the comparisons share: a server with data.

use std::sync::Arc;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, LocalSubstrate, RunIdentity, Substrate};
use comeback_error::{Error, Result};
use comeback_postgres::{PostgresServer, run_script};

pub(crate) use super::table::{Table, say};

/// The database with the data.
pub(crate) const DATABASE: &str = "bench";

/// A substrate, and a server with settings like those of production.
pub(crate) struct World {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) server: PostgresServer,
    pub(crate) password: Secret,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let substrate: Arc<dyn Substrate> = Arc::new(LocalSubstrate::new(&RunIdentity::random(false)?)?);
        let password = Secret::random()?;
        let server = PostgresServer::create(&*substrate, "primary", &password).await?;
        server.init().await?;
        server.configure(&SETTINGS).await?;
        Ok(Self { substrate, server, password })
    }

    /// Another server, empty and running.
    pub(crate) async fn another(&self, name: &str) -> Result<PostgresServer> {
        let server = PostgresServer::create(&*self.substrate, name, &self.password).await?;
        server.init().await?;
        server.configure(&SETTINGS).await?;
        server.start(&[]).await?;
        Ok(server)
    }

    /// Fills the database: two thirds in a narrow table, one third in wide rows of several types.
    pub(crate) async fn fill(&self) -> Result<()> {
        let megabytes = number_from("COMEBACK_BENCH_MB", 1200);
        // About 136 bytes a row of the narrow table, and 1080 of the wide one.
        let (narrow, wide) = (megabytes * 1_000_000 * 2 / 3 / 136, megabytes * 1_000_000 / 3 / 1080);
        run_script(self.server.address(), "postgres", "the database", &format!("create database {DATABASE}"))
            .await?;
        let script = format!(
            "create table narrow as select n as aid, n % 10 as bid, (n::int8 * 7919 % 100000)::int4 as balance, \
                rpad('', 84)::char(84) as filler from generate_series(1, {narrow}) n; \
             alter table narrow add primary key (aid); create index on narrow (balance); \
             create table wide as select n as id, jsonb_build_object('n', n, 'tags', array[md5(n::text), md5((n + 1)::text)]) as doc, \
                repeat(md5(n::text) || ' ', 26) as body, (n * 1.37)::numeric(14, 4) as amount, \
                timestamptz '2026-01-01 00:00Z' + n * interval '1 second' as at from generate_series(1, {wide}) n; \
             alter table wide add primary key (id); create index on wide (amount); create index on wide (at); \
             vacuum (freeze, analyze) narrow; vacuum (freeze, analyze) wide; checkpoint"
        );
        // A vacuum wants a statement of its own.
        for statement in script.split(';') {
            run_script(self.server.address(), DATABASE, "the data", statement).await?;
        }
        let mut connection = self.server.connect(DATABASE).await?;
        let bytes: i64 = sqlx::query_scalar(
            "select (pg_table_size('public.narrow') + pg_table_size('public.wide'))::int8",
        )
        .fetch_one(&mut connection)
        .await
        .map_err(|error| Error::could_not_verify(error.to_string()))?;
        say(&format!("tables of {} MB, {narrow} narrow and {wide} wide rows", bytes / 1_000_000))
    }

    /// Runs a script of the shell in a node, as a person would have written it: the programs of PostgreSQL are in
    /// its path, and it knows where the server is and how to log in.
    pub(crate) async fn shell(&self, server: &PostgresServer, script: &str) -> Result<String> {
        let Endpoint::Unix { dir } = server.node().endpoint() else {
            return Err(Error::could_not_verify("a local node has a socket"));
        };
        let initdb = server.node().find_program("initdb").await?;
        let programs = initdb.trim_end_matches("/initdb");
        let passfile = std::env::temp_dir().join(format!("comeback-bench-{}", std::process::id()));
        server.write_passfile_here(&passfile).await?;
        let place =
            format!("cat > {}/.pgpass && chmod 600 {}/.pgpass", server.node().dir(), server.node().dir());
        let content = std::fs::read(&passfile).map_err(|error| Error::could_not_verify(error.to_string()))?;
        std::fs::remove_file(&passfile).map_err(|error| Error::could_not_verify(error.to_string()))?;
        let mut stdin = &content[..];
        let io = Io { stdin: Some(&mut stdin), stdout: None };
        server.node().exec(&Command::new("sh").args(["-c", &place]), io).await?.success("logging in")?;
        let command = Command::new("bash")
            .args(["-euo", "pipefail", "-c", script])
            .env("PATH", format!("{programs}:/usr/bin:/bin"))
            .env("PGHOST", dir)
            .env("PGUSER", "postgres")
            .env("PGPASSFILE", format!("{}/.pgpass", server.node().dir()));
        Ok(server.node().exec(&command, Io::default()).await?.success("running the script")?.text())
    }
}

const SETTINGS: [(&str, &str); 3] =
    [("shared_buffers", "256MB"), ("max_wal_size", "2GB"), ("maintenance_work_mem", "128MB")];

pub(crate) fn rounds() -> u64 {
    number_from("COMEBACK_BENCH_ROUNDS", 3)
}

fn number_from(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
