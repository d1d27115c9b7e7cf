//! Starts a PostgreSQL server beside an empty repository: to back it up, to restore from that, and to judge it.

use std::sync::Arc;

use comeback_engine::repository::LocalRepository;
use comeback_engine::secret::Secret;
use comeback_engine::substrate::Substrate;
use comeback_postgres::{PostgresServer, run_script};

use super::require::or_skip;
use super::substrates;

/// A running server, and a repository in a folder that goes with the test.
pub(crate) struct PostgresBench {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) server: PostgresServer,
    pub(crate) repository: Arc<LocalRepository>,
    /// The folder of the repository.
    pub(crate) folder: tempfile::TempDir,
    password: Secret,
}

impl PostgresBench {
    pub(crate) async fn local() -> Option<Self> {
        Self::local_with(&[]).await
    }

    /// The same, with settings that an operator made.
    pub(crate) async fn local_with(settings: &[(&str, &str)]) -> Option<Self> {
        Self::on(substrates::local()?, settings).await
    }

    pub(crate) async fn docker() -> Option<Self> {
        Self::on(substrates::docker(None).await?, &[]).await
    }

    async fn on(substrate: Arc<dyn Substrate>, settings: &[(&str, &str)]) -> Option<Self> {
        let password = Secret::random().unwrap();
        let created = PostgresServer::create(&*substrate, "primary", &password).await;
        let server = or_skip(&substrate.kind().to_string(), created)?;
        server.init().await.unwrap();
        server.configure(settings).await.unwrap();
        server.start(&[]).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let repository = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
        Some(Self { substrate, server, repository, folder, password })
    }

    /// Runs a script on the server; an error fails the test.
    pub(crate) async fn sql(&self, database: &str, script: &str) {
        run_script(self.server.address(), database, "a script", script).await.unwrap();
    }

    /// A new server, in which nothing runs.
    pub(crate) async fn node(&self, name: &str) -> PostgresServer {
        PostgresServer::create(&*self.substrate, name, &self.password).await.unwrap()
    }

    pub(crate) async fn clear(self) {
        self.substrate.remove_all().await.unwrap();
    }
}
