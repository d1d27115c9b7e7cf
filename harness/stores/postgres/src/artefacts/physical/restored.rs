//! A cluster that came back from a copy of its files, with the judges of files.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{Restored, VerifyOptions};
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{NotLookedAt, Statement};

use crate::artefacts::RestoredCluster;
use crate::error::Result;
use crate::judges::{PageChecksums, Positions};
use crate::{Brings, PostgresServer};

/// A restored cluster, and what is known of its files.
pub(super) struct RestoredFiles {
    cluster: RestoredCluster,
    has_checksums: bool,
    scope: Vec<NotLookedAt>,
}

impl RestoredFiles {
    pub(super) fn new(
        server: PostgresServer,
        summary: String,
        options: Arc<VerifyOptions>,
        has_checksums: bool,
        scope: Vec<NotLookedAt>,
    ) -> Self {
        let (positions, brings) = (Positions::Copied, Brings::Cluster);
        let cluster = RestoredCluster { server, summary, positions, options, brings };
        Self { cluster, has_checksums, scope }
    }
}

impl Restored for RestoredFiles {
    fn summary(&self) -> String {
        self.cluster.summary()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let mut judges = self.cluster.judges();
        if self.has_checksums {
            judges.push((Statement::Sound, Box::new(PageChecksums { server: &self.cluster.server })));
        }
        // What nobody looked at limits the statement, whichever judge of it says so. The one of the log says something
        // even of a cluster that no other judge can read.
        let is_limited = |(statement, judge): &(Statement, Box<dyn Judge + '_>)| {
            *statement == Statement::Sound && judge.name() == "server-log"
        };
        if let Some(at) = judges.iter().position(is_limited) {
            let (statement, judge) = judges.remove(at);
            judges.insert(at, (statement, Box::new(Limited { judge, scope: &self.scope })));
        }
        judges
    }
}

/// A judge whose opinion covers less, for a reason that it does not know.
struct Limited<'a> {
    judge: Box<dyn Judge + 'a>,
    scope: &'a [NotLookedAt],
}

#[async_trait]
impl Judge for Limited<'_> {
    fn name(&self) -> &'static str {
        self.judge.name()
    }

    async fn judge(&self) -> Result<Opinion> {
        Ok(self.judge.judge().await?.not_looked_at(self.scope.iter().cloned()))
    }
}
