//! Opens a base backup of Comeback's own, in a cluster whose passwords nobody knows here.

use comeback_engine::RestoreFailure;
use comeback_engine::runner::Course;
use comeback_model::{Manifest, RecoveryPoint, RecoveryTarget};

use super::physical::let_in;
use crate::base_backup::fetch::position_of;
use crate::log::feed::{FetchedLog, LogFeed};
use crate::recovery::said::Origin;
use crate::recovery::settings::copied_settings;
use crate::recovery::unattended::recover_unattended;
use crate::server::node::PostgresServer;

/// Replays a fetched base backup to the moment of its manifest, and opens it for our role. The server takes over those
/// settings of the cluster that a copy of any cluster would get.
pub(super) async fn recover(
    course: &Course,
    server: &PostgresServer,
    manifest: &Manifest,
) -> Result<(), RestoreFailure> {
    let position = position_of(manifest)?;
    let point = RecoveryPoint::Name(position.restore_point.clone());
    let target = RecoveryTarget::including(point).on_timeline(position.timeline);
    course.note(server.adopt_foreign(&[]).await?.describe());
    let feed = LogFeed::complete(server, FetchedLog::of_backup(manifest)?);
    let settings = copied_settings(server).await?;
    recover_unattended(server, &Origin::of(manifest)?, &target, feed, settings.clone()).await?;
    Ok(let_in(server, &settings).await?)
}
