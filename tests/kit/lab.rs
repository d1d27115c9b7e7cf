//! Starts a PostgreSQL primary with a log archive: to recover from it to any target, and examine the result.

use std::path::PathBuf;
use std::sync::Arc;

use comeback_engine::repository::{LocalRepository, LogArchive, Repository};
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, Substrate};
use comeback_model::{Lsn, Manifest, RecoveryTarget};
use comeback_postgres::{
    Archiver, AtTarget, PostgresServer, Recovered, Recovery, RestoreFailure, fetch_base_backup, fetch_log,
    recover_to, run_script, system_identifier,
};
use jiff::Timestamp;

use super::{require, substrates};

/// A primary that archives, in a time zone other than UTC, with an empty table `public.t`.
pub(crate) struct Lab {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) primary: PostgresServer,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) archive: LogArchive,
    pub(crate) archiver: Archiver,
    password: Secret,
    folder: tempfile::TempDir,
}

/// The end of a transaction, from the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) xid: u32,
    /// Where its record begins.
    pub(crate) lsn: Lsn,
    pub(crate) at: Timestamp,
    pub(crate) committed: bool,
}

const SETTINGS: [(&str, &str); 3] =
    [("track_commit_timestamp", "on"), ("max_prepared_transactions", "7"), ("wal_keep_size", "256MB")];

impl Lab {
    pub(crate) async fn local() -> Option<Self> {
        Self::on(substrates::local()?, "local").await
    }

    pub(crate) async fn docker() -> Option<Self> {
        Self::on(substrates::docker(None).await?, "docker").await
    }

    async fn on(substrate: Arc<dyn Substrate>, need: &str) -> Option<Self> {
        let password = Secret::random().unwrap();
        let created = PostgresServer::create(&*substrate, "primary", &password).await;
        let primary = require::or_skip(need, created)?;
        primary.init().await.unwrap();
        start(&primary).await;
        sql(&primary, "alter system set timezone = 'Asia/Kolkata'").await;
        sql(&primary, "select pg_reload_conf(); create table public.t (n int)").await;
        let folder = tempfile::tempdir().unwrap();
        let repository: Arc<dyn Repository> =
            Arc::new(LocalRepository::open(folder.path().join("repository")).await.unwrap());
        let archive =
            LogArchive::new(repository.clone(), &system_identifier(primary.address()).await.unwrap());
        let archiver = Archiver::start(&primary, archive.clone()).await.unwrap();
        Some(Self { substrate, primary, repository, archive, archiver, password, folder })
    }

    /// Restarts the killed primary. A prepared transaction whose client is gone would hold its locks for ever.
    pub(crate) async fn restart_primary(&self) {
        start(&self.primary).await;
        let mut connection = self.primary.connect("postgres").await.unwrap();
        let left: Vec<String> =
            sqlx::query_scalar("select format('rollback prepared %L', gid) from pg_prepared_xacts")
                .fetch_all(&mut connection)
                .await
                .unwrap();
        for statement in left {
            sql(&self.primary, &statement).await;
        }
    }

    /// The stored content of the log archive with a name.
    pub(crate) async fn stored(&self, name: &str) -> PathBuf {
        let cluster = system_identifier(self.primary.address()).await.unwrap();
        let folder = self.folder.path().join("repository/wal").join(&cluster);
        let mut stored = self.repository.list_log(&cluster, &format!("{name}-")).await.unwrap();
        stored.retain(|stored| !stored.ends_with("-claim"));
        assert_eq!(stored.len(), 1, "{name}");
        folder.join(name.get(..16).unwrap_or("")).join(&stored[0])
    }

    /// The folder of the repository, and of everything else that goes with the test.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A transaction that adds ten rows.
    pub(crate) async fn ten(&self) -> End {
        sql(&self.primary, "insert into public.t select generate_series(1, 10)").await;
        self.ends().await.last().copied().unwrap()
    }

    /// The ends of the primary's transactions, in the order of its log.
    pub(crate) async fn ends(&self) -> Vec<End> {
        ends(&self.primary).await
    }

    /// A new server.
    pub(crate) async fn node(&self, name: &str) -> PostgresServer {
        PostgresServer::create(&*self.substrate, name, &self.password).await.unwrap()
    }

