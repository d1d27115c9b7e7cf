//! Where servers run: in containers (`docker`) or as processes (`local`).
//!
//! A [`Substrate`] creates [`Node`]s. A node is a place with its own folder in which programs run and one server
//! lives. The creator removes what it starts: [`Substrate::remove_all`] on the ordinary path, and the reaper's
//! sweep for the remains of a killed run.

mod cell;
mod choose;
mod disk;
mod docker;
mod identity;
mod local;
mod private_file;
mod probe;
mod processes;
mod reach;
mod reaper;
mod room;
mod scratch;
mod software;
mod streams;
mod workplace;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use cell::{Cell, Contained};
pub use choose::{SubstrateChoice, kind_of, open};
pub(crate) use disk::free_bytes;
pub use docker::{DockerSettings, DockerSubstrate};
pub use identity::RunIdentity;
pub use local::{LocalSubstrate, run_folder, set_scratch_dir};
pub use private_file::write_private;
pub use probe::{DockerProbe, ImageProbe, LocalProbe, ProgramProbe, probe_docker, probe_local};
pub use reach::{Endpoint, Reach, free_port};
pub use reaper::{Leftover, SweepOptions, Swept, sweep};
pub(crate) use room::megabytes;
pub use room::{Need, Room};
pub use scratch::Scratch;
pub use software::SoftwareChoice;
pub use workplace::workplace;

use comeback_error::{Error, Result};

/// The kind of substrate.
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

/// The server software of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Software {
    /// PostgreSQL, client programs and contrib included.
    Postgres,
    /// Redis.
    Redis,
    /// BIND 9: its server, `named`.
    Bind,
    /// A program that the caller puts into the node. No server program is needed.
    Application,
}

/// A name of the server of Redis or Valkey in a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisProgram {
    /// The name.
    pub name: &'static str,
    /// Whether it is the checker of RDB files. Checker and server are the same program, which decides by the name
    /// that starts it. Packages with only tools (`redis-tools`) contain only this name.
    pub is_checker: bool,
}

/// The names to search for, in order.
pub const REDIS_PROGRAMS: [RedisProgram; 4] = [
    RedisProgram { name: "redis-server", is_checker: false },
    RedisProgram { name: "valkey-server", is_checker: false },
    RedisProgram { name: "redis-check-rdb", is_checker: true },
    RedisProgram { name: "valkey-check-rdb", is_checker: true },
];

/// The specification of a node.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// A short name, unique in the run: `primary`, `restored`. Lower-case letters, digits and `-`.
    pub name: String,
    /// The server software.
    pub software: Software,
    /// The preferred major version, if the substrate has a choice of images. The node may have another one; the
    /// caller must check.
    pub major: Option<u32>,
    /// The TCP port that the server listens on inside the node, and the number in the name of its socket. A process of
    /// this machine that is reached at an address listens on the port of that address.
    pub port: u16,
    /// How the host reaches the server.
    pub reach: Reach,
}

/// A program and its arguments, run without a shell.
#[derive(Debug, Clone, Default)]
pub struct Command {
    /// A name in the node's search path, or a path inside the node.
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

/// The source of a command's standard input, and the destination of its standard output.
#[derive(Default)]
pub struct Io<'a> {
    /// Copied to the end into the standard input; `None` for no input.
    pub stdin: Option<&'a mut (dyn AsyncRead + Send + Unpin)>,
    /// Receives the standard output; if `None`, it is collected in [`Output::stdout`].
    pub stdout: Option<&'a mut (dyn AsyncWrite + Send + Unpin)>,
}

/// How a command ended.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Its exit code; 128 + n if signal n ended it.
    pub code: i32,
    /// Its standard output, unless that was sent elsewhere.
    pub stdout: Vec<u8>,
    /// Its standard error, or the end of it.
    pub stderr: String,
}

impl Output {
    /// The output of a command that ended with 0; otherwise an error with the end of its standard error.
    pub fn success(self, doing: &str) -> Result<Self> {
        if self.code == 0 {
            return Ok(self);
        }
        let lines: Vec<&str> = self.stderr.trim().lines().collect();
        let (earlier, last) = lines.split_at(lines.len().saturating_sub(5));
        // After a full disk, the last lines say the least about it.
        let cause = earlier.iter().find(|line| line.contains("No space left on device"));
        let complaint = cause.into_iter().chain(last).copied().collect::<Vec<_>>().join("; ");
        Err(Error::could_not_verify(format!("{doing}: exit code {}: {complaint}", self.code)))
    }

