//! A cluster that came back from a backup of the user.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{Restored, Skippable, VerifyOptions};
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{NotLookedAt, ScopeKind, Statement};

use crate::error::Result;
use crate::judges::{
    AnswerJudge, CollationJudge, ConstraintJudge, ContentJudge, ExtensionJudge, IndexJudge, Positions,
    ReferenceJudge, SequenceJudge, ServerLogJudge, SourceJudge, StructureJudge,
};
use crate::{Brings, PostgresServer};

/// A restored cluster: its server runs and accepts writes.
pub(crate) struct RestoredCluster {
    /// The server.
    pub(crate) server: PostgresServer,
    /// What the restore did, in one sentence.
    pub(crate) summary: String,
    /// Which sequences the backup itself put where they are.
    pub(crate) positions: Positions,
    /// The user's choices.
    pub(crate) options: Arc<VerifyOptions>,
    /// What the backup brings beside the content of databases.
    pub(crate) brings: Brings,
    /// What of its files nobody looked at.
    pub(crate) scope: Vec<NotLookedAt>,
}

impl Restored for RestoredCluster {
    fn summary(&self) -> String {
        self.summary.clone()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let Self { server, options, brings, positions, .. } = self;
        let address = server.address();
        let is_loaded = matches!(positions, Positions::Set(_));
        let mut judges: Vec<(Statement, Box<dyn Judge + '_>)> = vec![
            (Statement::Sound, Box::new(SequenceJudge { server: address, positions })),
            (Statement::Sound, Box::new(IndexJudge { server: address })),
            (Statement::Sound, Box::new(CollationJudge { server: address })),
            (Statement::Sound, Box::new(ExtensionJudge { server: address })),
            // It says something even of a cluster that no other judge can read.
            (Statement::Sound, Box::new(Limited { judge: ServerLogJudge { server }, scope: self.scope() })),
        ];
        if !options.skip.contains(&Skippable::Structure) {
            judges.push((Statement::Sound, Box::new(StructureJudge { server: address })));
        }
        if !options.skip.contains(&Skippable::Constraints) {
            judges.push((Statement::Sound, Box::new(ConstraintJudge { server: address, is_loaded })));
        }
        if !options.queries.is_empty() {
            let (queries, database) = (&options.queries[..], options.database.as_deref());
            let judge = AnswerJudge { server: address, database, queries, record: options.record.as_ref() };
            let shows = VerifyOptions::shown_by_answers(queries.iter().map(|query| &query.expect));
            judges.push((shows, Box::new(judge)));
        }
        if options.reference.is_some() || options.record.is_some() {
            let reference = options.reference.as_deref();
            // To record alone shows nothing but that everything can be read.
            let shows = if reference.is_some() { Statement::Compared } else { Statement::Sound };
            let (record, frozen, jobs) = (options.record.as_ref(), &options.frozen, options.jobs);
            let judge = ReferenceJudge { server: address, reference, record, brings, frozen, jobs };
            judges.push((shows, Box::new(judge)));
        }
        if let Some(source) = &options.source {
            let (database, frozen) = (options.database.as_deref(), &options.frozen);
            let judge = SourceJudge { server: address, database, source, frozen, brings };
            judges.push((Statement::Compared, Box::new(judge)));
        }
        if !options.allow_empty {
            judges.push((Statement::Sound, Box::new(ContentJudge { server: address })));
        }
        judges
    }
}

impl RestoredCluster {
    /// What nobody looked at limits the statement, whichever judge of it says so.
    fn scope(&self) -> Vec<NotLookedAt> {
        let of_every_cluster = [Skippable::Structure, Skippable::Constraints];
        let skipped = of_every_cluster.into_iter().filter(|one| self.options.skip.contains(one));
        self.scope.iter().cloned().chain(skipped.map(Skippable::not_looked_at)).collect()
    }
}

/// Whether the checksums of pages are to be looked at; what speaks against it is added to the scope.
pub(crate) fn checks_pages(options: &VerifyOptions, scope: &mut Vec<NotLookedAt>) -> bool {
    let is_skipped = options.skip.contains(&Skippable::PageChecksums);
    scope.extend(is_skipped.then(|| Skippable::PageChecksums.not_looked_at()));
    !is_skipped
}

/// Says that nobody can look at the checksums of pages.
pub(crate) fn no_page_checksums() -> NotLookedAt {
    NotLookedAt::new(ScopeKind::Files, "pages on the disk", "the cluster keeps no page checksums")
}

/// A judge whose opinion covers less, for a reason that it does not know.
struct Limited<J> {
    judge: J,
    scope: Vec<NotLookedAt>,
}

#[async_trait]
impl<J: Judge> Judge for Limited<J> {
    fn name(&self) -> &'static str {
        self.judge.name()
    }

    async fn judge(&self) -> Result<Opinion> {
        Ok(self.judge.judge().await?.not_looked_at(self.scope.iter().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_that_are_left_out_are_told_and_others_are_looked_at() {
        let mut scope = Vec::new();
        let skips = |skip: &[Skippable]| VerifyOptions {
            skip: skip.iter().copied().collect(),
            ..VerifyOptions::default()
        };
        assert!(checks_pages(&skips(&[Skippable::Structure]), &mut scope));
        assert_eq!(scope, []);
        assert!(!checks_pages(&skips(&[Skippable::PageChecksums]), &mut scope));
        assert_eq!(scope, [Skippable::PageChecksums.not_looked_at()]);
    }
}
