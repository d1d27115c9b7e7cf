//! A cluster that came back from a copy of its files, with the judges of files.

use std::sync::Arc;

use comeback_engine::artefact::{Restored, VerifyOptions};
use comeback_engine::judge::Judge;
use comeback_model::{NotLookedAt, Statement};

use crate::artefacts::{RestoredCluster, checks_pages};
use crate::judges::{PageChecksums, Positions};
use crate::{Brings, PostgresServer};

/// A restored cluster, and what is known of its files.
pub(super) struct RestoredFiles {
    cluster: RestoredCluster,
    checks_pages: bool,
}

impl RestoredFiles {
    pub(super) fn new(
        server: PostgresServer,
        summary: String,
        options: Arc<VerifyOptions>,
        has_checksums: bool,
        mut scope: Vec<NotLookedAt>,
    ) -> Self {
        let checks_pages = has_checksums && checks_pages(&options, &mut scope);
        let (positions, brings) = (Positions::Copied, Brings::EVERYTHING);
        let cluster = RestoredCluster { server, summary, positions, options, brings, scope };
        Self { cluster, checks_pages }
    }
}

impl Restored for RestoredFiles {
    fn summary(&self) -> String {
        self.cluster.summary()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let mut judges = self.cluster.judges();
        if self.checks_pages {
            judges.push((Statement::Sound, Box::new(PageChecksums { server: &self.cluster.server })));
        }
        judges
    }
}
