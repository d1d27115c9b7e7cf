//! Saves the log that a killed server had written but not archived, if its disk still exists.

use comeback_engine::repository::LogArchive;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Lsn, SegmentName};

use super::archiver::{empty_spool, store, store_histories};
use super::page::{reach, written_segment_bytes};
use crate::error::Result;
use crate::server::node::PostgresServer;

/// What was saved in addition to the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Complete segments.
    pub segments: Vec<SegmentName>,
    /// The segment that was being written, and the end of its records.
    pub partial: Option<(SegmentName, Option<Lsn>)>,
}

/// Moves the spool of a stopped server into the archive, and stores what else is in its log folder: complete
/// segments, and the last one as `.partial`. Its data directory is not changed.
pub async fn salvage_log(server: &PostgresServer, archive: &LogArchive) -> Result<Salvaged> {
    empty_spool(server, archive).await?;
    store_histories(server, archive).await?;
    let dir = format!("{}/pg_wal", server.data_dir());
    let mut written = Vec::new();
    for name in server.list_dir(&dir).await? {
        let Ok(segment) = name.parse::<SegmentName>() else { continue };
        if archive.find(&name).await?.is_empty() && is_written(server, &dir, segment).await? {
            written.push(segment);
        }
    }
    // In the order of the log: segments of a newer timeline come after those of the older one.
    written.sort();
    let mut salvaged = Salvaged::default();
    let last = written.pop();
    for segment in written {
        let content = server.read_file(&format!("{dir}/{segment}")).await?;
        store(archive, &segment.to_string(), &content).await?;
        salvaged.segments.push(segment);
    }
    if let Some(segment) = last {
        let content = server.read_file(&format!("{dir}/{segment}")).await?;
        store(archive, &format!("{segment}.partial"), &content).await?;
        salvaged.partial = Some((segment, reach(&content, segment)));
    }
    Ok(salvaged)
}

/// Whether a segment was written under its name, rather than reserved for later.
async fn is_written(server: &PostgresServer, dir: &str, segment: SegmentName) -> Result<bool> {
    let command = Command::new("head").args(["-c", "40", "--", &format!("{dir}/{segment}")]);
    let output = server.node().exec(&command, Io::default()).await?;
    let beginning = output.success(&format!("reading the beginning of segment {segment}"))?.stdout;
    Ok(written_segment_bytes(&beginning, segment).is_some())
}
