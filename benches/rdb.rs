//! How long an RDB file of a million mixed keys takes to be read and fingerprinted, to be loaded by the server,
//! and to be checked by `redis-check-rdb`, and how much memory the first of them needs.
//!
//! `cargo bench --bench rdb`; prints medians and their ratios, measured in turns in one run.
//! `cargo bench --bench rdb -- FILE` reads that file alone, for profiling.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use comeback_harness::stores::redis::rdb::{RdbSummary, fingerprint_rdb};
use comeback_harness::substrate::{
    Command, Endpoint, Io, LocalSubstrate, Node, NodeSpec, RunIdentity, Signal, Software, Substrate,
};
use comeback_harness::{Context as _, Error, Result, wait};

const ROUNDS: usize = 5;
const KEYS: u64 = 1_000_000;
/// Keys that one call of the script makes.
const BATCH: u64 = 50_000;
const LIMIT: Duration = Duration::from_mins(2);

/// Strings, hashes, lists, sets, sorted sets and streams, small and not so small, a fifth of them with an expiry.
const FILL: &str = "
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local kind, key = i % 20, 'key:' .. i
    local function text(n) return string.sub(redis.sha1hex(i .. ':' .. n), 1, 8 + i % 30) end
    if kind < 9 then redis.call('SET', key, kind < 3 and i * 7919 or string.rep(text(0), 1 + i % 3))
    elseif kind < 13 then for n = 1, 3 + i % 3 do redis.call('HSET', key, 'field' .. n, text(n)) end
    elseif kind < 15 then for n = 1, 3 + i % 8 do redis.call('RPUSH', key, text(n)) end
    elseif kind < 16 then for n = 1, 4 + i % 8 do redis.call('SADD', key, i + n * 31) end
    elseif kind < 17 then for n = 1, 4 + i % 8 do redis.call('SADD', key, text(n)) end
    elseif kind < 19 then for n = 1, 3 + i % 8 do redis.call('ZADD', key, i / n, text(n)) end
    else for n = 1, 3 do redis.call('XADD', key, n .. '-1', 'user', text(n), 'at', i) end
    end
    if i % 5 == 0 then redis.call('PEXPIREAT', key, 4102444800000 + i * 977) end
end";

fn main() -> Result<()> {
    if let Some(file) = std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        let (elapsed, summary) = read(&file)?;
        return tell(&format!("{elapsed:.0?} for {} keys, {} bytes", summary.keys, summary.bytes));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("starting the runtime")?.block_on(compare())
}

async fn compare() -> Result<()> {
    let substrate = LocalSubstrate::new(&RunIdentity::random(false)?)?;
    let spec = NodeSpec { name: "bench".to_owned(), software: Software::Redis, major: None, port: 6379 };
    let node = substrate.create(&spec).await?;
    start(&node).await?;
    for from in (0..KEYS).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
        let (from, to) = (from.to_string(), (from + BATCH - 1).to_string());
        ask(&node, &["EVAL", FILL, "0", &from, &to]).await?;
    }
    ask(&node, &["SAVE"]).await?;
    node.stop(Signal::Term, LIMIT).await?;
    let file = format!("{}/dump.rdb", node.dir());
    let check_program = node.find_program("redis-check-rdb").await?;
    let (mut ours, mut loaded, mut checked) = (Vec::new(), Vec::new(), Vec::new());
    let mut summary = None;
    for _ in 0..ROUNDS {
        let path = file.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await.context("reading")??;
        ours.push(read.0);
        summary = Some(read.1);

        start(&node).await?;
        loaded.push(load_time(&node).await?);
        node.stop(Signal::Term, LIMIT).await?;

        let watch = Instant::now();
        let command = Command::new(&check_program).arg(&file);
        node.exec(&command, Io::default()).await?.success("redis-check-rdb")?;
        checked.push(watch.elapsed());
    }
    substrate.remove_all().await?;
    let (ours, loaded, checked) = (median(ours), median(loaded), median(checked));
    let ratio = |other: Duration| other.as_secs_f64() / ours.as_secs_f64();
    let (keys, bytes) = summary.map_or((0, 0), |summary| (summary.keys, summary.bytes));
    tell(&format!(
        "{keys} keys, {:.0} MB, median of {ROUNDS}: read and fingerprinted in {ours:.0?}; redis-server loads it in \
         {loaded:.0?}, {:.2} times as long; redis-check-rdb takes {checked:.0?}, {:.2} times as long; peak memory of \
         this whole program {}",
        bytes as f64 / 1e6,
        ratio(loaded),
        ratio(checked),
        peak_memory()
    ))
}

fn read(path: &str) -> Result<(Duration, RdbSummary)> {
    let watch = Instant::now();
    let summary = fingerprint_rdb(File::open(path).context(path)?)?;
    Ok((watch.elapsed(), summary))
}

fn socket(node: &Arc<dyn Node>) -> Result<String> {
    match node.endpoint() {
        Endpoint::Unix { dir } => Ok(format!("{dir}/redis.sock")),
        Endpoint::Tcp { .. } => Err(Error::could_not_verify("a local node has a socket")),
    }
}

/// Starts the server, which loads the file, and waits until it has.
async fn start(node: &Arc<dyn Node>) -> Result<()> {
    let (server, socket) = (format!("{}/redis-server", node.dir()), socket(node)?);
    // Where there are the tools alone, the checker of files is the server, under its name.
    let program = match node.find_program("redis-server").await {
        Ok(program) => program,
        Err(_) => node.find_program("redis-check-rdb").await?,
    };
    let link = Command::new("ln").args(["-sf", &program, &server]);
    node.exec(&link, Io::default()).await?.success("naming the server")?;
    let command = Command::new(server).args(["--port", "0", "--unixsocket", &socket, "--save", ""]);
    node.exec(&Command::new("rm").args(["-f", "redis.log"]), Io::default()).await?;
    node.start(&command, "redis.log").await?;
    let ready = async || match ask(node, &["PING"]).await {
        Ok(answer) if answer.contains("PONG") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    wait::until("the server to have loaded its data", LIMIT, ready).await
}

async fn ask(node: &Arc<dyn Node>, words: &[&str]) -> Result<String> {
    let socket = socket(node)?;
    let command = Command::new("redis-cli").args(["-s", &socket]).args(words.iter().copied());
    let answer = node.exec(&command, Io::default()).await?.success("redis-cli")?.text();
    if answer.contains("ERR") { Err(Error::could_not_verify(answer)) } else { Ok(answer) }
}

/// What the server itself says: `DB loaded from disk: 2.123 seconds`.
async fn load_time(node: &Arc<dyn Node>) -> Result<Duration> {
    let log = node.exec(&Command::new("cat").arg("redis.log"), Io::default()).await?.text();
    let said = log.split_once("DB loaded from disk: ").and_then(|(_, rest)| rest.split_once(' '));
    let seconds = said.and_then(|(seconds, _)| seconds.parse().ok());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| Error::could_not_verify(format!("no load time in:\n{log}")))
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or_else(|| "unknown".to_owned(), |peak| peak.trim().to_owned())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn tell(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").context("writing the result")
}
