//! A server that follows another one, until it takes its place.

use std::time::Duration;

use comeback_engine::substrate::Endpoint;
use comeback_engine::wait;
use comeback_error::{Error, Result};
use redis::cmd;

use super::server::RedisServer;

/// How long a replica may take to load what there is, and to catch up.
const SYNC_LIMIT: Duration = Duration::from_mins(10);
/// More replicas than any server has. Source: Redis, "Replication": with fewer, a server refuses writes.
const TOO_MANY_REPLICAS: u32 = 1_000;
/// The port that is reserved for nobody who answers. Source: RFC 863, the discard service.
const NOBODY: (&str, u16) = ("127.0.0.1", 9);

impl RedisServer {
    /// Starts an empty server as a replica of another one, read-only from its first moment, and waits until it has loaded
    /// everything.
    pub async fn start_as_replica_of(&self, primary: &Self, settings: &[(&str, &str)]) -> Result<()> {
        let Endpoint::Tcp { host, port } = primary.peer() else {
            return Err(Error::usage("a replica cannot follow a server that listens on a socket"));
        };
        let password = self.password().expose();
        let ours = format!("replicaof {host} {port}\nmasterauth {password}\nreplica-read-only yes\n");
        self.configure_with(settings, &ours).await?;
        self.launch().await?;
        self.wait_until_it_answers().await?;
        self.wait_for_offset(primary, primary.offset("master_repl_offset").await?).await
    }

    /// Waits until this replica has everything that its primary has sent by now.
    pub async fn wait_until_in_sync(&self, primary: &Self) -> Result<()> {
        self.wait_for_offset(primary, primary.offset("master_repl_offset").await?).await
    }

    async fn wait_for_offset(&self, primary: &Self, offset: u64) -> Result<()> {
        let what = format!("the replica of {} to be in sync", primary.node().name());
        let stopped = wait::until(&what, SYNC_LIMIT, async || {
            // Without one of them there is nothing to wait for.
            for server in [self, primary] {
                if !server.node().is_running().await.map_err(|error| error.to_string())? {
                    return Ok(Some(server));
                }
            }
            let client = self.connect(0).await.map_err(|error| error.message().to_owned())?;
            let info = client.info("replication").await.map_err(|error| error.message().to_owned())?;
            let told = |name| info.get(name).unwrap_or("?");
            let reached = info.number("slave_repl_offset").unwrap_or_default();
            if told("master_link_status") == "up" && reached >= offset {
                return Ok(None);
            }
            Err(format!(
                "role {}, link {}, at {reached} of {offset}",
                told("role"),
                told("master_link_status")
            ))
        })
        .await?;
        match stopped {
            Some(server) => Err(server.stopped().await?),
            None => Ok(()),
        }
    }

    async fn offset(&self, name: &str) -> Result<u64> {
        self.connect(0).await?.info("replication").await?.number(name)
    }

    /// Fences the running server: it refuses every write, and its replicas go on.
    pub async fn refuse_writes(&self) -> Result<()> {
        let client = self.connect(0).await?;
        client.ask(cmd("CONFIG").arg("SET").arg("min-replicas-to-write").arg(TOO_MANY_REPLICAS)).await
    }

    /// Lets a replica look for its primary where nobody is, so that it stays as it is.
    pub(super) async fn follow_nobody(&self) -> Result<()> {
        self.connect(0).await?.ask(cmd("REPLICAOF").arg(NOBODY.0).arg(NOBODY.1)).await
    }

    /// Ends replication: the server accepts writes.
    pub async fn promote(&self) -> Result<()> {
        self.connect(0).await?.ask(cmd("REPLICAOF").arg("NO").arg("ONE")).await
    }
}
