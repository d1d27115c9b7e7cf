//! Decides which backups may be removed.

use std::time::Duration;

use comeback_error::{Error, Result};
use comeback_model::Manifest;
use jiff::Timestamp;

use super::{Repository, verify_files};

/// The result of pruning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The backups that were removed.
    pub removed: Vec<String>,
    /// The backups that are too old and were kept, and why.
    pub kept: Vec<(String, String)>,
}

/// Removes the backups of the same kind and source as `newest` that are older than `keep`, except the last good
/// one, however old it is.
///
/// A repository can be shared. The backups of another server that no longer makes backups are all that is left of
/// it, and are never removed here. Backups whose manifest does not name their source are never removed either. Good
/// means that every byte was read again and matches the manifest. If no backup is good, nothing is removed: an old
/// backup may still be useful, which matters more than its age.
pub async fn prune(
    repository: &dyn Repository,
    newest: &Manifest,
    now: Timestamp,
    keep: Duration,
) -> Result<Pruned> {
    let limit =
        now.checked_sub(keep).map_err(|error| Error::usage(format!("keeping backups so long: {error}")))?;
    let source = newest.source().ok_or_else(|| {
        Error::usage(format!("backup {} does not say what it is of, so none can be pruned", newest.id))
    })?;
    let (mut pruned, mut good, mut old) = (Pruned::default(), None, Vec::new());
    for id in repository.list().await? {
        let manifest = match repository.manifest(&id).await {
            Ok(manifest) if is_of_kind(newest, &manifest) => manifest,
            Ok(_) => continue,
            Err(error) => {
                pruned.kept.push((id, error.message().to_owned()));
                continue;
            }
        };
        let is_old = manifest.taken_at < limit;
        match manifest.source() {
            Some(of) if of == source => {}
            Some(_) => continue,
            None => {
                if is_old {
                    let why = "an older version took it, which did not write down of what; remove it by hand";
                    pruned.kept.push((id, why.to_owned()));
                }
                continue;
            }
        }
        if good.is_none() && verify_files(repository, &manifest).await?.is_empty() {
            good = Some(manifest.id.clone());
        }
        if is_old {
            old.push(manifest.id);
        }
    }
    if old.is_empty() {
        return Ok(pruned);
    }
    let Some(good) = good else {
        return Err(Error::failed(format!(
            "no backup of {source} in {} is good, so none is removed",
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

fn is_of_kind(one: &Manifest, other: &Manifest) -> bool {
    std::mem::discriminant(&one.content) == std::mem::discriminant(&other.content)
}
