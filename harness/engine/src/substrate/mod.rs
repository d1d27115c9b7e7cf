//! Where servers run: in containers (`docker`) or as processes (`local`).
//!
//! A [`Substrate`] makes [`Node`]s. A node is a place with a folder of its own in which programs run and one
//! server lives. Whoever starts a thing removes it: [`Substrate::remove_all`] on the ordinary path, the
//! sweep of the reaper for what a killed run left behind.

mod choose;
mod docker;
mod identity;
mod local;
mod probe;
mod processes;
mod reaper;
mod room;
mod scratch;
mod streams;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use choose::{SubstrateChoice, kind_of, open};
pub use docker::{DockerSettings, DockerSubstrate};
pub use identity::RunIdentity;
pub use local::{LocalSubstrate, run_folder};
pub use probe::{DockerProbe, ImageProbe, LocalProbe, ProgramProbe, probe_docker, probe_local};
pub use reaper::{Leftover, SweepOptions, Swept, sweep};
pub use room::{Need, Room};
pub use scratch::Scratch;

use comeback_error::{Error, Result};

/// Which substrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubstrateKind {
    /// Containers of a Docker daemon, through testcontainers.
    Docker,
    /// Processes of this machine.
    Local,
}

impl SubstrateKind {
    /// `docker` or `local`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Local => "local",
        }
    }
}

impl std::fmt::Display for SubstrateKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The server software that a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Software {
    /// PostgreSQL, client programs and contrib included.
    Postgres,
    /// Redis.
    Redis,
}

/// A name under which a distribution keeps the server of Redis or Valkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisProgram {
    /// The name.
    pub name: &'static str,
    /// Whether it is the checker of RDB files. It is the same program: which of the two it is it tells by the
    /// name that it is started under, and packages with tools alone (`redis-tools`) bring no other.
    pub is_checker: bool,
}

/// The names under which the server is looked for, in order.
pub const REDIS_PROGRAMS: [RedisProgram; 4] = [
    RedisProgram { name: "redis-server", is_checker: false },
    RedisProgram { name: "valkey-server", is_checker: false },
    RedisProgram { name: "redis-check-rdb", is_checker: true },
    RedisProgram { name: "valkey-check-rdb", is_checker: true },
];

/// What a node is to be.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// A short name, unique in the run: `primary`, `restored`. Lower-case letters, digits and `-`.
    pub name: String,
    /// What runs in it.
    pub software: Software,
    /// The major version that is preferred, where the substrate has a choice of images. What the node got is for
    /// the caller to find out.
    pub major: Option<u32>,
    /// The TCP port that the server listens on inside the node, and the number in the name of its socket.
    pub port: u16,
}

/// Where the host reaches a node's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A folder for Unix sockets: the server listens there, and on no address.
    Unix {
        /// The folder; it exists, and belongs to the node's user.
        dir: String,
    },
    /// A loopback address of the host. The server listens on every address inside the node.
    Tcp {
        /// Always a loopback address.
        host: String,
        /// The published port.
        port: u16,
    },
}

/// A program and its arguments, run without a shell.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// A name to be found in the node's search path, or a path inside the node.
    pub program: String,
    /// The arguments. Never a secret: every user of the machine can read them.
    pub args: Vec<String>,
    /// Added to the node's environment.
    pub env: BTreeMap<String, String>,
}

impl Command {
    /// A program without arguments.
    pub fn new(program: impl Into<String>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }
}

/// Where a command's standard input comes from and its standard output goes.
#[derive(Default)]
pub struct Io<'a> {
    /// Copied to the end into the standard input; nothing where there is none.
    pub stdin: Option<&'a mut (dyn AsyncRead + Send + Unpin)>,
    /// Takes the standard output; collected into [`Output::stdout`] where there is none.
    pub stdout: Option<&'a mut (dyn AsyncWrite + Send + Unpin)>,
}

