//! Restores a database from a logical export: on a new server, or on one that the user named.

use comeback_engine::repository::Repository;
use comeback_engine::runner::Course;
use comeback_model::{Manifest, Phase};

use crate::dump::restore_missing_roles;
use crate::error::Result;
use crate::judges::{CatalogueBesideOthers, FingerprintJudge, RowCounts};
use crate::{
    Destination, PostgresNodes as _, PostgresServer, PresentRoles, gather_statistics, parallelism,
    restore_dump,
};

/// An export that is being restored. `S` is the server, if it is a new one.
pub struct DumpImport<'a, S = PostgresServer> {
    /// The server.
    pub server: S,
    destination: Destination,
    repository: &'a dyn Repository,
    dump: &'a Manifest,
    /// The roles that stay as they are.
    present: PresentRoles,
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
        let destination = Destination::from(&server);
        Ok(Self { server, destination, repository, dump, present: PresentRoles::default() })
    }
}

impl<'a> DumpImport<'a, ()> {
    /// A server of the user's, with the roles that it has.
    pub fn onto(
        destination: &Destination,
        repository: &'a dyn Repository,
        dump: &'a Manifest,
        present: &PresentRoles,
    ) -> Self {
        let (destination, present) = (destination.clone(), present.clone());
        Self { server: (), destination, repository, dump, present }
    }

    /// Compares what came back with the manifest of the dump. Roles that were there before are not looked at.
    pub async fn judge(&self, course: &Course) -> Result<()> {
        course.step(Phase::Judge, "compare every row and definition with the manifest");
        let (server, recorded) = (self.destination.address(), self.dump.content.cluster()?);
        course.judge(&RowCounts { server, recorded }).await;
        course.judge(&FingerprintJudge::new(server, recorded)).await;
        let judge = CatalogueBesideOthers { server, recorded: self.dump, present: &self.present };
        course.judge(&judge).await;
        Ok(())
    }
}

impl<S> DumpImport<'_, S> {
    /// Imports the roles and then the export.
    pub async fn import(&self, course: &Course) -> Result<()> {
        let Self { destination, repository, dump, present, .. } = self;
        course.step(Phase::Recover, "create the roles with their settings, passwords and memberships");
        let roles = restore_missing_roles(destination, *repository, dump, &present.names).await;
        course.restored(roles)?;

        let connections = parallelism();
        course.step(Phase::Recover, "fetch the export and import it, the first error fatal");
        course.note(format!("over {connections} connections"));
        let imported = restore_dump(destination, *repository, dump, connections).await;
        course.restored(imported)
    }

    /// Gathers statistics, which no export contains.
    pub async fn gather_statistics(&self, course: &Course, database: &str) -> Result<()> {
        course.step(Phase::Recover, "gather the planner's statistics");
        gather_statistics(self.destination.address(), database, parallelism()).await
    }
}
