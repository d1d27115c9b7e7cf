//! The disaster: a lost region.

use comeback_engine::repository::Repository;

use super::PostgresServer;
use crate::error::Result;

/// Destroys a server with its node, and every backup that is kept beside it.
pub async fn lose_region(server: &PostgresServer, repository: &dyn Repository) -> Result<()> {
    server.node().kill().await?;
    server.node().remove().await?;
    for id in repository.list().await? {
        repository.remove(&id).await?;
    }
    Ok(())
}