    /// Recovers a backup to a target on a server.
    pub(crate) async fn recover_on(
        &self,
        server: &PostgresServer,
        manifest: &Manifest,
        target: &RecoveryTarget,
        at_target: AtTarget,
    ) -> Result<Recovered, RestoreFailure> {
        fetch_base_backup(server, &*self.repository, manifest).await?;
        let plan = Recovery::from_backup(&self.archive, manifest.clone(), target.clone()).await?;
        let log = fetch_log(server, &plan).await?;
        recover_to(server, manifest, target, log, at_target).await
    }

    /// Recovers to a target from the backup that leads to it, and counts the rows there.
    pub(crate) async fn rows_at(&self, target: &RecoveryTarget) -> i64 {
        let server = self.node("restored").await;
        let manifest = Recovery::plan(&self.repository, target.clone()).await.unwrap().backup;
        let recovered = self.recover_on(&server, &manifest, target, AtTarget::Pause).await;
        recovered.unwrap_or_else(|failure| panic!("{target}: {failure:?}"));
        let rows = rows(&server).await;
        server.node().remove().await.unwrap();
        rows
    }

    /// Recovers a backup to a target that cannot be reached, and returns the finding.
    pub(crate) async fn failure(
        &self,
        manifest: &Manifest,
        target: &RecoveryTarget,
    ) -> comeback_model::Finding {
        let server = self.node("restored").await;
        let failure = self.recover_on(&server, manifest, target, AtTarget::Pause).await.unwrap_err();
        server.node().remove().await.unwrap();
        match failure {
            RestoreFailure::Backup(finding) => *finding,
            RestoreFailure::Other(error) => panic!("{target}: {error}"),
        }
    }

    pub(crate) async fn clear(self) {
        self.archiver.finish().await.unwrap();
        self.substrate.remove_all().await.unwrap();
    }
}

async fn start(primary: &PostgresServer) {
    let settings = SETTINGS.map(|(name, value)| (name, value.to_owned()));
    primary.start_archiving(&settings).await.unwrap();
}

pub(crate) async fn sql(server: &PostgresServer, statements: &str) {
    run_script(server.address(), "postgres", "a script", statements).await.unwrap();
}

pub(crate) async fn number(server: &PostgresServer, query: &str) -> i64 {
    comeback_postgres::count(server.address(), "postgres", query).await.unwrap()
}

pub(crate) async fn rows(server: &PostgresServer) -> i64 {
    number(server, "select count(*) from public.t").await
}

/// Runs a shell command in the server's data directory, and returns its output.
pub(crate) async fn shell(server: &PostgresServer, script: &str) -> String {
    let script = format!("cd '{}' && {script}", server.data_dir());
    let output = server.node().exec(&Command::new("sh").args(["-c", &script]), Io::default()).await;
    output.unwrap().success(&script).unwrap().text()
}

/// The ends of transactions, in the order of the log on the server's disk.
pub(crate) async fn ends(server: &PostgresServer) -> Vec<End> {
    let waldump = server.node().find_program("pg_waldump").await.unwrap();
    // It ends with an error where the log does.
    let script = format!(
        "segments() {{ ls pg_wal | grep -E '^[0-9A-F]{{24}}$' | sort; }}; \
         last=$(segments | tail -n 1); timeline=${{last%????????????????}}; \
         first=$(segments | grep \"^$timeline\" | head -n 1); \
         {waldump} -p pg_wal -r Transaction \"$first\" \"$last\" 2>/dev/null || true"
    );
    shell(server, &script).await.lines().filter_map(parse_end).collect()
}

/// `rmgr: Transaction len … tx: 735, lsn: 0/01500110, prev 0/…, desc: COMMIT 2026-11-22 05:41:00.25 UTC; …`
fn parse_end(line: &str) -> Option<End> {
    let after = |word: &str| line.split_once(word).map(|(_, rest)| rest);
    let what = after("desc: ")?;
    let committed = what.starts_with("COMMIT");
    if !committed && !what.starts_with("ABORT") {
        return None;
    }
    // A prepared transaction ends in somebody else's name: `COMMIT_PREPARED 740: 2026-…`.
    let (xid, time) = match what.split_once(": ").filter(|_| what.contains("_PREPARED ")) {
        Some((prepared, time)) => (prepared.split(' ').nth(1)?, time),
        None => (after("tx: ")?.split(',').next()?.trim(), what.split_once(' ')?.1),
    };
    let time = time.split(" UTC").next()?;
    Some(End {
        xid: xid.parse().ok()?,
        lsn: after("lsn: ")?.split(',').next()?.parse().ok()?,
        at: format!("{}Z", time.replacen(' ', "T", 1)).parse().ok()?,
        committed,
    })
}
