//! Takes a base backup of a running server into a repository.

use comeback_engine::repository::{BackupDraft, BackupWriter, Repository};
use comeback_engine::substrate::{Command, Io};
use comeback_model::{BaseBackupPosition, ClusterContent, Content, Lsn, Manifest, SegmentName};
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, Row as _};
use tokio_util::io::InspectWriter;

use super::barrier::{self, Moment};
use super::files::{BASE, WAL, keep_tail};
use super::tablespaces::{self, has_tablespaces};
use crate::cluster::{list_databases, segment_bytes, server_version, system_identifier, taken_from};
use crate::connection::address::PostgresAddress;
use crate::content::read::read_tables;
use crate::error::{Context as _, Error, ErrorKind, Result};
use crate::server::programs::ClientPrograms;

/// Takes a base backup into the repository, with the log from it to a named moment. The manifest describes
/// the cluster's content at that moment.
///
/// A temporary replication slot keeps the log on the server during the backup. The slot ends with our
/// connection, however we end. `programs` copy the files.
pub async fn take_base_backup(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    repository: &dyn Repository,
) -> Result<Manifest> {
    take(server, programs, repository, true, &mut |error| Err(error)).await
}

/// The same, but a copy without a moment is kept, as without a barrier. Returns why there is no moment.
pub async fn take_base_backup_anyway(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    repository: &dyn Repository,
) -> Result<(Manifest, Option<Error>)> {
    let mut missed = None;
    let mut keep = |error: Error| {
        if error.kind() != ErrorKind::CouldNotVerify {
            return Err(error);
        }
        missed = Some(error);
        Ok(())
    };
    let manifest = take(server, programs, repository, true, &mut keep).await?;
    Ok((manifest, missed))
}

/// Takes a base backup with the log that makes it consistent, and no more: no table is locked, no restore point is set,
/// and the manifest does not describe the content. The server may be a standby.
pub async fn take_base_backup_without_barrier(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    repository: &dyn Repository,
) -> Result<Manifest> {
    take(server, programs, repository, false, &mut |error| Err(error)).await
}

async fn take(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    repository: &dyn Repository,
    sets_moment: bool,
    missed: &mut (dyn FnMut(Error) -> Result<()> + Send),
) -> Result<Manifest> {
    let draft = BackupDraft::begin(repository, "postgres-base").await?;
    let draft = draft.made_with("postgres", &server_version(server).await?);
    let mut draft = draft.taken_from(taken_from(server, server.database()).await?);
    let name = format!("comeback_{}", draft.stamp());
    let mut keeper = server.connect_to_cluster().await?;
    hold_log(&mut keeper, &name).await?;

    let copied = copy_base(server, programs, draft.files()).await?;
    let (end_at, end_snapshot) = look_at_end(&mut keeper).await?;
    let moment = if sets_moment {
        let databases = list_databases(server).await?;
        match barrier::set_moment(server, &databases, &name).await {
            Ok(moment) => {
                // Completes the segment with the restore point: no more is written to it.
                let switched = sqlx::query("select pg_switch_wal()").execute(&mut keeper).await;
                switched.context("switching the log")?;
                Some(moment)
            }
            Err(error) => missed(error).map(|()| None)?,
        }
    } else {
        None
    };
    let until = moment.as_ref().map_or(copied.end_lsn, |moment| moment.lsn);
    let segment_bytes = segment_bytes(server).await?;
    copy_log(&mut keeper, draft.files(), &copied, until, segment_bytes).await?;
    crate::connection::session::close(keeper).await;

    let mut position = BaseBackupPosition {
        major: server.major().await?,
        system_identifier: system_identifier(server).await?,
        timeline: copied.timeline,
        segment_bytes,
        start_lsn: copied.start_lsn,
        end_lsn: copied.end_lsn,
        end_at,
        end_snapshot,
        restore_point: None,
        restore_point_lsn: copied.end_lsn,
        barrier_ms: 0,
    };
    let (mut cluster, mut taken_at) = (ClusterContent::default(), end_at);
    if let Some(moment) = moment {
        let Moment { exporters, lsn, at, barrier_ms, name, content } = moment;
        (cluster, taken_at) = (content, at);
        read_tables(server, exporters, &mut cluster).await?;
        position =
            BaseBackupPosition { restore_point: Some(name), restore_point_lsn: lsn, barrier_ms, ..position };
    }
    draft.finish(taken_at, Content::PostgresBaseBackup { position, cluster }).await
}

/// Stops the server from recycling its log.
async fn hold_log(keeper: &mut PgConnection, name: &str) -> Result<()> {
    let held = sqlx::query("select pg_create_physical_replication_slot($1, true, true)")
        .bind(name.to_lowercase())
        .execute(keeper)
        .await;
    held.context("holding the log on the server").map(drop)
}

/// The part of the log that the copy needs to be consistent.
#[derive(Debug, PartialEq, Eq)]
struct Copied {
    timeline: u32,
    start_lsn: Lsn,
    end_lsn: Lsn,
}

