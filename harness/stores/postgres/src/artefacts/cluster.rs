//! A cluster that came back from a backup of the user.

use std::sync::Arc;

use comeback_engine::artefact::{Restored, VerifyOptions};
use comeback_engine::judge::Judge;
use comeback_model::Statement;

use crate::PostgresServer;
use crate::judges::{ServerLogJudge, StructureJudge};

/// A restored cluster: its server runs and accepts writes.
pub(crate) struct RestoredCluster {
    /// The server.
    pub(crate) server: PostgresServer,
    /// What the restore did, in one sentence.
    pub(crate) summary: String,
    /// The user's choices.
    pub(crate) options: Arc<VerifyOptions>,
}

impl Restored for RestoredCluster {
    fn summary(&self) -> String {
        self.summary.clone()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let Self { server, options, .. } = self;
        let _ = options;
        vec![
            (Statement::Sound, Box::new(StructureJudge { server: server.address() })),
            (Statement::Sound, Box::new(ServerLogJudge { server })),
        ]
    }
}
