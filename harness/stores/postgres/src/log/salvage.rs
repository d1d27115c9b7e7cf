//! Saves what a killed server had written and not yet archived, where its disk is still there.

use comeback_engine::repository::LogArchive;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Lsn, SegmentName};

use super::archiver::{empty_spool, store, store_histories};
use super::page::{reach, written_segment_bytes};
use crate::error::Result;
use crate::server::node::PostgresServer;

/// What was saved beyond the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Whole segments.
    pub segments: Vec<SegmentName>,
    /// The segment that was being written, and how far its records go.
    pub partial: Option<(SegmentName, Option<Lsn>)>,
}

/// Moves the spool of a server that does not run any more into the archive, and stores what its log folder has
/// beyond that: whole segments, and the last one as `.partial`. Nothing in its data directory is changed.
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
    // In the order of the log: a segment of a newer timeline comes after all of the older one's.
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

/// Whether a file was written under its name, or only made ready for later.
async fn is_written(server: &PostgresServer, dir: &str, segment: SegmentName) -> Result<bool> {
    let command = Command::new("head").args(["-c", "40", "--", &format!("{dir}/{segment}")]);
    let output = server.node().exec(&command, Io::default()).await?;
    let beginning = output.success(&format!("reading the beginning of segment {segment}"))?.stdout;
    Ok(written_segment_bytes(&beginning, segment).is_some())
}
