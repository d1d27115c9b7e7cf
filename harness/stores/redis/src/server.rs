//! A throw-away Redis or Valkey server in a node.

use std::sync::Arc;
use std::time::Duration;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{
    Command, Endpoint, Io, Node, NodeSpec, REDIS_PROGRAMS, Reach, RedisProgram, Signal, Software, Substrate,
    write_private,
};
use comeback_engine::{died, wait};
use comeback_error::{Context as _, Error, Result};
use redis::cmd;
use tokio::io::AsyncWriteExt as _;

use super::address::RedisAddress;
use super::client::RedisClient;
use super::version::RedisVersion;

/// The name of the file in the data directory that a server loads at its start.
pub(super) const RDB: &str = "dump.rdb";
/// The port in the node.
pub(super) const PORT: u16 = 6379;
/// How long a server may take to load its data and answer after its start.
const START_LIMIT: Duration = Duration::from_mins(5);
/// The pause between two queries of a server that is loading.
const LOOK_AT_LOADING: Duration = Duration::from_millis(500);
/// How long a server may take to stop: it may write a last snapshot.
const STOP_LIMIT: Duration = Duration::from_mins(2);
/// Settings that would make a server listen elsewhere, replicate another one, or accept clients without a
/// password.
const OURS: [&str; 11] = [
    "replicaof",
    "slaveof",
    "bind",
    "port",
    "tls-port",
    "unixsocket",
    "requirepass",
    "protected-mode",
    "cluster-enabled",
    "include",
    "aclfile",
];
/// A Redis or Valkey server: its node, program and password.
#[derive(Clone)]
pub struct RedisServer {
    node: Arc<dyn Node>,
    program: String,
    version: RedisVersion,
    password: Secret,
}

impl RedisServer {
    /// Creates a node with the server's program. Nothing runs in it yet.
    pub async fn create(substrate: &dyn Substrate, name: &str, password: &Secret) -> Result<Self> {
        Self::create_reached(substrate, name, password, Reach::Endpoint).await
    }

    /// Like [`create`](Self::create), for a server that listens on a port on every substrate, because a replica cannot
    /// follow a socket.
    pub async fn create_on_a_port(substrate: &dyn Substrate, name: &str, password: &Secret) -> Result<Self> {
        Self::create_reached(substrate, name, password, Reach::own_loopback()?).await
    }

    async fn create_reached(
        substrate: &dyn Substrate,
        name: &str,
        password: &Secret,
        reach: Reach,
    ) -> Result<Self> {
        let spec =
            NodeSpec { name: name.to_owned(), software: Software::Redis, major: None, port: PORT, reach };
        let node = substrate.create(&spec).await?;
        let program = find_program(&*node).await?;
        let output = node.exec(&Command::new(&program).arg("--version"), Io::default()).await?;
        let version = RedisVersion::parse(&output.success("asking the server for its version")?.text())?;
        let server = Self { node, program, version, password: password.clone() };
        let make = Command::new("mkdir").args(["-p", "-m", "0700", "--", &server.data_dir()]);
        server.node.exec(&make, Io::default()).await?.success("creating the data directory")?;
        Ok(server)
    }

    /// The node that the server runs in.
    pub fn node(&self) -> &dyn Node {
        &*self.node
    }

    /// The server program and its version.
    pub fn version(&self) -> &RedisVersion {
        &self.version
    }

    /// The data directory in the node.
    pub fn data_dir(&self) -> String {
        format!("{}/data", self.node.dir())
    }

    /// The file in the node that the server loads at its start.
    pub fn rdb_path(&self) -> String {
        format!("{}/{RDB}", self.data_dir())
    }

    fn config_path(&self) -> String {
        format!("{}/server.conf", self.node.dir())
    }

    fn log_path(&self) -> String {
        format!("{}/server.log", self.node.dir())
    }

    /// The server's address from here, with the administrator's log-in.
    pub fn address(&self) -> RedisAddress {
        match self.node.endpoint() {
            Endpoint::Unix { dir } => RedisAddress::unix(format!("{dir}/redis.sock"), &self.password),
            Endpoint::Tcp { host, port } => RedisAddress::tcp(&host, port, &self.password),
        }
    }

    /// Where the other nodes of its region reach it.
    pub(super) fn peer(&self) -> Endpoint {
        self.node.peer()
    }

    /// The administrator's password.
    pub(super) fn password(&self) -> &Secret {
        &self.password
    }

    /// Where other nodes of its region reach it, as configurations name it: the folder of its socket, or its host.
    pub fn peer_place(&self) -> String {
        match self.node.peer() {
            Endpoint::Unix { dir } => dir,
            Endpoint::Tcp { host, .. } => host,
        }
    }

