//! Opens a base backup of Comeback's own, in a cluster whose passwords nobody knows here.

use comeback_engine::RestoreFailure;
use comeback_model::{Manifest, RecoveryPoint, RecoveryTarget};

use super::physical::{let_in, own_settings};
use crate::base_backup::fetch::position_of;
use crate::log::feed::{FetchedLog, LogFeed};
use crate::recovery::said::Origin;
use crate::recovery::settings::copied_settings;
use crate::recovery::unattended::recover_unattended;
use crate::server::node::PostgresServer;

/// Replays a fetched base backup to the moment of its manifest, and opens it for our role.
pub(super) async fn recover(server: &PostgresServer, manifest: &Manifest) -> Result<(), RestoreFailure> {
    let position = position_of(manifest)?;
    let point = RecoveryPoint::Name(position.restore_point.clone());
    let target = RecoveryTarget::including(point).on_timeline(position.timeline);
    let feed = LogFeed::complete(server, FetchedLog::of_backup(manifest)?);
    let settings = own_settings(server, &copied_settings(server).await?).await?;
    // A server reads this file of the cluster whatever its configuration file is.
    server.write_file(&format!("{}/postgresql.auto.conf", server.data_dir()), b"").await?;
    recover_unattended(server, &Origin::of(manifest)?, &target, feed, settings.clone()).await?;
    Ok(let_in(server, &settings).await?)
}