    /// The standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Signals to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM.
    Term,
    /// SIGINT: PostgreSQL's fast shutdown.
    Int,
}

/// Creates and removes nodes.
#[async_trait]
pub trait Substrate: Send + Sync {
    /// Its kind.
    fn kind(&self) -> SubstrateKind;

    /// Creates a node, ready to run commands, without a server. A name that is in use is an error.
    async fn create(&self, spec: &NodeSpec) -> Result<Arc<dyn Node>>;

    /// The same run in another region. Nodes of different regions share no network, if the substrate has networks.
    /// Processes of one machine have no network between them to cut.
    fn in_region(self: Arc<Self>, region: &str) -> Result<Arc<dyn Substrate>>;

    /// The same run, whose new nodes have the server software that the user chose. A choice that this substrate cannot
    /// use is an error of the kind *usage*.
    fn with_software(self: Arc<Self>, choice: &SoftwareChoice) -> Result<Arc<dyn Substrate>>;

    /// The same run, whose new nodes are for code of somebody else: they have no network, a user that owns nothing
    /// else, no other writable place than their own folder, and limits. A machine that cannot do that gives an error
    /// with the ways out. The endpoint of such a node is always a socket: another [`Reach`] is refused.
    fn contained(self: Arc<Self>, cell: Cell) -> Result<Contained>;

    /// Removes every node of this run that still exists, in every region, and kills what runs in it. A run that is
    /// to be kept stays as it is. Safe to repeat.
    async fn remove_all(&self) -> Result<()>;
}

/// A place with its own folder, in which programs run as an unprivileged user and one server lives.
#[async_trait]
pub trait Node: Send + Sync {
    /// The name from its [`NodeSpec`].
    fn name(&self) -> &str;

    /// The absolute path of the node's own folder, inside the node: empty at first, private to its user, on a real
    /// disk.
    fn dir(&self) -> &str;

    /// Where the host reaches the server of this node.
    fn endpoint(&self) -> Endpoint;

    /// Where the server must listen, as it sees it: in the folder of its sockets, or at an address, which is `0.0.0.0`
    /// in a container.
    fn listen(&self) -> Endpoint {
        self.endpoint()
    }

    /// Where the other nodes of its region reach the server.
    fn peer(&self) -> Endpoint {
        self.endpoint()
    }

    /// The path on the host of an absolute path inside the node; `None` if the host cannot see the node's files or
    /// this process may not open them.
    fn host_path(&self, inside: &str) -> Option<PathBuf>;

    /// The path, inside the node, of a program such as `initdb`, wherever the distribution installs it.
    async fn find_program(&self, name: &str) -> Result<String>;

    /// Whether the user chose a folder of programs, which come before those that the distribution installed.
    fn has_chosen_programs(&self) -> bool {
        false
    }

    /// Runs a command to its end, as the node's user, in the node's folder, streaming in both directions at once. A
    /// command that cannot be started is an error; an exit code other than 0 is not. Dropping the future kills the
    /// command.
    async fn exec(&self, command: &Command, io: Io<'_>) -> Result<Output>;

    /// Starts the server of this node in the background. Its output is appended to the file `log`, an absolute path
    /// or one relative to the node's folder. Starting a second server while the first is running is an error. This
    /// does not wait until the server is ready.
    async fn start(&self, command: &Command, log: &str) -> Result<()>;

    /// Whether the server's process exists.
    async fn is_running(&self) -> Result<bool>;

    /// Whether the server has ended by itself: it was started, and was not stopped or killed through this node.
    async fn has_crashed(&self) -> Result<bool>;

    /// Sends a signal to the server and waits until its process has ended. Stopping a server that is not running is
    /// an error: it crashed unnoticed.
    async fn stop(&self, signal: Signal, limit: Duration) -> Result<()>;

    /// Kills the server, its children and every running command in the node with SIGKILL, like a power cut, and
    /// waits until they have ended. Shared memory is removed; the folder stays. Succeeds if nothing is running.
    async fn kill(&self) -> Result<()>;

    /// Kills what runs in the node and removes everything of it. Safe to repeat.
    async fn remove(&self) -> Result<()>;

    /// A line that tells a person how to get a shell in the node.
    fn shell_hint(&self) -> String;
}
