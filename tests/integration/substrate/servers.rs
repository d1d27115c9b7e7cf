//! Real servers in a node.

use std::io;
use std::time::Duration;

use comeback_engine::substrate::{
    Command, Endpoint, Node, NodeSpec, REDIS_PROGRAMS, Reach, RedisProgram, Signal, Software,
};
use comeback_engine::wait;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::kit::require::or_skip;
use crate::kit::substrate_bench::{SubstrateBench, lines, printed, run};

const LIMIT: Duration = Duration::from_mins(1);

async fn initdb(node: &dyn Node) {
    let command = Command::new("initdb").args(["-D", "data", "-U", "postgres", "--auth=trust", "-N"]);
    run(node, &command).await.success("initdb").unwrap();
    let trust = "host all all all trust";
    printed(node, &format!("echo '{trust}' >> data/pg_hba.conf")).await;
}

async fn start(node: &dyn Node) {
    let listen = match node.endpoint() {
        Endpoint::Unix { dir } => ["-k".to_owned(), dir, "-c".to_owned(), "listen_addresses=".to_owned()],
        Endpoint::Tcp { .. } => ["-k", "/tmp", "-c", "listen_addresses=*"].map(str::to_owned),
    };
    let command = Command::new("postgres")
        .args(["-D", "data", "-p", "5432", "-c", "dynamic_shared_memory_type=mmap"])
        .args(listen);
    node.start(&command, "postgres.log").await.unwrap();
}

/// Connects from the host, as soon as the server accepts.
async fn connect(node: &dyn Node) -> PgConnection {
    let options = match node.endpoint() {
        Endpoint::Unix { dir } => PgConnectOptions::new().socket(dir),
        Endpoint::Tcp { host, port } => {
            assert_eq!(host, "127.0.0.1");
            PgConnectOptions::new().host(&host).port(port)
        }
    };
    let options = options.username("postgres").database("postgres");
    wait::until("the server to answer", LIMIT, || async {
        PgConnection::connect_with(&options).await.map_err(|error| error.to_string())
    })
    .await
    .unwrap()
}

async fn count(connection: &mut PgConnection) -> i64 {
    sqlx::query("select count(*) from t").fetch_one(connection).await.unwrap().get(0)
}

pub(super) async fn postgres_answers_on_the_endpoint(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    initdb(&*node).await;
    start(&*node).await;
    let mut connection = connect(&*node).await;
    let answer: i32 = sqlx::query("select 6 * 7").fetch_one(&mut connection).await.unwrap().get(0);
    assert_eq!(answer, 42);
    connection.close().await.unwrap();
    // The server's own setting, which the driver above overrides.
    let zone = run(&*node, &psql(&*node, "show timezone")).await.success("psql").unwrap().text();
    assert!(zone.trim().ends_with("UTC"), "{zone}");
    let beside = bench.node("beside").await;
    let (Endpoint::Unix { dir: host } | Endpoint::Tcp { host, .. }) = node.peer();
    let ask = Command::new("psql").args(["-h", &host, "-p", "5432", "-U", "postgres", "-XAtc", "select 42"]);
    assert_eq!(run(&*beside, &ask).await.success("psql from a neighbour").unwrap().text().trim(), "42");
    node.stop(Signal::Int, LIMIT).await.unwrap();
    let log = printed(&*node, "cat postgres.log").await;
    assert!(log.contains("database system is shut down"), "{log}");
}

