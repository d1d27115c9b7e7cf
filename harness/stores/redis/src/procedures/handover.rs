//! The way back to a region: the writes move to a replica, once.

use comeback_engine::damage::Safeguard;
use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::Phase;

use crate::RedisServer;

/// Moves the writes from one server to its replica, so that only one of them accepts writes at a time, and nothing is
/// lost.
#[derive(Debug, Default)]
pub struct Handover {
    /// The server that serves refuses writes before its replica is promoted.
    pub serving_fenced: Safeguard,
    /// The replica is promoted only when it has everything.
    pub sync_awaited: Safeguard,
}

impl Handover {
    /// Moves the writes.
    pub async fn carry_out(
        &self,
        course: &Course,
        serving: &RedisServer,
        replica: &RedisServer,
    ) -> Result<()> {
        course.step(Phase::Recover, "let Redis refuse writes where it serves");
        if self.serving_fenced.holds() {
            serving.refuse_writes().await?;
        }
        course.step(Phase::Recover, "wait until the replica is in sync, and promote it");
        if self.sync_awaited.holds() {
            replica.wait_until_in_sync(serving).await?;
        }
        replica.promote().await
    }
}
