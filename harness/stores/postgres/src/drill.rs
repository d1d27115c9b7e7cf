//! What drills of PostgreSQL can do.

use std::path::Path;

use async_trait::async_trait;
use comeback_engine::runner::{Application, Course, Drill, Server};
use comeback_engine::substrate::Node;
use comeback_model::Manifest;
use sqlx::postgres::PgConnectOptions;

use super::{ArchiveHealth, PostgresServer};
use crate::error::Result;
use crate::judges::ArchiveJudge;

/// The PostgreSQL nodes of a drill or a procedure.
#[async_trait]
pub trait PostgresNodes {
    /// Creates a node for a PostgreSQL server. The run removes it.
    async fn postgres_node(&mut self, name: &str) -> Result<PostgresServer>;

    /// Creates a node for the restore of a backup, with the major version that the backup needs.
    async fn postgres_node_for(&mut self, name: &str, manifest: &Manifest) -> Result<PostgresServer>;

    /// Creates a node for the restore of a dump, with this major version or a newer one. `what` needs it, in errors.
    async fn postgres_node_of(
        &mut self,
        name: &str,
        major: Option<u32>,
        what: &str,
    ) -> Result<PostgresServer>;

    /// Creates a node for a cluster of the user's, with this major version if available; the caller must check it.
    /// `role` is the superuser of ours in that cluster, once it is there.
    async fn postgres_node_as(&mut self, name: &str, major: u32, role: &str) -> Result<PostgresServer>;
}

/// The steps that a drill can do with PostgreSQL.
#[async_trait]
pub trait PostgresDrill {
    /// Where the application finds its database.
    fn application(&self) -> Application<PgConnectOptions>;

    /// Judges the log archive by what was measured before the disaster.
    async fn judge_archive(&self, health: &ArchiveHealth);
}

#[async_trait]
impl PostgresNodes for Course {
    async fn postgres_node(&mut self, name: &str) -> Result<PostgresServer> {
        let server =
            PostgresServer::create(self.substrate()?, &self.node_name(name), self.password()).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }

    async fn postgres_node_for(&mut self, name: &str, manifest: &Manifest) -> Result<PostgresServer> {
        let (node, password) = (self.node_name(name), self.password());
        let server = PostgresServer::create_for(self.substrate()?, &node, password, manifest).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }

    async fn postgres_node_of(
        &mut self,
        name: &str,
        major: Option<u32>,
        what: &str,
    ) -> Result<PostgresServer> {
        let (node, password) = (self.node_name(name), self.password());
        let server = PostgresServer::create_of_major(self.substrate()?, &node, password, major, what).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }

    async fn postgres_node_as(&mut self, name: &str, major: u32, role: &str) -> Result<PostgresServer> {
        let (node, password) = (self.node_name(name), self.password());
        let substrate = self.substrate()?;
        let server = PostgresServer::create_for_cluster(substrate, &node, password, major, role).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }
}

#[async_trait]
impl PostgresDrill for Drill {
    fn application(&self) -> Application<PgConnectOptions> {
        self.applications().of()
    }

    async fn judge_archive(&self, health: &ArchiveHealth) {
        let loss_objective = &self.loss_objective();
        self.judge(&ArchiveJudge { health, loss_objective }).await;
    }
}

#[async_trait]
impl Server for PostgresServer {
    fn node(&self) -> &dyn Node {
        self.node()
    }

    async fn log_text(&self) -> Result<String> {
        Ok(self.read_log().await?.text)
    }

    async fn last_words(&self) -> Result<Option<String>> {
        self.last_words().await
    }

    async fn tell_how_to_connect(&self, folder: &Path, name: &str) -> Result<String> {
        let passfile = folder.join(format!("{name}.pgpass"));
        self.write_passfile_here(&passfile).await?;
        Ok(self.connect_hint(&passfile))
    }
}
