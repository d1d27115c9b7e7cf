//! How far the archive is behind a running server, measured before a disaster, while it can still be fixed.

use std::collections::BTreeSet;

use comeback_engine::repository::LogArchive;
use comeback_model::{Finding, LogFileKind, Lsn, SegmentName, TimelineHistory};
use sqlx::Row as _;

use super::path::{LogPath, gap_finding, read_history};
use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// The state of an archive relative to its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveHealth {
    /// The server's insert position.
    pub insert_lsn: Lsn,
    /// The position up to which the archive holds every segment from its first one on.
    pub archived_to: Lsn,
    /// Complete segments of the server that are not in the archive.
    pub waiting_segments: u64,
    /// Milliseconds since the server handed over its last segment, or since its start.
    pub handed_over_ms: u64,
    /// The segment that the server cannot hand over, while that lasts.
    pub failing: Option<String>,
    /// A segment that is missing between others.
    pub gap: Option<Finding>,
}

impl ArchiveHealth {
    /// How many bytes of log would be lost with the server now.
    pub fn behind_bytes(&self) -> u64 {
        self.insert_lsn.0.saturating_sub(self.archived_to.0)
    }
}

/// What the server reports about its log.
struct Position {
    insert_lsn: Lsn,
    timeline: u32,
    handed_over_ms: u64,
    failing: Option<String>,
}

/// Measures how far the archive is behind the server. The server's spool counts as not archived: it would be
/// lost with the machine.
pub async fn measure_archive(server: &PostgresAddress, archive: &LogArchive) -> Result<ArchiveHealth> {
    let position = ask(server).await?;
    let segment_bytes = crate::cluster::segment_bytes(server).await?;
    let inventory = archive.list().await?;
    let history = read_history(archive, &inventory, position.timeline).await?;
    let history = history.unwrap_or_else(|| TimelineHistory::root(position.timeline));
    let segments = inventory.keys().filter_map(|name| match LogFileKind::of(name) {
        Some(LogFileKind::Segment(segment)) => Some(segment),
        _ => None,
    });
    let first = segments.min_by_key(|segment: &SegmentName| segment.number(segment_bytes));
    let from = first.map_or(position.insert_lsn, |first| first.start(segment_bytes));
    let path = LogPath::plan(&inventory, &BTreeSet::new(), &history, from, None, segment_bytes);
    let end = |last: SegmentName| Lsn(last.start(segment_bytes).0 + segment_bytes);
    let archived_to = path.last().map_or(from, end);
    let waiting = (position.insert_lsn.0 / segment_bytes).saturating_sub(archived_to.0 / segment_bytes);
    Ok(ArchiveHealth {
        insert_lsn: position.insert_lsn,
        archived_to: path.last().map_or(Lsn(0), |_| archived_to),
        waiting_segments: waiting,
        handed_over_ms: position.handed_over_ms,
        failing: position.failing,
        gap: path.gap.map(|(missing, behind)| gap_finding(archive, missing, behind)),
    })
}

async fn ask(server: &PostgresAddress) -> Result<Position> {
    let doing = "asking the server how its archiving goes";
    let mut connection = server.connect_to_cluster().await?;
    let row = sqlx::query(
        "select pg_current_wal_insert_lsn()::text, pg_walfile_name(pg_current_wal_insert_lsn()), \
            (extract(epoch from clock_timestamp() - coalesce(last_archived_time, pg_postmaster_start_time())) * 1000)::int8, \
            case when last_failed_time > coalesce(last_archived_time, '-infinity') \
                then last_failed_wal || ' at ' || last_failed_time end \
         from pg_stat_archiver",
    )
    .fetch_one(&mut connection)
    .await
    .context(doing)?;
    crate::connection::session::close(connection).await;
    let (lsn, segment): (String, String) = (row.try_get(0).context(doing)?, row.try_get(1).context(doing)?);
    let handed_over_ms: i64 = row.try_get(2).context(doing)?;
    Ok(Position {
        insert_lsn: lsn.parse().context(doing)?,
        timeline: segment.parse::<SegmentName>().context(doing)?.timeline,
        handed_over_ms: u64::try_from(handed_over_ms).unwrap_or(0),
        failing: row.try_get(3).context(doing)?,
    })
}
