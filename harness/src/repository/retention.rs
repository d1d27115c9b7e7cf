//! Which backups may go.

use std::time::Duration;

use jiff::Timestamp;

use super::{Repository, verify_files};
use crate::error::{Error, Result};
use crate::model::Manifest;

/// What a pruning did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The backups that were removed.
    pub removed: Vec<String>,
    /// The backups that are too old and were kept nevertheless, and why.
    pub kept: Vec<(String, String)>,
}

/// Removes the backups of a kind that are older than `keep`, but for the newest good one, however old it is.
///
/// Good means that every byte was read again and is what the manifest says. Where no backup is good, nothing
/// is removed: an old one may still be of use to somebody, and the age of the others is the lesser problem.
pub async fn prune(
    repository: &dyn Repository,
    wanted: impl Fn(&Manifest) -> bool,
    now: Timestamp,
    keep: Duration,
) -> Result<Pruned> {
    let limit =
        now.checked_sub(keep).map_err(|error| Error::usage(format!("keeping backups so long: {error}")))?;
    let (mut pruned, mut good, mut old) = (Pruned::default(), None, Vec::new());
    for id in repository.list().await? {
        let manifest = match repository.manifest(&id).await {
            Ok(manifest) if wanted(&manifest) => manifest,
            Ok(_) => continue,
            Err(error) => {
                pruned.kept.push((id, error.message().to_owned()));
                continue;
            }
        };
        if good.is_none() && verify_files(repository, &manifest).await?.is_empty() {
            good = Some(manifest.id.clone());
        }
        if manifest.taken_at < limit {
            old.push(manifest.id);
        }
    }
    if old.is_empty() {
        return Ok(pruned);
    }
    let Some(good) = good else {
        return Err(Error::failed(format!(
            "no backup in {} is good, so none is removed",
            repository.location()
        ))
        .hint("take a new one at once"));
    };
    for id in old {
        if id == good {
            pruned.kept.push((id, "it is the newest good one".to_owned()));
        } else {
            repository.remove(&id).await?;
            pruned.removed.push(id);
        }
    }
    Ok(pruned)
}
