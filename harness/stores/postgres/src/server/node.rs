//! A throw-away PostgreSQL server in a node.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, Node, Signal, write_private};
use comeback_engine::{died, wait};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};
use tokio::io::AsyncWriteExt as _;

use super::files as node_files;
use super::launch::Launch;
use super::log::ServerLog;
use super::log_settings::LOG_SETTINGS;
use super::programs::ClientPrograms;
use super::verifier::verifier;
use crate::connection::address::{PORT, PostgresAddress, SUPERUSER};
use crate::error::{Context as _, Result};
use crate::log::spool;

/// How long a server may take to answer after its start. Recovery has its own limit.
pub(crate) const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a fast shutdown may take: it writes a checkpoint.
const STOP_LIMIT: Duration = Duration::from_mins(2);

/// A PostgreSQL server of our own: its node, programs, password and address.
#[derive(Clone)]
pub struct PostgresServer {
    pub(super) node: Arc<dyn Node>,
    /// The folder of its data directory, of the log that it replays, and of its tablespaces.
    pub(super) root: String,
    pub(super) programs: String,
    pub(super) major: u32,
    pub(super) password: Secret,
    pub(super) address: PostgresAddress,
    /// Whether the cluster is somebody else's, so that the server reads no configuration file of it; clones share it.
    pub(super) is_foreign: Arc<AtomicBool>,
}

impl PostgresServer {
    /// The address of the server.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// The client programs of its node, connecting to this server.
    pub fn programs(&self) -> ClientPrograms {
        let address = PostgresAddress::unix(self.socket_dir(), PORT, &self.password).of_major(self.major);
        let address = address.of_user(self.address.user());
        ClientPrograms::new(self.node.clone(), self.programs.clone(), address)
    }

    /// What a server is given in place of the password, when a role is made for us.
    pub(crate) fn password_verifier(&self) -> Result<String> {
        verifier(&self.password)
    }

    /// The node that the server runs in.
    pub fn node(&self) -> &dyn Node {
        &*self.node
    }

    /// The major version, such as 15.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The data directory in the node.
    pub fn data_dir(&self) -> String {
        format!("{}/data", self.root)
    }

    /// The folder of its data directory, of the log that it replays, and of its tablespaces: that of the node, unless it
    /// was told otherwise.
    pub(crate) fn root(&self) -> &str {
        &self.root
    }

    /// The same server, before its first start, with its files in another folder that its node can see.
    #[must_use]
    pub(crate) fn kept_in(self, root: &str) -> Self {
        Self { root: root.to_owned(), ..self }
    }

    fn log_path(&self) -> String {
        format!("{}/server.log", self.node.dir())
    }

    pub(crate) fn hba_path(&self) -> String {
        format!("{}/pg_hba.conf", self.node.dir())
    }

    /// A command that runs a program of PostgreSQL.
    pub(crate) fn command(&self, program: &str) -> Command {
        Command::new(format!("{}/{program}", self.programs))
    }

