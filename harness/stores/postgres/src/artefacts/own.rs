//! Backups of PostgreSQL that Comeback took itself: base backups, dumps, exports of one table.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, Lack, OwnBackup, Recoverable, Restored, VerifyOptions, find_own,
};
use comeback_engine::judge::Judge;
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Need, Room};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Content, Manifest, Phase, Statement};

use super::csv::restore_own_table;
use super::own_cluster::{ROLE, WithoutOurRole, recover_own};
use super::{RestoredCluster, checks_pages, no_page_checksums};
use crate::base_backup::checks::has_page_checksums;
use crate::error::Result;
use crate::judges::{
    CatalogueJudge, FingerprintJudge, LogicalCatalogue, PageChecksums, Positions, RowCounts, UnpackedFiles,
};
use crate::{
    Brings, PostgresNodes as _, PostgresServer, fetch_base_backup, gather_statistics, parallelism,
    position_of, restore_dump, restore_roles,
};

/// What a restored cluster takes on the disk, in sizes of its backup, which is compressed.
const UNPACKED: u64 = 5;

/// Recognises backups of PostgreSQL in a repository of Comeback.
pub(super) struct OwnKind;

#[async_trait]
impl ArtefactKind for OwnKind {
    fn name(&self) -> &'static str {
        "own-postgres"
    }

    fn looks_for(&self) -> &'static str {
        "a backup of PostgreSQL in a repository of comeback"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let kinds = ["postgres_base_backup", "postgres_dump", "postgres_table"];
        let own = find_own(found, options, self.name(), &kinds).await?;
        let options = options.clone();
        Ok(own.map(|own| Arc::new(Own { own: Arc::new(own), options }) as Arc<dyn Artefact>))
    }
}

struct Own {
    own: Arc<OwnBackup>,
    options: Arc<VerifyOptions>,
}

#[async_trait]
impl Artefact for Own {
    fn summary(&self) -> ArtefactSummary {
        self.own.summary.clone()
    }

    fn recoverable(&self) -> Recoverable {
        self.own.recoverable.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let bytes = self.own.summary.bytes.unwrap_or_default();
        let need = Need { node_bytes: bytes.saturating_mul(UNPACKED), ..Need::default() };
        Room::of(course.substrate()?.kind()).await?.check(need)?;
        Ok(Vec::new())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        self.own.ensure_trusted().await?;
        let (server, brings) = match &self.own.manifest.content {
            Content::PostgresTable { .. } => {
                return restore_own_table(course, &self.own, &self.options).await;
            }
            Content::PostgresBaseBackup { .. } => {
                (self.restore_base_backup(course).await?, Brings::EVERYTHING)
            }
            content => {
                let names = content.cluster()?.databases.keys().cloned().collect();
                let brings = Brings { databases: Some(names), ..Brings::EVERYTHING };
                (self.restore_dump(course).await?, brings)
            }
        };
        let manifest = &self.own.manifest;
        let summary = if is_without_moment(manifest) {
            "the cluster came back, to the end of its base backup; its content was not recorded".to_owned()
        } else {
            format!("{} came back as the manifest names them", manifest.content.figures())
        };
        let (positions, options, mut scope) = (Positions::Copied, self.options.clone(), Vec::new());
        let is_of_files = matches!(self.own.manifest.content, Content::PostgresBaseBackup { .. });
        let has_checksums = is_of_files && has_page_checksums(&server).await?;
        if is_of_files && !has_checksums {
            scope.push(no_page_checksums());
        }
        let checks_pages = has_checksums && checks_pages(&options, &mut scope);
        let cluster = RestoredCluster { server, summary, positions, options, brings, scope };
        Ok(Box::new(RestoredOwn { cluster, own: self.own.clone(), checks_pages }))
    }
}

impl Own {
    async fn restore_base_backup(&self, course: &mut Course) -> Result<PostgresServer, RestoreFailure> {
        let OwnBackup { manifest, repository, .. } = &*self.own;
        course.step(Phase::Recover, "create a new server");
        let major = position_of(manifest)?.major;
        let server = course.postgres_node_as("restored", major, ROLE).await?;
        course.step(Phase::Recover, "fetch the base backup, check every byte and unpack it");
        fetch_base_backup(&server, &**repository, manifest).await?;
        course.step(Phase::Recover, "compare the unpacked files with PostgreSQL's own list of them");
        course.judge_for(Statement::Sound, &UnpackedFiles { server: &server }).await;
        let goal = position_of(manifest)?.goal();
        course.step(Phase::Recover, &format!("replay the log to {goal}, and open for writes"));
        recover_own(course, &server, manifest).await?;
        Ok(server)
    }

    async fn restore_dump(&self, course: &mut Course) -> Result<PostgresServer, RestoreFailure> {
        let OwnBackup { manifest, repository, .. } = &*self.own;
        course.step(Phase::Recover, "create a new server");
        let server = course.postgres_node_for("restored", manifest).await?;
        server.init().await?;
        server.start(&[]).await?;
        course.step(Phase::Recover, "create the roles with their settings, passwords and memberships");
        restore_roles(&server, &**repository, manifest).await?;
        course.step(Phase::Recover, "fetch the export and import it, the first error fatal");
        restore_dump(&server, &**repository, manifest, self.options.jobs.max(1)).await?;
        course.step(Phase::Recover, "gather the planner's statistics");
        for database in manifest.content.cluster()?.databases.keys() {
            gather_statistics(server.address(), database, parallelism()).await?;
        }
        Ok(server)
    }
}

/// A cluster that came back, and what was recorded when it was backed up.
struct RestoredOwn {
    cluster: RestoredCluster,
    own: Arc<OwnBackup>,
    checks_pages: bool,
}

impl Restored for RestoredOwn {
    fn summary(&self) -> String {
        self.cluster.summary()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let (server, manifest) = (&self.cluster.server, &self.own.manifest);
        let (address, mut judges) = (server.address(), self.cluster.judges());
        judges.push((Statement::Restored, Box::new(self.own.provenance())));
        let Ok(recorded) = manifest.content.cluster() else { return judges };
        if self.checks_pages {
            judges.push((Statement::Sound, Box::new(PageChecksums { server })));
        }
        if is_without_moment(manifest) {
            return judges;
        }
        if matches!(manifest.content, Content::PostgresBaseBackup { .. }) {
            let judge = CatalogueJudge { server: address, recorded };
            judges.push((Statement::Exact, Box::new(WithoutOurRole(judge))));
        } else {
            let judge = LogicalCatalogue { server: address, recorded: manifest };
            judges.push((Statement::Exact, Box::new(judge)));
        }
        judges.push((Statement::Exact, Box::new(RowCounts { server: address, recorded })));
        judges.push((Statement::Exact, Box::new(FingerprintJudge::new(address, recorded))));
        judges
    }
}

/// Whether the content of a base backup was recorded at no moment, so that nothing can be judged exactly.
fn is_without_moment(manifest: &Manifest) -> bool {
    position_of(manifest).is_ok_and(|position| position.restore_point.is_none())
}
