//! What the comparisons share: a server with a million keys.

use std::sync::Arc;

use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Endpoint, Io, LocalSubstrate, RunIdentity, Substrate};
use comeback_error::{Error, Result};
use comeback_redis::RedisServer;
use redis::cmd;

pub(crate) use super::table::{Table, say};

/// Turns of each comparison.
pub(crate) const ROUNDS: usize = 5;
const KEYS: u64 = 1_000_000;
/// Keys that one call of the script makes.
const BATCH: u64 = 50_000;

const FILL: &str = "
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    local kind, key = i % 20, 'key:' .. i
    local function text(n) return string.sub(redis.sha1hex(i .. ':' .. n), 1, 26 + i % 15) end
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

/// A substrate, and a server with a million keys.
pub(crate) struct World {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) server: RedisServer,
    pub(crate) password: Secret,
}

impl World {
    pub(crate) async fn new() -> Result<Self> {
        let substrate: Arc<dyn Substrate> = Arc::new(LocalSubstrate::new(&RunIdentity::random(false)?)?);
        let password = Secret::random()?;
        let server = RedisServer::create(&*substrate, "primary", &password).await?;
        server.start(&[]).await?;
        let client = server.connect(0).await?;
        for from in (0..KEYS).step_by(usize::try_from(BATCH).unwrap_or(usize::MAX)) {
            client.ask::<()>(cmd("EVAL").arg(FILL).arg(0).arg(from).arg(from + BATCH - 1)).await?;
        }
        Ok(Self { substrate, server, password })
    }
}

/// Starts a server by hand on what is in its data directory, as a person would, and waits until it has loaded it.
/// `place` is what comes before that.
pub(crate) async fn start_by_hand(server: &RedisServer, place: &str) -> Result<()> {
    let Endpoint::Unix { dir } = server.node().endpoint() else {
        return Err(Error::could_not_verify("a local node has a socket"));
    };
    let program = program_of(server).await?;
    let script = format!(
        "set -euo pipefail\ncd {data}\n{place}\n\
         {program} --port 0 --unixsocket {dir}/by-hand.sock --save '' > ../by-hand.log 2>&1 &\n\
         until [ \"$(redis-cli -s {dir}/by-hand.sock ping 2>&1)\" = PONG ]; do kill -0 $!; sleep 0.02; done\n\
         echo $! > ../by-hand.pid\n",
        data = server.data_dir(),
    );
    let command = Command::new("bash").args(["-c", &script]);
    server.node().exec(&command, Io::default()).await?.success("starting a server by hand").map(drop)
}

/// Ends what was started by hand, and gives what it said.
pub(crate) async fn stop_by_hand(server: &RedisServer) -> Result<String> {
    let script = "cd \"$0\"; kill -9 $(cat by-hand.pid); cat by-hand.log";
    let command = Command::new("bash").args(["-c", script, server.node().dir()]);
    Ok(server.node().exec(&command, Io::default()).await?.success("ending the server")?.text())
}

/// The program of the server; where there are the tools alone, their checker of files under a name that makes it one.
async fn program_of(server: &RedisServer) -> Result<String> {
    match server.node().find_program("redis-server").await {
        Ok(program) => Ok(program),
        Err(_) => Ok(format!("{}/redis-server", server.node().dir())),
    }
}