    /// Creates an empty cluster: UTF-8, data checksums, password log-in only. `initdb` is given a verifier in
    /// place of the password, which the server stores as it is.
    ///
    /// `initdb` does not flush its files: an empty cluster that is lost in a crash of the machine can be
    /// created again. Once started, the server flushes as in production.
    pub async fn init(&self) -> Result<()> {
        let password_file = format!("{}/password", self.node.dir());
        self.write_file(&password_file, verifier(&self.password)?.as_bytes()).await?;
        let command = self
            .command("initdb")
            .args(["--username", SUPERUSER, "--pwfile", &password_file, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--locale", "C.UTF-8", "--data-checksums", "--no-sync"])
            .args(["--no-instructions", "--pgdata", &self.data_dir()]);
        let output = self.node.exec(&command, Io::default()).await?;
        self.remove_path(&password_file).await?;
        output.success("creating an empty cluster").map(drop)
    }

    /// Adds settings to the cluster's configuration, as an operator would; a base backup contains them. They
    /// take effect at the next start.
    pub async fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        let lines =
            settings.iter().map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")));
        let lines = lines.collect::<String>();
        let path = format!("{}/postgresql.conf", self.data_dir());
        let command = Command::new("sh").args(["-c", "cat >> \"$0\"", &path]);
        let mut content = lines.as_bytes();
        let io = Io { stdin: Some(&mut content), stdout: None };
        self.node.exec(&command, io).await?.success("configuring the server").map(drop)
    }

    /// Starts the server with additional settings, and waits until it answers.
    pub async fn start(&self, settings: &[(&str, String)]) -> Result<()> {
        self.launch(settings).await?;
        self.wait_until_it_answers(START_LIMIT).await
    }

    /// Starts the server with additional settings, and waits until it answers. The server hands its log over
    /// to its spool, from which an [`Archiver`](crate::Archiver) takes it.
    pub async fn start_archiving(&self, settings: &[(&str, String)]) -> Result<()> {
        spool::prepare(&*self.node).await?;
        self.launch_with(settings, &spool::SETTINGS, &Launch::default()).await?;
        self.wait_until_it_answers(START_LIMIT).await
    }

    /// Starts the server with additional settings, without waiting.
    ///
    /// Whatever the data directory says, the server listens only at its node's endpoint, accepts no log-in
    /// without the password, and neither archives nor replicates.
    pub(crate) async fn launch(&self, settings: &[(&str, String)]) -> Result<()> {
        self.launch_as(settings, &Launch::default()).await
    }

    /// Like [`launch`](Self::launch), for a server that others replicate, or that replicates another one.
    pub(crate) async fn launch_as(&self, settings: &[(&str, String)], launch: &Launch) -> Result<()> {
        self.launch_with(settings, &[("archive_mode", "off"), ("archive_command", "")], launch).await
    }

    async fn launch_with(
        &self,
        settings: &[(&str, String)],
        archiving: &[(&str, &str)],
        launch: &Launch,
    ) -> Result<()> {
        self.write_file(&self.hba_path(), launch.admission.rules().as_bytes()).await?;
        let addresses = match self.node.endpoint() {
            Endpoint::Unix { .. } => "",
            Endpoint::Tcp { .. } => "*",
        };
        let fixed = [
            ("listen_addresses", addresses.to_owned()),
            ("unix_socket_directories", self.socket_dir()),
            ("port", PORT.to_string()),
            ("hba_file", self.hba_path()),
            ("primary_conninfo", launch.upstream.clone()),
            ("primary_slot_name", launch.slot.clone()),
            // No standby would ever confirm a commit.
            ("synchronous_standby_names", String::new()),
            // Subscriptions of restored databases would fetch from their publishers.
            ("max_logical_replication_workers", "0".to_owned()),
            // These commands belong to another machine's configuration.
            ("archive_cleanup_command", String::new()),
            ("recovery_end_command", String::new()),
            ("ssl", "off".to_owned()),
            // POSIX shared memory would stay in /dev/shm if the server is killed and its folder deleted.
            ("dynamic_shared_memory_type", "mmap".to_owned()),
        ];
        // The last value of a setting counts.
        let wanted = settings.iter().chain(&fixed).map(|(name, value)| (*name, value.as_str()));
        let settings = wanted
            .chain(LOG_SETTINGS)
            .chain(archiving.iter().copied())
            .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        let command = self.command("postgres").args(["-D", &self.data_dir()]);
        let command = command.args(self.configuration()).args(settings);
        self.node.start(&command, &self.log_path()).await
    }

    /// Waits until the server answers a read. Fails at once if the server has stopped.
    pub(crate) async fn wait_until_it_answers(&self, limit: Duration) -> Result<()> {
        wait::until("the server to answer", limit, async || {
            if let Err(gone) = self.ensure_running().await {
                return Ok(Err(gone));
            }
            let mut connection =
                self.connect("postgres").await.map_err(|error| error.message().to_owned())?;
            connection.ping().await.map(Ok).map_err(|error| error.to_string())
        })
        .await?
    }

    /// Fails with the end of the server's log if its process has ended.
    pub(crate) async fn ensure_running(&self) -> Result<()> {
        if self.node.is_running().await? {
            return Ok(());
        }
        let last = self.read_log().await?.end();
        Err(died(self.node.name(), &last))
    }

    /// The server's last message if it ended by itself, or if one of its processes died and it cut all
    /// connections. `None` otherwise, also if we stopped or killed it.
    pub async fn last_words(&self) -> Result<Option<String>> {
        let has_crashed = self.node.has_crashed().await?;
        let log = self.read_log().await?;
        Ok(if has_crashed { Some(log.panic().unwrap_or_else(|| log.end())) } else { log.panic() })
    }

    /// Connects as superuser, in the same way as [`PostgresAddress::connect`].
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        self.address.connect(database).await
    }

