//! Starts Redis and Valkey of several versions, with encodings forced by settings: to write and read RDB files.

use std::sync::Arc;
use std::time::Duration;

use comeback_engine::substrate::{Command, Endpoint, Io, Node, NodeSpec, Reach, Signal, Software, Substrate};
use comeback_engine::wait;
use comeback_error::Result;
use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, RedisResult, cmd};

use super::substrates::{BOOKWORM, TRIXIE};
use super::{require, substrates};

const LIMIT: Duration = Duration::from_mins(1);
const PORT: u16 = 6379;
/// A setting that cannot change while a server runs.
const CHECKSUM: &str = "rdbchecksum";
const ARGUMENTS: [&str; 6] = ["--save", "", "--protected-mode", "no", "--databases", "20"];

/// A server product: where it runs, and the name of its program there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Make {
    image: Option<&'static str>,
    program: &'static str,
}

/// Redis 7.0 as a process and in a container, Valkey 8 and Redis 8 in containers.
pub(crate) const MAKES: [Make; 4] = [
    Make { image: None, program: "redis-server" },
    Make { image: Some(BOOKWORM), program: "redis-server" },
    Make { image: Some(TRIXIE), program: "valkey-server" },
    Make { image: Some(TRIXIE), program: "redis-server" },
];

fn socket(dir: &str) -> String {
    format!("{dir}/redis.sock")
}

/// A node with the program in it.
pub(crate) struct RdbBench {
    substrate: Arc<dyn Substrate>,
    node: Arc<dyn Node>,
    program: String,
}

impl RdbBench {
    pub(crate) async fn new(make: Make) -> Option<Self> {
        let need = if make.image.is_some() { "docker" } else { "local" };
        let opened = if let Some(image) = make.image {
            substrates::docker(Some(image)).await
        } else {
            substrates::local()
        };
        let substrate = opened?;
        let (node, program) = require::or_skip(need, Self::open(&*substrate, make).await)?;
        Some(Self { substrate, node, program })
    }

    async fn open(substrate: &dyn Substrate, make: Make) -> Result<(Arc<dyn Node>, String)> {
        let spec = NodeSpec {
            name: "corpus".to_owned(),
            software: Software::Redis,
            major: None,
            port: PORT,
            reach: Reach::Endpoint,
        };
        let found = async {
            let node = substrate.create(&spec).await?;
            let program = match node.find_program(make.program).await {
                Ok(program) => program,
                // The tools alone: the checker of files is the server, under its name.
                Err(missing) => {
                    let checker = node.find_program(&make.program.replace("server", "check-rdb")).await;
                    let link = format!("{}/{}", node.dir(), make.program);
                    let command = Command::new("ln").args(["-sf", &checker.map_err(|_| missing)?, &link]);
                    node.exec(&command, Io::default()).await?.success("naming the server")?;
                    link
                }
            };
            Ok((node, program))
        };
        match found.await {
            Ok((node, program)) => Ok((node, program)),
            Err(error) => {
                substrate.remove_all().await?;
                Err(error)
            }
        }
    }