    /// The URL with which an application in another node connects, without a password.
    pub fn peer_url(&self, user: &str) -> String {
        match self.node.peer() {
            Endpoint::Unix { dir } => {
                let dir = dir.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
                format!("redis+unix://{dir}/redis.sock?user={user}")
            }
            Endpoint::Tcp { host, port } => format!("redis://{user}@{host}:{port}"),
        }
    }

    /// Starts the server with additional settings, and waits until it has loaded its data and answers.
    pub async fn start(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.configure(settings).await?;
        self.launch().await?;
        self.wait_until_it_answers().await
    }

    /// Writes the configuration with which the server will start.
    ///
    /// The server writes to its disk only if a setting says so: no snapshot (`save ""`), no append-only file.
    /// It listens only at its node's endpoint, requires the password, and does not replicate. The settings
    /// are in a file that only its user can read, because everybody can read arguments.
    pub(super) async fn configure(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.configure_with(settings, "").await
    }

    /// Like [`configure`](Self::configure), with further lines of ours.
    pub(super) async fn configure_with(&self, settings: &[(&str, &str)], ours: &str) -> Result<()> {
        let is_ours = |(name, value): &&(&str, &str)| {
            OURS.contains(&name.to_lowercase().as_str()) || name.contains('\n') || value.contains('\n')
        };
        if let Some((name, _)) = settings.iter().find(is_ours) {
            return Err(Error::usage(format!(
                "the setting `{name}` of a throw-away server is not for others to make"
            )));
        }
        // The folder of the socket admits only who may reach the server; in a container, its user has another number.
        let endpoint = match self.node.listen() {
            Endpoint::Unix { dir } => format!("port 0\nunixsocket {dir}/redis.sock\nunixsocketperm 777\n"),
            // The container's port is published on loopback only.
            Endpoint::Tcp { host, port } => format!("port {port}\nbind {host}\n"),
        };
        // Throw-away servers have no other replica to wait for before they send a snapshot.
        let quiet = "save \"\"\nappendonly no\nloglevel notice\nrepl-diskless-sync-delay 0\n";
        let wanted = settings.iter().map(|(name, value)| [name, " ", value, "\n"].concat());
        let config = [
            quiet,
            &wanted.collect::<String>(),
            &endpoint,
            &format!("dir {}\ndbfilename {RDB}\ndaemonize no\nlogfile \"\"\n", self.data_dir()),
            &format!("protected-mode yes\nrequirepass {}\n", self.password.expose()),
            ours,
        ]
        .concat();
        self.write_file(&self.config_path(), config.as_bytes()).await
    }

    /// Starts the [configured](Self::configure) server, without waiting.
    pub(super) async fn launch(&self) -> Result<()> {
        let command = Command::new(&self.program).arg(self.config_path());
        self.node.start(&command, &self.log_path()).await
    }

    /// Waits until the server has loaded its data and answers.
    pub(super) async fn wait_until_it_answers(&self) -> Result<()> {
        let answered = wait::until("the server to answer", START_LIMIT, async || {
            // A server that has stopped will not answer: stop waiting.
            if !self.node.is_running().await.map_err(|error| error.to_string())? {
                return Ok(false);
            }
            let client = self.connect(0).await.map_err(|error| error.message().to_owned())?;
            let info = client.info("persistence").await.map_err(|error| error.message().to_owned())?;
            if info.get("loading") != Some("0") {
                return Err(format!("it has loaded {} %", info.get("loading_loaded_perc").unwrap_or("?")));
            }
            client.ask::<String>(&cmd("PING")).await.map_err(|error| error.message().to_owned())?;
            Ok(true)
        });
        if answered.await? { Ok(()) } else { Err(self.stopped().await?) }
    }

    /// Waits until the server has loaded its data and answers; an error if it stops. Loading has no time
    /// limit. The queries are far apart, because each costs the server time.
    pub(super) async fn end_of_loading(&self) -> Result<()> {
        loop {
            if !self.node.is_running().await? {
                return Err(self.stopped().await?);
            }
            if let Ok(client) = self.connect(0).await
                && let Ok(info) = client.info("persistence").await
                && info.get("loading") == Some("0")
            {
                return Ok(());
            }
            wait::rest(LOOK_AT_LOADING, std::future::pending::<()>()).await;
        }
    }

    /// The error for a server that stopped by itself, with its last message.
    pub(super) async fn stopped(&self) -> Result<Error> {
        Ok(died(self.node.name(), &end_of(&self.read_log().await?)))
    }

