//! Decides which backups may be removed, and removes them.
//!
//! A repository can be shared. Backups of the same kind and source are older and newer states of one thing, and each
//! such group is decided on its own: the backups of a server that no longer makes backups are all that is left of it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use comeback_error::{Error, Result};
use comeback_model::{ContentKind, Manifest, ManifestHead, Source};
use jiff::Timestamp;

use super::Repository;
use super::log_retention::{LogPruned, log_to_prune};
use super::provenance::provenance;
use super::stream::verify_stored;

/// How long backups are kept. A backup is kept if either limit keeps it; the newest good one always is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Keep backups that are not older than this.
    pub keep: Option<Duration>,
    /// Keep this many of the newest backups.
    pub keep_last: Option<NonZeroUsize>,
}

/// The result of pruning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The backups that were removed.
    pub removed: Vec<String>,
    /// The backups that were kept although a limit or a rule would suggest otherwise, and why.
    pub kept: Vec<(String, String)>,
    /// The sources none of whose backups is good; none of theirs is removed.
    pub none_good: Vec<String>,
    /// What was removed of log archives.
    pub log: Vec<LogPruned>,
}

/// What is decided about the backups of a repository; nothing is removed yet.
struct Plan {
    pruned: Pruned,
    /// The backups that stay, as far as they can be read.
    stay: Vec<ManifestHead>,
    /// The clusters whose log can be pruned: base backups of theirs go, and a good one stays.
    clusters: Vec<String>,
}

/// Removes the backups of the same kind and source as `newest` that are older than `keep`, except the last good
/// one, however old it is.
///
/// Backups whose manifest does not name their source are never removed. Good means that every byte was read again and
/// matches the manifest. If no backup is good, nothing is removed: an old backup may still be useful, which matters
/// more than its age.
pub async fn prune(
    repository: &dyn Repository,
    newest: &Manifest,
    now: Timestamp,
    keep: Duration,
) -> Result<Pruned> {
    let source = newest.source().ok_or_else(|| {
        Error::usage(format!("backup {} does not say what it is of, so none can be pruned", newest.id))
    })?;
    let group = (newest.content.kind(), source);
    let retention = Retention { keep: Some(keep), keep_last: None };
    let pruned = prune_groups(repository, Some(&group), now, retention, false).await?;
    if let Some(source) = pruned.none_good.first() {
        return Err(Error::failed(format!(
            "no backup of {source} in {} is good, so none is removed",
            repository.location()
        ))
        .hint("take a new one at once"));
    }
    Ok(pruned)
}

/// Removes what the retention does not keep, of every kind and source. Where keys are trusted, a backup that none of them
/// signed stays and does not count. If the clocks of the machine and of the store differ, nothing is removed. With `is_dry`, it removes nothing and returns
/// what would be removed.
pub async fn prune_all(
    repository: &dyn Repository,
    now: Timestamp,
    retention: Retention,
    is_dry: bool,
) -> Result<Pruned> {
    prune_groups(repository, None, now, retention, is_dry).await
}

async fn prune_groups(
    repository: &dyn Repository,
    only: Option<&(ContentKind, Source)>,
    now: Timestamp,
    retention: Retention,
    is_dry: bool,
) -> Result<Pruned> {
    if retention == Retention::default() {
        return Err(Error::usage("no retention was named, so nothing can be pruned")
            .hint("name how many days, or how many of the newest backups, are kept"));
    }
    if let Some(warning) = repository.warnings().first() {
        return Err(Error::could_not_verify(format!("nothing is pruned: {warning}"))
            .hint("with a wrong clock, what is old looks new, or the other way round"));
    }
    let keep = retention.keep.unwrap_or_default();
    let limit =
        now.checked_sub(keep).map_err(|error| Error::usage(format!("keeping backups so long: {error}")))?;
    let Plan { mut pruned, stay, clusters } = plan(repository, only, now, limit, retention).await?;
    let mut log = Vec::new();
    for cluster in clusters {
        match log_to_prune(repository, &cluster, &stay, !pruned.unreadable().is_empty()).await? {
            Ok(found) if found.stored.is_empty() => {}
            Ok(found) => log.push(found),
            Err(why) => pruned.kept.push((format!("the log of cluster {cluster}"), why)),
        }
    }
    if !is_dry {
        for id in &pruned.removed {
            repository.remove(id).await?;
        }
        // Only now: a killed prune leaves log without backups, never backups without log.
        for found in &log {
            for name in &found.stored {
                repository.remove_log(&found.cluster, name).await?;
            }
        }
    }
    pruned.log = log;
    Ok(pruned)
}

/// The reason for a backup whose manifest cannot be read.
const UNREADABLE: &str = "its manifest cannot be read: ";

impl Pruned {
    fn unreadable(&self) -> Vec<&str> {
        let unreadable = self.kept.iter().filter(|(_, why)| why.starts_with(UNREADABLE));
        unreadable.map(|(id, _)| id.as_str()).collect()
    }
}

