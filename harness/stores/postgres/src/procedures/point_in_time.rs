//! Restores a database on a new server as it was at a target.

use comeback_engine::runner::Course;
use comeback_model::{Phase, RecoveryTarget};

use crate::error::Result;
use crate::judges::UnpackedFiles;
use crate::{
    AtTarget, PostgresNodes as _, PostgresServer, Recovery, fetch_base_backup, fetch_log, promote, recover_to,
};

/// A recovery to a target, on a new server.
pub struct PointInTimeRecovery {
    /// The server.
    pub server: PostgresServer,
    recovery: Recovery,
}

impl PointInTimeRecovery {
    /// Chooses the backup and the log, creates a node and unpacks the backup there.
    pub async fn fetch(course: &mut Course, name: &str, target: RecoveryTarget) -> Result<Self> {
        course.step(
            Phase::Recover,
            "on a new server, fetch the newest base backup that ended before that moment",
        );
        let planned = Recovery::plan(&course.shared_repository(), target).await;
        let recovery = course.restored(planned)?;
        let server = course.postgres_node_for(name, &recovery.backup).await?;
        let fetched = fetch_base_backup(&server, course.repository(), &recovery.backup).await;
        course.restored(fetched)?;
        course.note(format!("fetched backup {}", recovery.backup.id));
        course.insist(&UnpackedFiles { server: &server }).await?;
        Ok(Self { server, recovery })
    }

    /// Replays the log. The server then waits at the target, for inspection.
    pub async fn replay(&self, course: &Course) -> Result<()> {
        course.step(Phase::Recover, "fetch the log from there to that moment, and check every segment");
        let Self { server, recovery } = self;
        let fetched = fetch_log(server, recovery).await;
        let log = course.restored(fetched)?;
        course.note("a segment that was checked is replayed while the next one is fetched");

        course.step(Phase::Recover, "start it and wait until its log says that it stops there");
        let stopped = recover_to(server, &recovery.backup, &recovery.target, log, AtTarget::Pause).await;
        let stopped = course.restored(stopped)?;
        course.note(format!("fetched and checked {} segments", stopped.fetched_segments));
        course.note(stopped.said);
        Ok(())
    }

    /// Opens the server for writes.
    pub async fn promote(&self, course: &Course) -> Result<()> {
        course.step(Phase::Recover, "promote it");
        let timeline = promote(&self.server).await?;
        course.note(format!("the server is on timeline {timeline}"));
        Ok(())
    }
}