    /// The server's last message if it ended by itself; `None` if it runs, or if we stopped or killed it.
    pub async fn last_words(&self) -> Result<Option<String>> {
        Ok(if self.node.has_crashed().await? { Some(end_of(&self.read_log().await?)) } else { None })
    }

    /// Connects to a database as administrator.
    pub async fn connect(&self, database: u32) -> Result<RedisClient> {
        RedisClient::connect(&self.address(), database).await
    }

    /// Shuts the server down normally.
    pub async fn stop(&self) -> Result<()> {
        self.node.stop(Signal::Term, STOP_LIMIT).await
    }

    /// Kills the server and deletes its data directory: the disaster of a lost machine.
    pub async fn destroy(&self) -> Result<()> {
        self.node.kill().await?;
        let remove = Command::new("rm").args(["-rf", "--", &self.data_dir()]);
        self.node.exec(&remove, Io::default()).await?.success("deleting the data directory").map(drop)
    }

    /// The log of the server.
    pub async fn read_log(&self) -> Result<String> {
        let output = self.node.exec(&Command::new("cat").arg(self.log_path()), Io::default()).await?;
        Ok(output.success("reading the server's log")?.text())
    }

    /// The names in the data directory.
    pub async fn list_data(&self) -> Result<Vec<String>> {
        let output =
            self.node.exec(&Command::new("ls").args(["-A", "--", &self.data_dir()]), Io::default()).await?;
        Ok(output.success("listing the data directory")?.text().lines().map(ToOwned::to_owned).collect())
    }

    /// Enables the append-only file, and waits until it holds everything in memory. From then on the server
    /// starts from it and not from the snapshot.
    pub async fn enable_append_only(&self) -> Result<()> {
        let client = self.connect(0).await?;
        client.ask::<()>(cmd("CONFIG").arg("SET").arg("appendonly").arg("yes")).await?;
        wait::until("the append-only file to be written", START_LIMIT, || async {
            let info = client.info("persistence").await.map_err(|error| error.message().to_owned())?;
            let field = |name| info.get(name).unwrap_or("?");
            match (field("aof_enabled"), field("aof_rewrite_in_progress"), field("aof_rewrite_scheduled")) {
                ("1", "0", "0") if field("aof_last_bgrewrite_status") == "ok" => Ok(()),
                found => Err(format!("enabled, in progress, scheduled: {found:?}")),
            }
        })
        .await
    }

    /// Writes a small file in the node that only the node's user can read.
    pub(super) async fn write_file(&self, path: &str, content: &[u8]) -> Result<()> {
        write_private(&*self.node, path, content).await
    }

    /// Writes the password into a file of this machine, for a person who connects from here.
    pub async fn write_passfile_here(&self, path: &std::path::Path) -> Result<()> {
        let mut options = tokio::fs::OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path).await;
        let mut file = file.context(format_args!("creating {}", path.display()))?;
        let doing = format!("writing {}", path.display());
        file.write_all(self.password.expose().as_bytes()).await.context(&doing)?;
        file.flush().await.context(&doing)
    }

    /// The command with which a person connects to the server, with the password in `passfile`.
    pub fn connect_hint(&self, passfile: &std::path::Path) -> String {
        let place = match self.node.endpoint() {
            Endpoint::Unix { dir } => format!("-s {dir}/redis.sock"),
            Endpoint::Tcp { host, port } => format!("-h {host} -p {port}"),
        };
        format!("REDISCLI_AUTH=$(cat {}) redis-cli {place}", passfile.display())
    }
}

/// The last warning of a log, or else its last line.
fn end_of(log: &str) -> String {
    let last = log.lines().rev().find(|line| line.contains(" # ")).or(log.lines().last());
    last.map_or("its log is empty", |line| line.split_once(" # ").map_or(line, |(_, said)| said)).to_owned()
}

/// Finds the server's program under its possible names.
async fn find_program(node: &dyn Node) -> Result<String> {
    let mut missing = None;
    for RedisProgram { name, is_checker } in REDIS_PROGRAMS {
        match node.find_program(name).await {
            Ok(path) if is_checker => {
                let own = format!("{}/redis-server", node.dir());
                let link = Command::new("ln").args(["-s", "--", &path, &own]);
                node.exec(&link, Io::default()).await?.success("giving the server its name")?;
                return Ok(own);
            }
            Ok(path) => return Ok(path),
            // Report the first one: that is the one to install.
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    Err(missing.unwrap_or_else(|| Error::could_not_verify("there is no program of a Redis server")))
}