async fn plan(
    repository: &dyn Repository,
    only: Option<&(ContentKind, Source)>,
    now: Timestamp,
    limit: Timestamp,
    retention: Retention,
) -> Result<Plan> {
    let mut pruned = Pruned::default();
    let mut groups: BTreeMap<(ContentKind, Source), Vec<ManifestHead>> = BTreeMap::new();
    let mut stay = Vec::new();
    for id in repository.list().await? {
        let head = match repository.head(&id).await {
            Ok(head) => head,
            Err(error) => {
                pruned.kept.push((id, format!("{UNREADABLE}{}", error.message())));
                continue;
            }
        };
        let group = head.content.source.clone().map(|source| (head.content.kind, source));
        if let Some(why) = doubt(repository, &id).await {
            if only.is_none_or(|only| group.as_ref() == Some(only)) {
                pruned.kept.push((id, why));
            }
            stay.push(head);
            continue;
        }
        match group {
            Some(group) if only.is_none_or(|only| *only == group) => {
                groups.entry(group).or_default().push(head);
            }
            Some(_) => stay.push(head),
            None => {
                let is_asked_for = only.is_none_or(|(kind, _)| *kind == head.content.kind);
                if is_asked_for && head.taken_at < limit {
                    let why = "an older version took it, which did not write down of what; remove it by hand";
                    pruned.kept.push((id, why.to_owned()));
                }
                stay.push(head);
            }
        }
    }
    let mut clusters = Vec::new();
    for ((kind, source), mut heads) in groups {
        heads.sort_by(|one, other| (other.taken_at, &other.id).cmp(&(one.taken_at, &one.id)));
        let mut verdicts = decide(&heads, now, limit, retention);
        if verdicts.contains(&Verdict::Goes) {
            match newest_good(repository, &heads, &verdicts).await? {
                Some(good) if verdicts[good] == Verdict::Goes => {
                    verdicts[good] = Verdict::Stays;
                    pruned.kept.push((heads[good].id.clone(), "it is the newest good one".to_owned()));
                }
                Some(_) => {}
                None => {
                    pruned.none_good.push(source.to_string());
                    verdicts.fill(Verdict::Stays);
                }
            }
        }
        for (head, verdict) in heads.into_iter().zip(verdicts) {
            match verdict {
                Verdict::Goes => {
                    if kind == ContentKind::PostgresBaseBackup
                        && let Some(log) = &head.content.log
                        && !clusters.contains(&log.system_identifier)
                    {
                        clusters.push(log.system_identifier.clone());
                    }
                    pruned.removed.push(head.id);
                }
                Verdict::Future => {
                    let why = format!("its date, {}, is in the future: a clock was wrong", head.taken_at);
                    pruned.kept.push((head.id.clone(), why));
                    stay.push(head);
                }
                Verdict::Stays => stay.push(head),
            }
        }
    }
    Ok(Plan { pruned, stay, clusters })
}

/// Why a backup does not count where keys are trusted: anybody could have written it, with any date and any source, so
/// that real backups go in its favour.
async fn doubt(repository: &dyn Repository, id: &str) -> Option<String> {
    if repository.trusted_keys().is_empty() {
        return None;
    }
    match provenance(repository, id).await {
        Ok(found) if found.is_trusted() => None,
        Ok(found) => {
            Some(format!("no trusted key vouches for it ({found}): look at it, and remove it by hand"))
        }
        Err(error) => Some(format!("its signature cannot be read: {}", error.message())),
    }
}

/// What is decided about one backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Stays,
    /// It is dated in the future: it stays, and does not count as a newest one.
    Future,
    Goes,
}

/// Decides about the backups of one group, the newest first, without a look at their content.
fn decide(heads: &[ManifestHead], now: Timestamp, limit: Timestamp, retention: Retention) -> Vec<Verdict> {
    let mut counted = 0;
    heads
        .iter()
        .map(|head| {
            if head.taken_at > now {
                return Verdict::Future;
            }
            counted += 1;
            let is_young = retention.keep.is_some() && head.taken_at >= limit;
            let is_among_last = retention.keep_last.is_some_and(|last| counted <= last.get());
            if is_young || is_among_last { Verdict::Stays } else { Verdict::Goes }
        })
        .collect()
}

/// The newest backup every byte of which is as it was written. One that is dated in the future counts only if there is
/// no other.
async fn newest_good(
    repository: &dyn Repository,
    heads: &[ManifestHead],
    verdicts: &[Verdict],
) -> Result<Option<usize>> {
    let is_future = |at: &usize| verdicts[*at] == Verdict::Future;
    let (future, past): (Vec<usize>, Vec<usize>) = (0..heads.len()).partition(is_future);
    for at in past.into_iter().chain(future) {
        if verify_stored(repository, &heads[at]).await?.is_empty() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}
