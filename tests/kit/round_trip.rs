//! Starts a source and a target server, and sends databases from one to the other: SQL that sets them up, a backup of
//! each kind, a restore, and the judges.
//!
//! A test sets up a source and a target server once, and sends many databases through them:
//!
//! ```ignore
//! let Some(trip) = RoundTrip::local().await else { return };
//! trip.create("app", "create table t (a int)").await;
//! trip.every_dump("app").await.assert_clean();
//! trip.base_backup().await.assert_clean();
//! trip.dump_then("app", DumpFormat::Plain, "drop table t").await.assert_finds(&[FindingCode::TableMissing]);
//! trip.clear().await;
//! ```
//!
//! Each restore of a dump starts with an empty target: its databases and roles are dropped first. A base backup holds
//! the whole source, and is restored into a new server each time.

use std::sync::Arc;

use comeback_engine::judge::Judge;
use comeback_engine::repository::LocalRepository;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, Substrate};
use comeback_error::Error;
use comeback_model::{DumpFormat, Finding, FindingCode, Manifest};
use comeback_postgres::judges::{
    CatalogueJudge, FingerprintJudge, LogicalCatalogue, PageChecksums, RowCounts, ServerLogJudge,
    StructureJudge, UnpackedFiles,
};
use comeback_postgres::{
    PostgresServer, RestoreFailure, fetch_base_backup, gather_statistics, recover_base_backup, restore_dump,
    restore_roles, take_base_backup, take_dump,
};
use sqlx::Connection as _;

use super::{require, substrates};

/// Every form of a dump.
pub(crate) const EVERY_FORM: [DumpFormat; 3] = [DumpFormat::Plain, DumpFormat::Custom, DumpFormat::Directory];
const JOBS: usize = 2;
/// Settings of a role must not end or change the sessions of the test itself.
const OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 \
    -c idle_in_transaction_session_timeout=0 -c default_transaction_read_only=off";

/// A source, a target and a repository between them.
pub(crate) struct RoundTrip {
    pub(crate) source: PostgresServer,
    pub(crate) target: PostgresServer,
    pub(crate) repository: LocalRepository,
    pub(crate) password: Secret,
    substrates: Vec<Arc<dyn Substrate>>,
    _folder: tempfile::TempDir,
}

/// The result of a round trip: the judges' findings, and the errors.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Includes the finding of a restore that blames its backup.
    pub(crate) findings: Vec<Finding>,
    pub(crate) errors: Vec<Error>,
    /// The database or server, and its path.
    trip: String,
}

impl RoundTrip {
    /// On this machine, with its PostgreSQL.
    pub(crate) async fn local() -> Option<Self> {
        Self::local_with(&[]).await
    }

    /// On this machine, with further settings for the source.
    pub(crate) async fn local_with(settings: &[(&str, &str)]) -> Option<Self> {
        let substrate = substrates::local()?;
        Self::between(substrate.clone(), substrate, "local", settings).await
    }

    /// In containers: the source from one image, the target from the same or another.
    pub(crate) async fn docker(source: &str, target: &str) -> Option<Self> {
        let from = substrates::docker(Some(source)).await?;
        let to = if source == target { from.clone() } else { substrates::docker(Some(target)).await? };
        Self::between(from, to, "docker", &[]).await
    }

    async fn between(
        from: Arc<dyn Substrate>,
        to: Arc<dyn Substrate>,
        need: &str,
        settings: &[(&str, &str)],
    ) -> Option<Self> {
        let password = Secret::random().unwrap();
        let source = server(&*from, "source", &password, settings).await;
        let source = require::or_skip(need, source)?;
        let target = require::or_skip(need, server(&*to, "target", &password, &[]).await)?;
        let folder = tempfile::tempdir().unwrap();
        let repository = LocalRepository::open(folder.path()).await.unwrap();
        let substrates = vec![from, to];
        Some(Self { source, target, repository, password, substrates, _folder: folder })
    }

    /// Runs a script on the source as `psql` does, starting in the database `postgres`. It may create databases and
    /// enter them with `\connect`.
    pub(crate) async fn set_up(&self, script: &str) {
        self.psql(&self.source, "postgres", script).await;
    }

    /// Creates a database on the source, with this content.
    pub(crate) async fn create(&self, database: &str, script: &str) {
        self.create_with(database, "", script).await;
    }

