//! A proxy in front of a server that interferes once, at a given command.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use comeback_engine::secret::Secret;
use comeback_engine::substrate::Endpoint;
use comeback_redis::{RedisAddress, RedisServer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

/// How a proxy interferes.
#[derive(Debug, Clone)]
pub(super) enum Trick {
    /// Cuts the connection before the server receives the command.
    CutBefore,
    /// Cuts the connection after the server has run the command, before its answer is read.
    CutAfter,
    /// Changes the byte before this text.
    Alter(&'static [u8]),
    /// First sends a command to a database of the server, as another client would.
    First(u32, Vec<&'static str>),
}

struct Shared {
    server: RedisServer,
    upstream: String,
    at: &'static [u8],
    trick: Trick,
    is_done: AtomicBool,
}

/// Removed together with its connections.
pub(super) struct Proxy {
    pub(super) address: RedisAddress,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts in front of a local server. Interferes when `at` is sent for the first time.
    pub(super) fn start(
        server: &RedisServer,
        folder: &Path,
        password: &Secret,
        (at, trick): (&'static [u8], Trick),
    ) -> Self {
        let Endpoint::Unix { dir } = server.node().endpoint() else { panic!("a local server has a socket") };
        let socket = folder.join("proxy.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let upstream = format!("{dir}/redis.sock");
        let is_done = AtomicBool::new(false);
        let shared = Arc::new(Shared { server: server.clone(), upstream, at, trick, is_done });
        let mut tasks = JoinSet::new();
        let passing = shared.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass(passing.clone(), client));
            }
        });
        let address = RedisAddress::parse(&format!("unix://{}", socket.display())).unwrap();
        Self { address: address.with_password(Some(password.clone())), shared, _tasks: tasks }
    }

    /// Whether it has interfered.
    pub(super) fn is_done(&self) -> bool {
        self.shared.is_done.load(Ordering::SeqCst)
    }
}

async fn pass(shared: Arc<Shared>, client: UnixStream) {
    let Ok(server) = UnixStream::connect(&shared.upstream).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let is_deaf = AtomicBool::new(false);
    // Where one direction ends, so does the other.
    tokio::select! {
        () = requests(&shared, &is_deaf, from_client, to_server) => {}
        () = answers(&is_deaf, from_server, to_client) => {}
    }
}

async fn requests(
    shared: &Shared,
    is_deaf: &AtomicBool,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let bytes = &mut buffer[..count];
        if contains(bytes, shared.at).is_some() && !shared.is_done.swap(true, Ordering::SeqCst) {
            match &shared.trick {
                Trick::CutBefore => return,
                Trick::CutAfter => is_deaf.store(true, Ordering::SeqCst),
                Trick::Alter(before) => {
                    let at = contains(bytes, before).expect("what is to be altered is in one piece");
                    bytes[at - 1] ^= 1;
                }
                Trick::First(database, words) => {
                    let mut command = redis::cmd(words[0]);
                    words[1..].iter().for_each(|word| {
                        command.arg(word);
                    });
                    let client = shared.server.connect(*database).await.unwrap();
                    client.ask::<redis::Value>(&command).await.unwrap();
                }
            }
        }
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn answers(is_deaf: &AtomicBool, mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if is_deaf.load(Ordering::SeqCst) || to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