/// How a command ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Its exit code; 128 + n where signal n ended it.
    pub code: i32,
    /// What it wrote, unless that was sent elsewhere.
    pub stdout: Vec<u8>,
    /// What it complained about.
    pub stderr: String,
}

impl Output {
    /// The output of a command that ended with 0; otherwise an error with the end of its complaint.
    pub fn success(self, doing: &str) -> Result<Self> {
        if self.code == 0 {
            return Ok(self);
        }
        let lines: Vec<&str> = self.stderr.trim().lines().collect();
        let (earlier, last) = lines.split_at(lines.len().saturating_sub(5));
        // What follows from a full disk says least about it.
        let cause = earlier.iter().find(|line| line.contains("No space left on device"));
        let complaint = cause.into_iter().chain(last).copied().collect::<Vec<_>>().join("; ");
        Err(Error::could_not_verify(format!("{doing}: exit code {}: {complaint}", self.code)))
    }

    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// The signals that a server understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown.
    Int,
}

/// Makes nodes, and removes them.
#[async_trait]
pub trait Substrate: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> SubstrateKind;

    /// A new node, ready to run commands; no server runs in it yet. Asking for a name that is in use is an
    /// error.
    async fn create(&self, spec: &NodeSpec) -> Result<Arc<dyn Node>>;

    /// The same run in another region: nodes of different regions share no network, where the substrate has
    /// networks. Processes of one machine have none between them to cut.
    fn in_region(self: Arc<Self>, region: &str) -> Result<Arc<dyn Substrate>>;

    /// Removes every node of this run that still exists, in every region, killing what runs in it; a run that is to be kept is
    /// left as it is. Doing so twice is no error.
    async fn remove_all(&self) -> Result<()>;
}

/// A place with a folder of its own, in which programs run as an unprivileged user and one server lives.
#[async_trait]
pub trait Node: Send + Sync {
    /// The name from its [`NodeSpec`].
    fn name(&self) -> &str;

    /// The absolute path, inside the node, of the node's own folder: empty at first, private to its user, on
    /// a real disk.
    fn dir(&self) -> &str;

    /// Where the host reaches the server of this node.
    fn endpoint(&self) -> Endpoint;

    /// The path on the host of an absolute path inside the node, where the host sees the node's files and this
    /// process may open them.
    fn host_path(&self, inside: &str) -> Option<PathBuf>;

    /// The path, inside the node, of a program such as `initdb`, wherever the distribution keeps it.
    async fn find_program(&self, name: &str) -> Result<String>;

    /// Runs a command to its end, as the node's user, in the node's folder, streaming in both directions at
    /// once. A command that cannot be started is an error; one that ends with another code than 0 is not.
    /// Dropping the future kills the command.
    async fn exec(&self, command: &Command, io: Io<'_>) -> Result<Output>;

    /// Starts the server of this node in the background; its output is appended to the file `log`, a path
    /// from the node's folder or an absolute one. Starting a second one while the first is running is an
    /// error. Whether the server is ready is for the caller to find out.
    async fn start(&self, command: &Command, log: &str) -> Result<()>;

    /// Whether the server's process is there.
    async fn is_running(&self) -> Result<bool>;

    /// Whether the server has ended by itself: it was started, and neither stopped nor killed through this node.
    async fn has_crashed(&self) -> Result<bool>;

    /// Sends a signal to the server and waits until its process has gone. That there is none is an error:
    /// a server that was to be stopped and had crashed before is worth knowing about.
    async fn stop(&self, signal: Signal, limit: Duration) -> Result<()>;

    /// Kills the server, all that it started and every command that still runs in the node with SIGKILL, as
    /// a power cut would, and waits until they have gone. Shared memory goes with them; the folder stays.
    /// That nothing runs is no error.
    async fn kill(&self) -> Result<()>;

    /// Kills what runs in it and removes everything of it. Doing so twice is no error.
    async fn remove(&self) -> Result<()>;

    /// A line that tells a person how to get a shell in it.
    fn shell_hint(&self) -> String;
}
