//! Decides which part of a log archive no base backup needs any more.

use comeback_error::Result;
use comeback_model::ManifestHead;

use super::Repository;
use super::log_names::{StoredName, segment_of};

/// Files of a log archive that no base backup needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPruned {
    /// The system identifier of the cluster.
    pub cluster: String,
    /// How many files of the log these are, as the server counts them.
    pub files: usize,
    /// The first and the last of them.
    pub range: Option<(String, String)>,
    /// Their names in the repository.
    pub stored: Vec<String>,
}

/// The files of a cluster's log that are older than the start of every base backup that stays, or why none is removed.
///
/// Segments are compared without their timelines, as `pg_archivecleanup` does: a segment of an abandoned timeline is as
/// old as the one that took its place. Histories of timelines are small, and stay.
pub(super) async fn log_to_prune(
    repository: &dyn Repository,
    cluster: &str,
    stay: &[ManifestHead],
    has_unreadable: bool,
) -> Result<Result<LogPruned, String>> {
    if has_unreadable {
        return Ok(Err("a backup whose manifest cannot be read may need it".to_owned()));
    }
    let mut oldest: Option<(u64, u64)> = None;
    for head in stay {
        match &head.content.log {
            Some(log) if log.system_identifier == cluster => {
                let number = log.start_lsn.0 / log.segment_bytes.max(1);
                if oldest.is_some_and(|(_, bytes)| bytes != log.segment_bytes) {
                    return Ok(Err(format!("backup {} names another size of its segments", head.id)));
                }
                oldest = Some(
                    oldest.map_or((number, log.segment_bytes), |old| old.min((number, log.segment_bytes))),
                );
            }
            None if head.content.kind == comeback_model::ContentKind::PostgresBaseBackup => {
                return Ok(Err(format!("backup {} does not say which log it needs", head.id)));
            }
            _ => {}
        }
    }
    let Some((oldest, segment_bytes)) = oldest else {
        return Ok(Err("no base backup of it stays".to_owned()));
    };
    let mut pruned = LogPruned { cluster: cluster.to_owned(), ..LogPruned::default() };
    let mut names = std::collections::BTreeSet::new();
    for stored in repository.list_log(cluster, "").await? {
        let Some(name) = StoredName::parse(&stored) else { continue };
        let Some(name) = name.server_name() else { continue };
        if segment_of(name).is_some_and(|segment| segment.number(segment_bytes) < oldest) {
            names.insert(name.to_owned());
            pruned.stored.push(stored);
        }
    }
    pruned.files = names.len();
    pruned.range = names.first().cloned().zip(names.last().cloned());
    // A content goes before its claim.
    pruned.stored.sort_by_key(|stored| (stored.ends_with("-claim"), stored.clone()));
    Ok(Ok(pruned))
}
