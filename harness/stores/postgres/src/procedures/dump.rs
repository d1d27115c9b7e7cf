//! Restores a database on a new server from a logical export.

use comeback_engine::repository::Repository;
use comeback_engine::runner::Course;
use comeback_model::{Manifest, Phase};

use crate::error::Result;
use crate::{
    PostgresNodes as _, PostgresServer, gather_statistics, parallelism, restore_dump, restore_roles,
};

/// An export that is being restored into a new server.
pub struct DumpImport<'a> {
    /// The server.
    pub server: PostgresServer,
    repository: &'a dyn Repository,
    dump: &'a Manifest,
}

impl<'a> DumpImport<'a> {
    /// Starts a new, empty server.
    pub async fn start(
        course: &mut Course,
        name: &str,
        repository: &'a dyn Repository,
        dump: &'a Manifest,
    ) -> Result<Self> {
        course.step(Phase::Recover, "create a new server");
        let server = course.postgres_node_for(name, dump).await?;
        server.init().await?;
        server.start(&[]).await?;
        Ok(Self { server, repository, dump })
    }

    /// Imports the roles and then the export.
    pub async fn import(&self, course: &Course) -> Result<()> {
        let Self { server, repository, dump } = self;
        course.step(Phase::Recover, "create the roles with their settings, passwords and memberships");
        let roles = restore_roles(server, *repository, dump).await;
        course.restored(roles)?;

        let connections = parallelism();
        course.step(Phase::Recover, "fetch the export and import it, the first error fatal");
        course.note(format!("over {connections} connections"));
        let imported = restore_dump(server, *repository, dump, connections).await;
        course.restored(imported)
    }

    /// Gathers statistics, which no export contains.
    pub async fn gather_statistics(&self, course: &Course, database: &str) -> Result<()> {
        course.step(Phase::Recover, "gather the planner's statistics");
        gather_statistics(self.server.address(), database, parallelism()).await
    }
}