    /// Starts the server on a file, or empty. Skips settings that it does not know.
    pub(crate) async fn start(&self, settings: &[(&str, &str)], file: Option<&[u8]>) -> Server<'_> {
        self.launch(settings, file).await;
        let connected = wait::until("the server to answer", LIMIT, || self.connect()).await;
        let Ok(connection) = connected else {
            panic!("{connected:?}: {}", self.shell("cat server.log", &[]).await)
        };
        let mut server = Server { bench: self, connection };
        server.set(settings).await;
        server
    }

    /// Whether the server starts on a file. A server that refuses a file stops.
    pub(crate) async fn accepts(&self, file: &[u8]) -> bool {
        self.launch(&[], Some(file)).await;
        let accepted = wait::until("the server to answer or to stop", LIMIT, || async {
            match self.connect().await {
                Ok(_) => Ok(true),
                Err(_) if !self.node.is_running().await.unwrap() => Ok(false),
                Err(error) => Err(error),
            }
        });
        let accepted = accepted.await.unwrap();
        if accepted {
            self.node.stop(Signal::Term, LIMIT).await.unwrap();
        }
        accepted
    }

    async fn launch(&self, settings: &[(&str, &str)], file: Option<&[u8]>) {
        self.shell("rm -f dump.rdb", &[]).await;
        if let Some(file) = file {
            self.shell("cat > dump.rdb", file).await;
        }
        let place = match self.node.endpoint() {
            Endpoint::Unix { dir } => {
                ["--port".to_owned(), "0".to_owned(), "--unixsocket".to_owned(), socket(&dir)]
            }
            Endpoint::Tcp { .. } => ["--port", "6379", "--bind", "0.0.0.0"].map(str::to_owned),
        };
        let checksum = settings.iter().find(|(name, _)| *name == CHECKSUM).map_or("yes", |(_, value)| value);
        let command =
            Command::new(&self.program).args(place).args(ARGUMENTS).args(["--rdbchecksum", checksum]);
        self.node.start(&command, "server.log").await.unwrap();
    }

    async fn connect(&self) -> std::result::Result<MultiplexedConnection, String> {
        let url = match self.node.endpoint() {
            Endpoint::Unix { dir } => format!("redis+unix://{}?protocol=resp2", socket(&dir)),
            Endpoint::Tcp { host, port } => format!("redis://{host}:{port}/"),
        };
        let client = Client::open(url).unwrap();
        let connection = client.get_multiplexed_async_connection().await;
        let mut connection = connection.map_err(|error| error.to_string())?;
        let pong: RedisResult<String> = cmd("PING").query_async(&mut connection).await;
        pong.map(|_| connection).map_err(|error| error.to_string())
    }

    async fn shell(&self, script: &str, mut input: &[u8]) -> String {
        String::from_utf8_lossy(&self.bytes_of(script, &mut input).await).into_owned()
    }

    async fn bytes_of(&self, script: &str, input: &mut &[u8]) -> Vec<u8> {
        let command = Command::new("sh").args(["-c", script]);
        let io = Io { stdin: Some(input), stdout: None };
        self.node.exec(&command, io).await.unwrap().success(script).unwrap().stdout
    }

    pub(crate) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
    }
}

/// A running server.
pub(crate) struct Server<'a> {
    bench: &'a RdbBench,
    connection: MultiplexedConnection,
}

impl Server<'_> {
    /// Changes settings. Skips those that it does not know.
    pub(crate) async fn set(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings.iter().filter(|(name, _)| *name != CHECKSUM) {
            let words: [&[u8]; 4] = [b"CONFIG", b"SET", name.as_bytes(), value.as_bytes()];
            let known: RedisResult<()> = self.try_ask(&words).await;
            if let Err(error) = known {
                assert!(error.to_string().contains("Unknown"), "{name}: {error}");
            }
        }
    }

    pub(crate) async fn try_ask<T: FromRedisValue>(&mut self, words: &[&[u8]]) -> RedisResult<T> {
        let mut command = cmd(std::str::from_utf8(words[0]).unwrap());
        words[1..].iter().for_each(|word| {
            command.arg(*word);
        });
        command.query_async(&mut self.connection).await
    }

    pub(crate) async fn ask<T: FromRedisValue>(&mut self, words: &[&[u8]]) -> T {
        let answer = self.try_ask(words).await;
        match answer {
            Ok(answer) => answer,
            Err(error) => {
                let words: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
                let log = self.bench.shell("tail -n 60 server.log", &[]).await;
                panic!("{}: {error}\n{log}", words.join(" "))
            }
        }
    }

    /// Sends words separated by spaces, and ignores the answer.
    pub(crate) async fn run(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        self.ask::<redis::Value>(&words).await;
    }

    /// Makes the server write its file, and fetches it.
    pub(crate) async fn save(&mut self) -> Vec<u8> {
        self.run("SAVE").await;
        self.bench.bytes_of("cat dump.rdb", &mut &b""[..]).await
    }

    pub(crate) async fn stop(self) {
        self.bench.node.stop(Signal::Term, LIMIT).await.unwrap();
    }
}
