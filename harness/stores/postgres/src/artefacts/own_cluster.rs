//! Opens a base backup of Comeback's own, in a cluster whose passwords nobody knows here.

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::runner::Course;
use comeback_model::{Finding, FindingCode, Manifest, RecoveryTarget};

use super::physical::{let_in, let_out};
use crate::base_backup::fetch::position_of;
use crate::error::Result;
use crate::judges::CatalogueJudge;
use crate::log::feed::{FetchedLog, LogFeed};
use crate::recovery::said::Origin;
use crate::recovery::settings::{Settings, copied_settings};
use crate::recovery::unattended::{Arrived, recover_unattended};
use crate::server::node::PostgresServer;

pub(crate) use super::physical::ROLE;

/// A cluster that has recovered and let us in.
pub(crate) struct OpenCluster {
    pub(crate) arrived: Arrived,
    settings: Settings,
}

/// Replays a fetched base backup to the end of its own log.
pub(crate) async fn recover_own(
    course: &Course,
    server: &PostgresServer,
    manifest: &Manifest,
) -> Result<OpenCluster, RestoreFailure> {
    let target = position_of(manifest)?.target();
    let feed = LogFeed::complete(server, FetchedLog::of_backup(manifest)?);
    recover_to_target(course, server, manifest, &target, feed).await
}

/// Replays a fetched base backup to a target, and opens it for our role. The server takes over those settings of the
/// cluster that a copy of any cluster would get.
pub(crate) async fn recover_to_target(
    course: &Course,
    server: &PostgresServer,
    manifest: &Manifest,
    target: &RecoveryTarget,
    feed: LogFeed,
) -> Result<OpenCluster, RestoreFailure> {
    course.note(server.adopt_foreign(&[]).await?.describe());
    let settings = copied_settings(server).await?;
    let origin = Origin::of(manifest)?;
    let arrived = recover_unattended(server, &origin, target, feed, settings.clone()).await?;
    let_in(server, &settings).await?;
    Ok(OpenCluster { arrived, settings })
}

impl OpenCluster {
    /// Stops the server cleanly, without our role.
    pub(crate) async fn close(&self, server: &PostgresServer) -> Result<()> {
        let_out(server, &self.settings).await
    }
}

/// The judge of the definitions, for a cluster in which we have made a role for ourselves.
pub(crate) struct WithoutOurRole<'a>(pub(crate) CatalogueJudge<'a>);

#[async_trait]
impl Judge for WithoutOurRole<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn judge(&self) -> Result<Opinion> {
        let mut opinion = self.0.judge().await?;
        let is_ours = |finding: &Finding| {
            finding.code == FindingCode::ObjectExtra && finding.subject == format!("role {ROLE}")
        };
        opinion.findings.retain(|finding| !is_ours(finding));
        Ok(opinion)
    }
}
