//! Starts a PostgreSQL cluster as a user would own it, with settings of its own and a superuser that is not `postgres`:
//! to take backups of it with the user's tools.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use comeback_engine::substrate::{Command, Endpoint, Io, Node, NodeSpec, Reach, Signal, Software, Substrate};

use super::{require, substrates};

/// Its superuser.
pub(crate) const OWNER: &str = "owner";
const PORT: u16 = 5432;

/// The cluster. All its files, and the backups that tests take of it, are in the folder of its node.
pub(crate) struct ForeignCluster {
    substrate: Arc<dyn Substrate>,
    node: Arc<dyn Node>,
    programs: String,
}

impl ForeignCluster {
    /// A running cluster whose log is copied into the folder `archive`.
    pub(crate) async fn archiving() -> Option<Self> {
        Self::with("--data-checksums", |dir| format!("cp %p {dir}/archive/%f")).await
    }

    /// A running cluster without page checksums.
    pub(crate) async fn without_checksums() -> Option<Self> {
        Self::with("--no-instructions", |dir| format!("cp %p {dir}/archive/%f")).await
    }

    /// A running cluster with this archive command, which is given the folder of its node.
    pub(crate) async fn with(option: &str, archive: impl FnOnce(&str) -> String) -> Option<Self> {
        Self::on(substrates::local()?, option, "", archive).await
    }

    /// A running cluster of PostgreSQL 17 that can be backed up incrementally.
    pub(crate) async fn of_17() -> Option<Self> {
        let substrate = substrates::docker(Some(substrates::TRIXIE)).await?;
        let archive = |dir: &str| format!("cp %p {dir}/archive/%f");
        Self::on(substrate, "--data-checksums", "summarize_wal = on\n", archive).await
    }

    async fn on(
        substrate: Arc<dyn Substrate>,
        option: &str,
        more: &str,
        archive: impl FnOnce(&str) -> String,
    ) -> Option<Self> {
        let spec = NodeSpec {
            name: "source".to_owned(),
            software: Software::Postgres,
            major: None,
            port: PORT,
            reach: Reach::Endpoint,
        };
        let node = substrate.create(&spec).await.unwrap();
        let initdb = require::or_skip("local", node.find_program("initdb").await)?;
        let programs = initdb.strip_suffix("/initdb").unwrap().to_owned();
        let cluster = Self { substrate, node, programs };
        let data = cluster.inside("data");
        cluster.run(&initdb, &["-D", &data, "-U", OWNER, "-A", "trust", "-N", option]).await;
        let command = archive(cluster.node.dir());
        cluster.run("mkdir", &["archive"]).await;
        // A setting that names what no other machine has: a restore must not start with it.
        let settings = format!(
            "listen_addresses = ''\nunix_socket_directories = '{}'\nfsync = off\narchive_mode = on\n\
             archive_command = '{command}'\nmax_connections = 37\nwal_level = logical\n{more}",
            cluster.socket_dir()
        );
        cluster.write("settings", &settings).await;
        cluster.run("sh", &["-c", "cat settings >> data/postgresql.conf"]).await;
        cluster.start().await;
        Some(cluster)
    }

    pub(crate) async fn start(&self) {
        let postgres = Command::new(format!("{}/postgres", self.programs)).args(["-D", &self.inside("data")]);
        self.node.start(&postgres, "server.log").await.unwrap();
        let ready =
            Command::new(format!("{}/pg_isready", self.programs)).args(["-q", "-h", &self.socket_dir()]);
        let answers = || async {
            let output = self.node.exec(&ready, Io::default()).await.unwrap();
            if output.code == 0 { Ok(()) } else { Err("no answer".to_owned()) }
        };
        comeback_engine::wait::until("the source to answer", Duration::from_mins(1), answers).await.unwrap();
    }

    pub(crate) async fn stop(&self) {
        self.node.stop(Signal::Int, Duration::from_mins(1)).await.unwrap();
    }

    /// Kills the server and everything that it started.
    pub(crate) async fn kill(&self) {
        self.node.kill().await.unwrap();
    }

    /// Its folder.
    pub(crate) fn dir(&self) -> &str {
        self.node.dir()
    }

    /// A path in its folder.
    pub(crate) fn inside(&self, name: &str) -> String {
        format!("{}/{name}", self.node.dir())
    }

    /// The same as this machine sees it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.node.host_path(&self.inside(name)).expect("the files of a local node")
    }

    /// The folder of PostgreSQL's programs.
    pub(crate) fn programs(&self) -> &str {
        &self.programs
    }

    pub(crate) fn socket_dir(&self) -> String {
        match self.node.endpoint() {
            Endpoint::Unix { dir } => dir,
            Endpoint::Tcp { .. } => self.node.dir().to_owned(),
        }
    }

    /// Runs a program as the owner of the files; an error fails the test. Returns what it printed.
    pub(crate) async fn run(&self, program: &str, args: &[&str]) -> String {
        let args = args.iter().map(|arg| (*arg).to_owned());
        let output = self.node.exec(&Command::new(program).args(args), Io::default()).await.unwrap();
        output.success(program).unwrap().text()
    }

    /// Runs a program of PostgreSQL that connects to the cluster.
    pub(crate) async fn client(&self, program: &str, args: &[&str]) -> String {
        let socket = self.socket_dir();
        let args = [&["-h", &socket, "-U", OWNER], args].concat();
        self.run(&format!("{}/{program}", self.programs), &args).await
    }

    /// Runs statements, and returns the rows without headings.
    pub(crate) async fn sql(&self, statements: &str) -> String {
        let args = ["-d", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", statements];
        self.client("psql", &args).await.trim().to_owned()
    }

    /// Runs a script in a database as `psql` does.
    pub(crate) async fn script(&self, database: &str, script: &str) {
        self.write("script.sql", script).await;
        self.client("psql", &["-d", database, "-qX", "-v", "ON_ERROR_STOP=1", "-f", "script.sql"]).await;
    }

    /// Copies a folder of its node to this machine.
    pub(crate) async fn export(&self, name: &str, to: &Path) {
        let mut packed = Vec::new();
        let tar = Command::new("tar").args(["-c", name]);
        let io = Io { stdin: None, stdout: Some(&mut packed) };
        self.node.exec(&tar, io).await.unwrap().success("exporting").unwrap();
        let tar = to.join("export.tar");
        std::fs::write(&tar, packed).unwrap();
        let unpack =
            std::process::Command::new("tar").arg("-xf").arg(&tar).arg("-C").arg(to).status().unwrap();
        assert!(unpack.success());
        std::fs::remove_file(tar).unwrap();
    }

    /// Ends the current segment, and waits until everything before is in the archive.
    pub(crate) async fn archive_log(&self) {
        let segment = self.sql("select pg_walfile_name(pg_switch_wal())").await;
        let archived = || async {
            let last = self.sql("select last_archived_wal from pg_stat_archiver").await;
            if last >= segment { Ok(()) } else { Err(format!("{last} is archived, and not {segment}")) }
        };
        comeback_engine::wait::until("the archive", Duration::from_mins(1), archived).await.unwrap();
    }

    /// Writes a small file in its folder.
    pub(crate) async fn write(&self, name: &str, text: &str) {
        let mut content = text.as_bytes();
        let write = Command::new("sh").args(["-c", "cat > \"$0\"", name]);
        let io = Io { stdin: Some(&mut content), stdout: None };
        self.node.exec(&write, io).await.unwrap().success("writing").unwrap();
    }

    pub(crate) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
    }
}