pub(super) async fn postgres_survives_a_power_cut(bench: &SubstrateBench) {
    let node = bench.node("primary").await;
    initdb(&*node).await;
    start(&*node).await;
    let mut connection = connect(&*node).await;
    sqlx::query("create table t as select 1").execute(&mut connection).await.unwrap();
    // A backend that does not notice that its server has gone.
    let busy = tokio::spawn(async move {
        sqlx::query("select sum(n) from generate_series(1, 1e10) n").execute(&mut connection).await
    });
    let mut other = connect(&*node).await;
    wait::until("the busy backend", LIMIT, || async {
        let active = "select 1 from pg_stat_activity where query like 'select sum%' and state = 'active'";
        let found = run(&*node, &psql(&*node, active)).await.text();
        if found.trim() == "1" { Ok(()) } else { Err(found) }
    })
    .await
    .unwrap();
    let server = printed(&*node, "head -n 1 data/postmaster.pid").await;
    node.kill().await.unwrap();
    assert!(busy.await.unwrap().is_err() && sqlx::query("select 1").execute(&mut other).await.is_err());
    if bench.is_local() {
        assert!(!segments().iter().any(|creator| *creator == server.trim()), "shared memory of {server}");
    }
    start(&*node).await;
    assert_eq!(count(&mut connect(&*node).await).await, 1);
    let log = printed(&*node, "cat postgres.log").await;
    assert!(log.contains("was not properly shut down; automatic recovery in progress"), "{log}");
}

fn psql(node: &dyn Node, query: &str) -> Command {
    let socket = match node.endpoint() {
        Endpoint::Unix { dir } => dir,
        Endpoint::Tcp { .. } => "/tmp".to_owned(),
    };
    Command::new("psql").args(["-h", &socket, "-U", "postgres", "-XAtc", query])
}

/// Finds the server under any of its names; the checker of files becomes the server when it is started by that name.
async fn redis_server(node: &dyn Node) -> Option<String> {
    let mut missing = String::new();
    for RedisProgram { name, is_checker } in REDIS_PROGRAMS {
        match node.find_program(name).await {
            Ok(path) if is_checker => {
                printed(node, &format!("ln -s {path} redis-server")).await;
                return Some("./redis-server".to_owned());
            }
            Ok(path) => return Some(path),
            Err(error) => missing = error.to_string(),
        }
    }
    or_skip("redis", Err(missing))
}

pub(super) async fn redis_answers_on_the_endpoint(bench: &SubstrateBench) {
    let spec = NodeSpec {
        name: "cache".to_owned(),
        software: Software::Redis,
        major: None,
        port: 6379,
        reach: Reach::Endpoint,
    };
    let node = bench.substrate.create(&spec).await.unwrap();
    let Some(program) = redis_server(&*node).await else { return };
    let server = Command::new(program).args(["--save", "", "--protected-mode", "no"]);
    let server = match node.endpoint() {
        Endpoint::Unix { dir } => server.args(["--port", "0", "--unixsocket", &format!("{dir}/redis.sock")]),
        Endpoint::Tcp { .. } => server.args(["--port", "6379", "--bind", "0.0.0.0"]),
    };
    node.start(&server, "redis.log").await.unwrap();
    let answer = wait::until("Redis to answer", LIMIT, || async {
        ping(&node.endpoint()).await.map_err(|error| error.to_string())
    });
    assert_eq!(answer.await.unwrap(), "+PONG\r\n");
    node.stop(Signal::Term, LIMIT).await.unwrap();
    assert!(printed(&*node, "cat redis.log").await.contains("bye bye"));
}

/// Asks from the host, in Redis's own protocol.
async fn ping(endpoint: &Endpoint) -> io::Result<String> {
    let mut answer = [0; 7];
    match endpoint {
        Endpoint::Unix { dir } => {
            let mut stream = UnixStream::connect(format!("{dir}/redis.sock")).await?;
            stream.write_all(b"PING\r\n").await?;
            stream.read_exact(&mut answer).await?;
        }
        Endpoint::Tcp { host, port } => {
            let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.write_all(b"PING\r\n").await?;
            stream.read_exact(&mut answer).await?;
        }
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The creators of all System V segments of this machine.
fn segments() -> Vec<String> {
    let table = lines("cat", &["/proc/sysvipc/shm"]);
    table.iter().skip(1).filter_map(|line| line.split_whitespace().nth(4).map(str::to_owned)).collect()
}
