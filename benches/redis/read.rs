//! An RDB file, read by us, by the server and by its checker.

use std::fs::File;
use std::time::{Duration, Instant};

use comeback_engine::substrate::{Command, Io};
use comeback_error::{Context as _, Error, Result};
use comeback_redis::rdb::{RdbSummary, fingerprint_rdb};
use redis::cmd;

use super::bench::{ROUNDS, Table, World, say, start_by_hand, stop_by_hand};

pub(crate) async fn compare() -> Result<()> {
    let world = World::new().await?;
    let server = &world.server;
    server.connect(0).await?.ask::<()>(&cmd("SAVE")).await?;
    server.stop().await?;
    let file = server.rdb_path();
    let checker = server.node().find_program("redis-check-rdb").await?;
    let mut table = Table::default();
    let mut summary = None;
    for _ in 0..ROUNDS {
        let path = file.clone();
        let reading = tokio::task::spawn_blocking(move || read(&path)).await.context("reading")??;
        table.add("read and fingerprinted", reading.0);
        summary = Some(reading.1);

        start_by_hand(server, "").await?;
        table.add("redis-server loads it, as it says itself", load_time(&stop_by_hand(server).await?)?);

        let check = Command::new(&checker).arg(&file);
        let checking = server.node().exec(&check, Io::default());
        table.time("redis-check-rdb", async { checking.await?.success("redis-check-rdb") }).await?;
    }
    world.substrate.remove_all().await?;
    let (keys, bytes) = summary.map_or((0, 0), |summary| (summary.keys, summary.bytes));
    table.print(&format!("an RDB file of {keys} keys and {} MB", bytes / 1_000_000))?;
    say(&format!("  this process took {} at most", peak_memory()?))
}

fn read(path: &str) -> Result<(Duration, RdbSummary)> {
    let watch = Instant::now();
    let summary = fingerprint_rdb(File::open(path).context(path)?)?;
    Ok((watch.elapsed(), summary))
}

/// What the server itself says: `DB loaded from disk: 2.123 seconds`.
fn load_time(log: &str) -> Result<Duration> {
    let said = log.split_once("DB loaded from disk: ").and_then(|(_, rest)| rest.split_once(' '));
    let seconds = said.and_then(|(seconds, _)| seconds.parse().ok());
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| Error::could_not_verify(format!("no load time in:\n{log}")))
}

/// The most memory that this process ever had.
fn peak_memory() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading the memory used")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(peak.unwrap_or(" an unknown amount").trim().to_owned())
}
