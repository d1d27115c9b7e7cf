//! Judge of everything other than rows: definitions, grants, settings, sequences.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{ClusterContent, NotLookedAt, ScopeKind};

use super::comparison::Comparison;
use crate::error::Result;
use crate::{PostgresAddress, read_catalogue, read_cluster_catalogue, unknown_catalogues};

/// Compares the catalogues of every database, and of the cluster, with the manifest.
///
/// A sequence may be further on than recorded: after a crash PostgreSQL skips up to 32 values that it had
/// logged ahead. A sequence that is further back gives out values twice, and is a finding. Unlogged sequences
/// restart with every recovery, and are not checked.
pub struct CatalogueJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The content in the manifest.
    pub recorded: &'a ClusterContent,
}

#[async_trait]
impl Judge for CatalogueJudge<'_> {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn judge(&self) -> Result<Opinion> {
        let actual = read_cluster_catalogue(self.server, self.recorded.catalogue.form).await?;
        let mut comparison = Comparison::default();
        comparison.add(&self.recorded.catalogue, &actual);
        for (database, content) in &self.recorded.databases {
            if !actual.names("database", database) {
                // Reported above, as a missing object of the cluster.
                continue;
            }
            let mut recorded = content.catalogue.clone();
            let unlogged = recorded.sequences.extract_if(.., |_, position| position.is_unlogged());
            comparison.not_looked_at.extend(unlogged.map(|(name, _)| {
                let why = "it is unlogged: a recovery sets it back to its start, as a crash does";
                NotLookedAt::new(ScopeKind::SequencePosition, name, why)
            }));
            comparison.add(&recorded, &read_catalogue(self.server, database, recorded.form).await?);
        }
        comparison.not_looked_at.extend(unknown_catalogues(self.server).await?);
        Ok(comparison.into_opinion(self.recorded.catalogue.form, ""))
    }
}