    /// How an application connects to one of its databases.
    pub fn options(&self, database: &str) -> PgConnectOptions {
        self.address.options(database)
    }

    /// Where other nodes of its region reach it, as configurations name it: the folder of its socket, or its host.
    pub fn peer_place(&self) -> String {
        match self.node.peer() {
            Endpoint::Unix { dir } => dir,
            Endpoint::Tcp { host, .. } => host,
        }
    }

    /// The URL with which an application in another node connects to one of its databases, without a password.
    pub fn peer_url(&self, database: &str, role: &str) -> String {
        match self.node.peer() {
            Endpoint::Unix { dir } => {
                let dir = utf8_percent_encode(&dir, NON_ALPHANUMERIC);
                format!("postgresql:///{database}?host={dir}&port={PORT}&user={role}")
            }
            Endpoint::Tcp { host, port } => format!("postgresql://{role}@{host}:{port}/{database}"),
        }
    }

    /// The server's address from another node of its region.
    pub(crate) fn peer_address(&self) -> PostgresAddress {
        let address = match self.node.peer() {
            Endpoint::Unix { dir } => PostgresAddress::unix(dir, PORT, &self.password),
            Endpoint::Tcp { host, port } => PostgresAddress::tcp(host, port, &self.password),
        };
        address.of_major(self.major).of_user(self.address.user())
    }

    /// Shuts the server down normally.
    pub async fn stop(&self) -> Result<()> {
        self.node.stop(Signal::Int, STOP_LIMIT).await
    }

    /// Kills the server and deletes its data directory and spool: the disaster of a lost machine.
    pub async fn destroy(&self) -> Result<()> {
        self.node.kill().await?;
        self.remove_path(&spool::dir(&*self.node)).await?;
        self.remove_path(&self.data_dir()).await
    }

    /// The log of the server.
    pub async fn read_log(&self) -> Result<ServerLog> {
        let output = self.node.exec(&Command::new("cat").arg(self.log_path()), Io::default()).await?;
        Ok(ServerLog { text: output.success("reading the server's log")?.text() })
    }

    /// Writes a small file in the node that only the node's user can read.
    pub(crate) async fn write_file(&self, path: &str, content: &[u8]) -> Result<()> {
        write_private(&*self.node, path, content).await
    }

    pub(crate) async fn read_file(&self, path: &str) -> Result<Vec<u8>> {
        node_files::read_file(&*self.node, path).await
    }

    /// The names in a folder in the node, without hidden ones.
    pub(crate) async fn list_dir(&self, path: &str) -> Result<Vec<String>> {
        node_files::list_dir(&*self.node, path).await
    }

    pub(crate) async fn remove_path(&self, path: &str) -> Result<()> {
        node_files::remove_path(&*self.node, path).await
    }

    /// Writes the password into a file of this machine, for a person who connects from here.
    pub async fn write_passfile_here(&self, path: &std::path::Path) -> Result<()> {
        let line = format!("*:*:*:*:{}\n", self.password.expose());
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path).await;
        let mut file = file.context(format_args!("creating {}", path.display()))?;
        file.write_all(line.as_bytes()).await.context(format_args!("writing {}", path.display()))?;
        file.flush().await.context(format_args!("writing {}", path.display()))
    }

    /// The command with which a person connects to the server, with the password in `passfile`.
    pub fn connect_hint(&self, passfile: &std::path::Path) -> String {
        format!("PGPASSFILE={} psql {}", passfile.display(), self.address.client_args().join(" "))
    }

    /// The folder of the server's socket, in the node.
    fn socket_dir(&self) -> String {
        match self.node.endpoint() {
            Endpoint::Unix { dir } => dir,
            Endpoint::Tcp { .. } => self.node.dir().to_owned(),
        }
    }
}
