//! Restores a lost server as a new one, from a base backup and the log in it.

use comeback_engine::runner::Course;
use comeback_model::{Manifest, Phase};

use crate::error::Result;
use crate::judges::UnpackedFiles;
use crate::{PostgresNodes as _, PostgresServer, fetch_base_backup, recover_base_backup};

/// A base backup that is being restored into a new server.
pub struct BaseBackupRestore<'a> {
    /// The server.
    pub server: PostgresServer,
    backup: &'a Manifest,
}

impl<'a> BaseBackupRestore<'a> {
    /// Creates a node and unpacks the backup there. The files must be those that PostgreSQL backed up.
    pub async fn fetch(course: &mut Course, name: &str, backup: &'a Manifest) -> Result<Self> {
        course.step(Phase::Recover, "create a new server");
        let server = course.postgres_node_for(name, backup).await?;

        course.step(Phase::Recover, "fetch the base backup, check every byte and unpack it");
        let fetched = fetch_base_backup(&server, course.repository(), backup).await;
        course.restored(fetched)?;

        course.step(Phase::Recover, "compare the unpacked files with PostgreSQL's own list of them");
        course.insist(&UnpackedFiles { server: &server }).await?;
        Ok(Self { server, backup })
    }

    /// Starts the server, which replays the log in the backup and opens.
    pub async fn recover(&self, course: &Course) -> Result<()> {
        course.step(Phase::Recover, "replay the log to the backup's restore point and open for writes");
        let recovered = recover_base_backup(&self.server, self.backup).await;
        course.restored(recovered).map(drop)
    }
}
