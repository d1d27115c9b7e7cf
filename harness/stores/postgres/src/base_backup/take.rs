//! Takes a base backup of a running server into a repository.

use comeback_engine::repository::{BackupDraft, BackupWriter, Repository};
use comeback_engine::substrate::{Command, Io};
use comeback_model::{BaseBackupPosition, Content, Lsn, Manifest};
use jiff::Timestamp;
use serde::Deserialize;
use sqlx::{PgConnection, Row as _};
use tokio_util::io::InspectWriter;

use super::barrier::{self, Moment};
use super::files::{BASE, WAL, keep_tail};
use super::tablespaces::{self, has_tablespaces};
use crate::cluster::{list_databases, segment_bytes, server_version, system_identifier};
use crate::connection::address::PostgresAddress;
use crate::content::read::read_tables;
use crate::error::{Context as _, Error, Result};
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
    let draft = BackupDraft::begin(repository, "postgres-base").await?;
    let mut draft = draft.made_with("postgres", &server_version(server).await?);
    let restore_point = format!("comeback_{}", draft.stamp());
    let mut keeper = server.connect_to_cluster().await?;
    let first_segment = hold_log(&mut keeper, &restore_point).await?;

    let copied = copy_base(server, programs, draft.files()).await?;
    let (end_at, end_snapshot) = look_at_end(&mut keeper).await?;
    let databases = list_databases(server).await?;
    let moment = barrier::set_moment(server, &databases, &restore_point).await?;
    let (taken_at, lsn, barrier_ms, restore_point) =
        (moment.at, moment.lsn, moment.barrier_ms, moment.name.clone());
    copy_log(&mut keeper, draft.files(), &first_segment, &moment).await?;
    crate::connection::session::close(keeper).await;
    let mut cluster = moment.content;
    read_tables(server, moment.exporters, &mut cluster).await?;

    let position = BaseBackupPosition {
        major: server.major().await?,
        system_identifier: system_identifier(server).await?,
        timeline: copied.timeline,
        segment_bytes: segment_bytes(server).await?,
        start_lsn: copied.start_lsn,
        end_lsn: copied.end_lsn,
        end_at,
        end_snapshot,
        restore_point,
        restore_point_lsn: lsn,
        barrier_ms,
    };
    draft.finish(taken_at, Content::PostgresBaseBackup { position, cluster }).await
}

/// Stops the server from recycling its log. Returns the first segment that is kept.
async fn hold_log(keeper: &mut PgConnection, name: &str) -> Result<String> {
    let slot = name.to_lowercase();
    sqlx::query("select pg_create_physical_replication_slot($1, true, true)")
        .bind(&slot)
        .execute(&mut *keeper)
        .await
        .context("holding the log on the server")?;
    sqlx::query_scalar("select pg_walfile_name(restart_lsn) from pg_replication_slots where slot_name = $1")
        .bind(&slot)
        .fetch_one(keeper)
        .await
        .context("asking which log segment is held")
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

/// Copies the log segments from the first one that is kept to the one with the restore point.
async fn copy_log(
    connection: &mut PgConnection,
    backup: &mut BackupWriter,
    first: &str,
    moment: &Moment,
) -> Result<()> {
    // Completes the segment with the restore point: no more is written to it.
    sqlx::query("select pg_switch_wal()").execute(&mut *connection).await.context("switching the log")?;
    let segments = sqlx::query(
        "select name from pg_ls_waldir() where name ~ '^[0-9A-F]{24}$' and name >= $1 and name <= pg_walfile_name($2::pg_lsn) order by 1",
    )
    .bind(first)
    .bind(moment.lsn.to_string())
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