    /// Creates a database with options such as `encoding 'LATIN1' template template0 locale 'C'`.
    pub(crate) async fn create_with(&self, database: &str, options: &str, script: &str) {
        let name = database.replace('"', "\"\"");
        self.set_up(&format!("create database \"{name}\" {options};")).await;
        self.psql(&self.source, database, script).await;
    }

    /// Sends a database through every form of a dump.
    pub(crate) async fn every_dump(&self, database: &str) -> Outcome {
        let mut outcome = Outcome { trip: format!("dumps of {database}"), ..Outcome::default() };
        for format in EVERY_FORM {
            let one = self.dump(database, format).await;
            outcome.findings.extend(one.findings);
            outcome.errors.extend(one.errors.into_iter().map(|error| error.context(format!("{format:?}"))));
        }
        outcome
    }

    /// Sends a database through a dump.
    pub(crate) async fn dump(&self, database: &str, format: DumpFormat) -> Outcome {
        self.dump_then(database, format, "").await
    }

    /// Sends a database through a dump, and changes it with a script before the judges run.
    pub(crate) async fn dump_then(&self, database: &str, format: DumpFormat, change: &str) -> Outcome {
        let mut outcome =
            Outcome { trip: format!("{format:?} dump of {database}, then `{change}`"), ..Outcome::default() };
        match take_dump(self.source.address(), &self.source.programs(), database, &self.repository, format)
            .await
        {
            Ok(manifest) => self.restore_and_judge(&manifest, change, &mut outcome).await,
            Err(error) => outcome.errors.push(error.context("taking the dump")),
        }
        outcome
    }

    async fn restore_and_judge(&self, manifest: &Manifest, change: &str, outcome: &mut Outcome) {
        let (server, recorded) = (&self.target, manifest.content.cluster().unwrap());
        let database = recorded.databases.keys().next().unwrap();
        self.empty_target().await;
        let log = ServerLogJudge { server };
        let before = log.judge().await.unwrap().findings.len();
        let restored = async {
            restore_roles(server, &self.repository, manifest).await?;
            restore_dump(server, &self.repository, manifest, JOBS).await?;
            Ok(gather_statistics(server.address(), database, JOBS).await?)
        };
        if let Err(failure) = restored.await {
            return outcome.failed(failure);
        }
        self.psql(server, database, change).await;
        outcome.hear(&LogicalCatalogue { server: server.address(), recorded: manifest }).await;
        outcome.hear(&RowCounts { server: server.address(), recorded }).await;
        outcome.hear(&FingerprintJudge::new(server.address(), recorded)).await;
        outcome.hear(&StructureJudge { server: server.address() }).await;
        // What it said to earlier trips is not of this one.
        outcome.findings.extend(log.judge().await.unwrap().findings.into_iter().skip(before));
    }

    /// Sends the whole source through a base backup.
    pub(crate) async fn base_backup(&self) -> Outcome {
        self.base_backup_then("postgres", "").await
    }

    /// Sends the whole source through a base backup, and changes a database before the judges run.
    pub(crate) async fn base_backup_then(&self, database: &str, change: &str) -> Outcome {
        let trip = format!("base backup, then `{change}` in {database}");
        let mut outcome = Outcome { trip, ..Outcome::default() };
        let manifest =
            match take_base_backup(self.source.address(), &self.source.programs(), &self.repository).await {
                Ok(manifest) => manifest,
                Err(error) => {
                    outcome.errors.push(error.context("taking the base backup"));
                    return outcome;
                }
            };
        let server = PostgresServer::create(&*self.substrates[0], "recovered", &self.password).await.unwrap();
        self.recover_and_judge(&server, &manifest, (database, change), &mut outcome).await;
        server.node().remove().await.unwrap();
        outcome
    }

    async fn recover_and_judge(
        &self,
        server: &PostgresServer,
        manifest: &Manifest,
        (database, change): (&str, &str),
        outcome: &mut Outcome,
    ) {
        if let Err(failure) = fetch_base_backup(server, &self.repository, manifest).await {
            return outcome.failed(failure);
        }
        outcome.hear(&UnpackedFiles { server }).await;
        if let Err(failure) = recover_base_backup(server, manifest).await {
            return outcome.failed(failure);
        }
        self.psql(server, database, change).await;
        let recorded = manifest.content.cluster().unwrap();
        outcome.hear(&CatalogueJudge { server: server.address(), recorded }).await;
        outcome.hear(&RowCounts { server: server.address(), recorded }).await;
        outcome.hear(&FingerprintJudge::new(server.address(), recorded)).await;
        outcome.hear(&StructureJudge { server: server.address() }).await;
        outcome.hear(&PageChecksums { server }).await;
        outcome.hear(&ServerLogJudge { server }).await;
    }

