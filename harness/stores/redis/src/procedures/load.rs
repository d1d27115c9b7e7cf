//! Restores a lost server as a new one that loads a snapshot.

use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::{KeyspaceFingerprint, Manifest, Phase, Verdict};

use crate::judges::KeyCounts;
use crate::{RedisAddress, RedisNodes as _, RedisServer, RestoreSettings, restore_snapshot};

/// A new server that has loaded a snapshot.
pub struct SnapshotLoad<'a> {
    /// The server.
    pub server: RedisServer,
    recorded: &'a KeyspaceFingerprint,
}

impl<'a> SnapshotLoad<'a> {
    /// Starts a server that loads and checks a whole snapshot.
    pub async fn start(
        course: &mut Course,
        name: &str,
        snapshot: &'a Manifest,
        settings: &RestoreSettings,
    ) -> Result<Self> {
        course.step(
            Phase::Recover,
            "start a new server that loads it while it is fetched and checked, with the append-only file off, and turn \
             that on once the data is in memory",
        );
        let (_, recorded) = snapshot.content.keyspace()?;
        let server = course.redis_node(name).await?;
        let outcome = restore_snapshot(&server, course.repository(), snapshot, settings).await;
        let (read, loaded) = course.restored(outcome)?;
        course.note(format!(
            "loaded {} keys out of {} bytes; {} had expired",
            loaded.keys, read.bytes, loaded.expired
        ));
        Ok(Self { server, recorded })
    }

    /// The address of the server.
    pub fn address(&self) -> RedisAddress {
        self.server.address()
    }

    /// Counts the keys. The verdict is that of the count.
    pub async fn count_keys(&self, course: &Course) -> Verdict {
        course.step(Phase::Recover, "verify the number of keys against the snapshot's manifest");
        let (server, recorded) = (&self.address(), self.recorded);
        course.judge(&KeyCounts { server, recorded, set_aside: &[] }).await
    }
}
