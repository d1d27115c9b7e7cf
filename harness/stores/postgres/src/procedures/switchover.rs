//! The way back to a region: an old primary that returns is fenced, and the writes move to a standby, once.

use comeback_engine::damage::Safeguard;
use comeback_engine::runner::Course;
use comeback_model::Phase;

use crate::error::Result;
use crate::{PostgresServer, Standby};

/// Moves the writes from one server to another, so that only one of them accepts writes at a time, and nothing is lost.
#[derive(Debug, Default)]
pub struct Switchover {
    /// An old primary that returns is fenced before it starts.
    pub old_primary_fenced: Safeguard,
    /// The standby is a new copy of the server that serves, and not the old data directory.
    pub rebuilt: Safeguard,
    /// The server that serves is fenced before its standby is promoted.
    pub serving_fenced: Safeguard,
    /// The standby is promoted only when it has everything.
    pub replay_awaited: Safeguard,
}

impl Switchover {
    /// Starts an old primary whose machine has returned.
    pub async fn start_old_primary(&self, course: &Course, old: &PostgresServer) -> Result<()> {
        course
            .step(Phase::Disaster, "the machine of the old primary is back: fence its server, then start it");
        if self.old_primary_fenced.holds() { old.start_fenced().await } else { old.start(&[]).await }
    }

    /// Makes a standby of the server that serves, in an empty node. A slot of this name keeps the log for it.
    pub async fn rebuild(
        &self,
        course: &Course,
        node: PostgresServer,
        old: &PostgresServer,
        serving: &PostgresServer,
        slot: &str,
    ) -> Result<Standby> {
        course.step(Phase::Recover, "make a standby of the server that serves, from a new copy");
        if self.rebuilt.holds() {
            Standby::build(node, serving, slot).await
        } else {
            Standby::reuse(old.clone()).await
        }
    }

    /// Moves the writes: the application has been stopped, and its connections are ended here if it was not.
    pub async fn carry_out(
        &self,
        course: &Course,
        serving: &PostgresServer,
        standby: &Standby,
    ) -> Result<()> {
        course.step(
            Phase::Recover,
            "fence the server that serves: no log-in of the application, no connection",
        );
        if self.serving_fenced.holds() {
            serving.fence().await?;
        }
        let end = serving.flushed().await?;
        course.note(format!("its log ends at {end}"));

        course.step(Phase::Recover, "wait until the standby has replayed the log to its end, and promote it");
        if self.replay_awaited.holds() {
            standby.wait_until_replayed(end).await?;
        }
        let timeline = standby.promote().await?;
        course.note(format!("it accepts writes, on timeline {timeline}"));
        Ok(())
    }
}
