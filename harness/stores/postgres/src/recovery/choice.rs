//! Chooses the base backup for a recovery target.

use std::sync::Arc;

use comeback_engine::repository::{LogArchive, Repository};
use comeback_model::{BaseBackupPosition, LogFileKind, Manifest, RecoveryPoint, RecoveryTarget};

use crate::base_backup::fetch::position_of;
use crate::error::{Error, Result};
use crate::log::path::{Inventory, choose_history};

/// A base backup from which a target can be reached, and the archive of its cluster.
pub(crate) struct Choice {
    pub(crate) backup: Manifest,
    pub(crate) archive: LogArchive,
    pub(crate) inventory: Inventory,
}

/// Chooses the newest base backup that was consistent before the target, and from which the timeline to
/// follow descends.
///
/// The position of a restore point is unknown until it is replayed. A restore point that a backup names
/// selects that backup; any other selects the newest backup.
pub(crate) async fn choose(repository: &Arc<dyn Repository>, target: &RecoveryTarget) -> Result<Choice> {
    let ids = repository.list().await?;
    let named = named_by(repository, &ids, target).await?;
    let mut oldest = None;
    let mut archive: Option<(String, LogArchive, Inventory)> = None;
    for id in named.as_slice().iter().chain(ids.iter().filter(|_| named.is_none())) {
        let manifest = repository.manifest(id).await?;
        // A dump restores only its own moment.
        let Ok(position) = position_of(&manifest) else { continue };
        let cluster = &position.system_identifier;
        let (_, archive, inventory) = match &mut archive {
            Some(open) if open.0 == *cluster => open,
            other => {
                let opened = LogArchive::new(repository.clone(), cluster);
                let inventory = opened.list().await?;
                other.insert((cluster.clone(), opened, inventory))
            }
        };
        let leads_there = named.is_some()
            || (is_before(position, target) && is_on_the_way(archive, inventory, position, target).await?);
        if leads_there {
            let (archive, inventory) = (archive.clone(), std::mem::take(inventory));
            return Ok(Choice { backup: manifest, archive, inventory });
        }
        oldest = Some(manifest);
    }
    Err(nothing_old_enough(&**repository, target, oldest.as_ref()))
}

/// The backup that names the target's restore point.
async fn named_by(
    repository: &Arc<dyn Repository>,
    ids: &[String],
    target: &RecoveryTarget,
) -> Result<Option<String>> {
    let RecoveryPoint::Name(name) = &target.point else { return Ok(None) };
    for id in ids {
        let manifest = repository.manifest(id).await?;
        if position_of(&manifest).is_ok_and(|position| position.restore_point.as_deref() == Some(&**name)) {
            return Ok(Some(id.clone()));
        }
    }
    Ok(None)
}

/// Whether the target's timeline descends from a backup. A target without a timeline means the newest one. A
/// backup of an abandoned branch does not qualify.
async fn is_on_the_way(
    archive: &LogArchive,
    inventory: &Inventory,
    position: &BaseBackupPosition,
    target: &RecoveryTarget,
) -> Result<bool> {
    let timelines = inventory.keys().filter_map(|name| match LogFileKind::of(name) {
        Some(LogFileKind::History(timeline)) => Some(timeline),
        _ => None,
    });
    let target = match timelines.max().filter(|newest| *newest > position.timeline) {
        Some(newest) if target.timeline.is_none() => target.clone().on_timeline(newest),
        _ => target.clone(),
    };
    Ok(choose_history(archive, inventory, position, &target).await?.is_some())
}

/// Whether recovery from a backup can stop at a target, as far as the manifest shows.
pub(crate) fn is_before(position: &BaseBackupPosition, target: &RecoveryTarget) -> bool {
    match &target.point {
        RecoveryPoint::Latest | RecoveryPoint::Immediate | RecoveryPoint::Name(_) => true,
        RecoveryPoint::Time(at) => position.end_at <= *at,
        RecoveryPoint::Lsn(lsn) => position.end_lsn <= *lsn,
        RecoveryPoint::Xid(xid) => !had_ended(&position.end_snapshot, *xid),
    }
}

/// Whether a snapshot, written `xmin:xmax:xip,…`, sees a transaction as ended. Of its 64-bit numbers only the
/// lower half counts, as everywhere in recovery.
fn had_ended(snapshot: &str, xid: u32) -> bool {
    let low = |text: &str| text.parse::<u64>().ok().and_then(|full| u32::try_from(full & 0xFFFF_FFFF).ok());
    let mut parts = snapshot.split(':');
    let next = parts.nth(1).and_then(low);
    let running = parts.next().is_some_and(|list| list.split(',').any(|one| low(one) == Some(xid)));
    // Numbers wrap around: those less than half the range behind are older.
    let is_older = next.is_some_and(|next| xid.wrapping_sub(next).cast_signed() < 0);
    is_older && !running
}

fn nothing_old_enough(
    repository: &dyn Repository,
    target: &RecoveryTarget,
    oldest: Option<&Manifest>,
) -> Error {
    let place = repository.location();
    let Some((oldest, position)) = oldest.and_then(|oldest| Some((oldest, position_of(oldest).ok()?))) else {
        return Error::failed(format!("there is no base backup in {place}")).hint("take one");
    };
    let sentence = format!(
        "no base backup in {place} leads to {target}: the oldest, {}, is on timeline {} and consistent from {} ({}) on",
        oldest.id, position.timeline, position.end_lsn, position.end_at
    );
    Error::failed(sentence).hint("choose a later target, or name the repository that holds older backups")
}

#[cfg(test)]
mod tests {
    use super::had_ended;

    #[test]
    fn a_snapshot_tells_which_transactions_had_ended() {
        let snapshot = "735:738:735,737";
        let ended: Vec<u32> = (733..741).filter(|xid| had_ended(snapshot, *xid)).collect();
        assert_eq!(ended, [733, 734, 736]);
        // The number after 4294967295 is 3, with the upper half increased by one.
        let around = "4294967294:4294967300:4294967294";
        assert!(had_ended(around, 0xFFFF_FFFF) && had_ended(around, 3));
        assert!(!had_ended(around, 0xFFFF_FFFE) && !had_ended(around, 4));
    }
}