    /// Drops everything that an earlier trip left on the target.
    pub(crate) async fn empty_target(&self) {
        const LEFT: &str = "
            select format('alter database %I is_template false', datname) from pg_database
                where datistemplate and datname !~ '^template[01]$'
            union all select format('drop database %I with (force)', datname) from pg_database
                where datname !~ '^(postgres|template[01])$'
            union all select format('drop owned by %1$s; drop role %1$s', string_agg(quote_ident(rolname), ', '))
                from pg_roles where rolname !~ '^(pg_.*|postgres)$' having count(*) > 0
            union all select 'alter role postgres reset all'";
        let mut connection = self.target.connect("postgres").await.unwrap();
        let left: Vec<String> = sqlx::query_scalar(LEFT).fetch_all(&mut connection).await.unwrap();
        for statement in left {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
    }

    /// Runs a script with `psql`; the first error fails the test.
    pub(crate) async fn psql(&self, server: &PostgresServer, database: &str, script: &str) {
        let arguments = ["-X", "-q", "-v", "ON_ERROR_STOP=1"];
        self.client(server, database, "psql", &arguments, script.as_bytes()).await;
    }

    /// Runs a client program against a database; returns its output.
    pub(crate) async fn client(
        &self,
        server: &PostgresServer,
        database: &str,
        program: &str,
        arguments: &[&str],
        mut input: &[u8],
    ) -> Vec<u8> {
        let sockets = match server.node().endpoint() {
            Endpoint::Unix { dir } => dir,
            Endpoint::Tcp { .. } => server.node().dir().to_owned(),
        };
        let path = server.node().find_program(program).await.unwrap();
        let command = Command::new(path)
            .args(["-h", &sockets, "-U", "postgres"])
            .args(arguments.iter().copied())
            // In an argument, a name with an equals sign would be taken for a connection string.
            .env("PGDATABASE", database)
            .env("PGOPTIONS", OPTIONS)
            .env("PGPASSWORD", self.password.expose());
        let io = Io { stdin: Some(&mut input), stdout: None };
        server.node().exec(&command, io).await.unwrap().success(program).unwrap().stdout
    }

    pub(crate) async fn clear(self) {
        for substrate in &self.substrates {
            substrate.remove_all().await.unwrap();
        }
    }
}

impl Outcome {
    /// Whether everything worked and there are no findings.
    pub(crate) fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.errors.is_empty()
    }

    /// Fails unless it is clean.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        assert!(self.is_clean(), "{self}");
    }

    /// Fails unless everything worked, and the findings are of exactly these kinds, each once, in any order.
    #[track_caller]
    pub(crate) fn assert_finds(&self, codes: &[FindingCode]) {
        let mut found: Vec<_> = self.findings.iter().map(|finding| format!("{:?}", finding.code)).collect();
        let mut wanted: Vec<_> = codes.iter().map(|code| format!("{code:?}")).collect();
        for list in [&mut found, &mut wanted] {
            list.sort();
            list.dedup();
        }
        assert!(self.errors.is_empty() && found == wanted, "wanted {wanted:?}: {self}");
    }

    fn failed(&mut self, failure: RestoreFailure) {
        match failure {
            RestoreFailure::Backup(finding) => self.findings.push(*finding),
            RestoreFailure::Other(error) => self.errors.push(error.context("restoring")),
        }
    }

    async fn hear(&mut self, judge: &dyn Judge) {
        match judge.judge().await {
            Ok(opinion) => self.findings.extend(opinion.findings),
            Err(error) => self.errors.push(error.context(judge.name())),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let findings = self.findings.iter().map(|finding| format!("\n  finding: {finding}"));
        let errors = self.errors.iter().map(|error| format!("\n  error: {error}"));
        write!(f, "{}:{}", self.trip, findings.chain(errors).collect::<String>())
    }
}

async fn server(
    substrate: &dyn Substrate,
    name: &str,
    password: &Secret,
    settings: &[(&str, &str)],
) -> comeback_error::Result<PostgresServer> {
    let server = PostgresServer::create(substrate, name, password).await?;
    server.init().await?;
    server.configure(settings).await?;
    // Nothing here is timed, and nothing has to outlive the machine. Publications want the level of the log.
    server.start(&[("fsync", "off".to_owned()), ("wal_level", "logical".to_owned())]).await?;
    Ok(server)
}