async fn copy_base(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    backup: &mut BackupWriter,
) -> Result<Copied> {
    let command = programs
        .client("pg_basebackup", server.major().await?)
        .args(["--format=tar", "--wal-method=none", "--checkpoint=fast"])
        .args(["--label=comeback", "--manifest-checksums=CRC32C"]);
    let tail = if has_tablespaces(server).await? {
        programs.with_login(Box::pin(tablespaces::copy_base(programs, command, backup))).await?
    } else {
        let command = command.arg("--pgdata=-");
        programs.with_login(Box::pin(stream_base(programs, &command, backup))).await?
    };
    parse_copied(&String::from_utf8_lossy(&tail)).ok_or_else(|| {
        Error::could_not_verify("the base backup does not end with a manifest that says which log it needs")
            .hint("PostgreSQL writes one from version 13 on")
    })
}

/// Streams the data directory into the backup. Returns the end of the stream.
async fn stream_base(
    programs: &ClientPrograms,
    command: &Command,
    backup: &mut BackupWriter,
) -> Result<Vec<u8>> {
    let mut sink = backup.create(BASE).await?;
    let mut tail = Vec::new();
    let mut passing = InspectWriter::new(&mut sink, |bytes: &[u8]| keep_tail(&mut tail, bytes));
    let output = programs.node().exec(command, Io { stdin: None, stdout: Some(&mut passing) }).await?;
    output.success("taking the base backup")?;
    sink.finish().await?;
    Ok(tail)
}

/// Reads the last entry of `backup_manifest`, the last file of the backup: `"WAL-Ranges": [ { "Timeline": 1,
/// "Start-LSN": "0/2000028", "End-LSN": "0/2000100" } ]`.
fn parse_copied(tail: &str) -> Option<Copied> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Range {
        timeline: u32,
        #[serde(rename = "Start-LSN")]
        start: Lsn,
        #[serde(rename = "End-LSN")]
        end: Lsn,
    }
    let (_, ranges) = tail.rsplit_once("\"WAL-Ranges\": ")?;
    let ranges = &ranges[..=ranges.find(']')?];
    let ranges: Vec<Range> = serde_json::from_str(ranges).ok()?;
    let (first, last) = (ranges.first()?, ranges.last()?);
    Some(Copied { timeline: last.timeline, start_lsn: first.start, end_lsn: last.end })
}

/// The server's clock and the snapshot of ended transactions, read when the copy is complete: anything later
/// by either is after the position at which the copy is consistent.
async fn look_at_end(connection: &mut PgConnection) -> Result<(Timestamp, String)> {
    let row = sqlx::query(
        "select (extract(epoch from clock_timestamp()) * 1000000)::int8, pg_current_snapshot()::text",
    )
    .fetch_one(connection)
    .await
    .context("reading the server's clock")?;
    let at_us: i64 = row.try_get(0).context("reading the server's clock")?;
    let at = Timestamp::from_microsecond(at_us).context("reading the server's clock")?;
    Ok((at, row.try_get(1).context("reading the server's snapshot")?))
}

/// Copies the log segments from the beginning of the copy to a position.
async fn copy_log(
    connection: &mut PgConnection,
    backup: &mut BackupWriter,
    copied: &Copied,
    until: Lsn,
    segment_bytes: u64,
) -> Result<()> {
    // The server names segments only where it is no standby.
    let name = |number| SegmentName::nth(copied.timeline, number, segment_bytes).to_string();
    let first = name(copied.start_lsn.0 / segment_bytes);
    // A position at the beginning of a segment belongs to the end of the one before.
    let last = name(until.0.saturating_sub(1) / segment_bytes);
    let segments = sqlx::query(
        "select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$' and name >= $1 and name <= $2 order by 1",
    )
    .bind(first)
    .bind(last)
    .fetch_all(&mut *connection)
    .await
    .context("listing the log segments")?;
    for segment in segments {
        let name: String = segment.try_get(0).context("listing the log segments")?;
        let content: Vec<u8> = sqlx::query_scalar("select pg_read_binary_file('pg_wal/' || $1)")
            .bind(&name)
            .fetch_one(&mut *connection)
            .await
            .context(format_args!("reading log segment {name}"))?;
        backup.write(&format!("{WAL}{name}.zst"), &content).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_base_backup_says_which_log_it_needs() {
        let manifest = "{ \"Path\": \"base/1/2\", \"Size\": 8192 }\n],\n\"WAL-Ranges\": [\n\
            { \"Timeline\": 3, \"Start-LSN\": \"0/2000028\", \"End-LSN\": \"0/2000100\" }\n],\n\
            \"Manifest-Checksum\": \"0a\"}\n\0\0\0";
        let copied = Copied { timeline: 3, start_lsn: Lsn(0x200_0028), end_lsn: Lsn(0x200_0100) };
        assert_eq!(parse_copied(manifest), Some(copied));
        assert_eq!(parse_copied("\0\0\0"), None);
    }
}
