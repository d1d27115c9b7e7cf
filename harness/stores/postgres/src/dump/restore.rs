//! Restores a logical export into a new server.

use std::collections::BTreeSet;

use async_compression::tokio::bufread::GzipDecoder;
use comeback_engine::repository::{Fetch, Repository, find_file};
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Content, DumpExport, DumpFormat, FileEntry, Finding, FindingCode, Manifest};
use tokio::io::BufReader;

use super::{ARCHIVE, FOLDER, ROLES, SCRIPT, reads};
use crate::error::{Error, ErrorKind, Result};
use crate::import::{Imported, import_dump, import_roles};
use crate::server::destination::Destination;
use crate::server::files::remove_path;
use crate::{RestoreFailure, surroundings};

/// How much of a compressed file to read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Creates the roles of an export, with their settings, passwords and memberships, on a running server. The
/// roles come before the export, which needs them for owners and grants.
pub async fn restore_roles(
    server: impl Into<Destination>,
    repository: &dyn Repository,
    manifest: &Manifest,
) -> Result<(), RestoreFailure> {
    restore_missing_roles(&server.into(), repository, manifest, &BTreeSet::new()).await
}

/// Creates those roles of an export that a server does not have yet. Those in `present` stay as they are.
pub(crate) async fn restore_missing_roles(
    server: &Destination,
    repository: &dyn Repository,
    manifest: &Manifest,
    present: &BTreeSet<String>,
) -> Result<(), RestoreFailure> {
    ensure_major(server, manifest)?;
    let mut fetch = open(repository, manifest, find_file(manifest, ROLES)?).await?;
    let imported = import_roles(server, ROLES, &mut fetch, present).await;
    // Report the checksum first: a damaged file fails with misleading errors.
    fetch.finish().await?;
    imported
}

/// Creates the database of an export and everything in it, with up to `jobs` connections or processes. The
/// first error ends it. Every byte that is read is checked against the manifest. The roles must exist. An
/// export contains no statistics: call `gather_statistics` next.
pub async fn restore_dump(
    server: impl Into<Destination>,
    repository: &dyn Repository,
    manifest: &Manifest,
    jobs: usize,
) -> Result<(), RestoreFailure> {
    let server = &server.into();
    let export = ensure_major(server, manifest)?;
    match export.format {
        DumpFormat::Plain => restore_script(server, repository, manifest, jobs).await.map(drop),
        DumpFormat::Custom | DumpFormat::Directory => {
            let folder = format!("{}/import", server.node().dir());
            let restored = restore_archive(server, repository, manifest, export, &folder, jobs).await;
            let removed = remove_path(server.node(), &folder).await;
            restored?;
            Ok(removed?)
        }
    }
}

/// A dump can be restored onto its own major version or a newer one; older versions do not know everything in
/// it.
fn ensure_major<'a>(server: &Destination, manifest: &'a Manifest) -> Result<&'a DumpExport> {
    let Content::PostgresDump { export, .. } = &manifest.content else {
        return Err(Error::usage(format!("backup {} is no dump", manifest.id)));
    };
    if export.major <= server.major() {
        return Ok(export);
    }
    let (id, from, to) = (&manifest.id, export.major, server.major());
    Err(Error::could_not_verify(format!(
        "dump {id} was taken on PostgreSQL {from}, and the new server is {to}"
    ))
    .hint(format!("restore it onto PostgreSQL {from} or newer")))
}

/// Opens a file of the backup. A missing file is a fault of the backup.
pub(crate) async fn open(
    repository: &dyn Repository,
    manifest: &Manifest,
    entry: &FileEntry,
) -> Result<Fetch, RestoreFailure> {
    Fetch::open(repository, &manifest.id, entry).await.map_err(|error| {
        if error.kind() != ErrorKind::Failed {
            return error.into();
        }
        let expected = format!("{} bytes with SHA-256 {}", entry.bytes, entry.sha256);
        let subject = format!("{}/{}", manifest.id, entry.name);
        Finding::new(FindingCode::BackupDamaged, subject, expected, error.message())
            .remedy("restore an older export, and find out what removed the file")
            .into()
    })
}

async fn restore_script(
    server: &Destination,
    repository: &dyn Repository,
    manifest: &Manifest,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    if let Content::PostgresDump { export, .. } = &manifest.content {
        server.created().ensure_absent(server.address(), &export.database).await?;
    }
    let fetch = open(repository, manifest, find_file(manifest, SCRIPT)?).await?;
    let mut script = GzipDecoder::new(BufReader::with_capacity(BUFFER_BYTES, fetch));
    // A parallel compressor writes several members.
    script.multiple_members(true);
    let imported = import_dump(server, server.address().database(), SCRIPT, &mut script, jobs).await;
    script.into_inner().into_inner().finish().await?;
    imported
}

/// Fetches the archive into the node and runs `pg_restore` on it.
async fn restore_archive(
    server: &Destination,
    repository: &dyn Repository,
    manifest: &Manifest,
    export: &DumpExport,
    folder: &str,
    jobs: usize,
) -> Result<(), RestoreFailure> {
    let make = Command::new("mkdir").args(["-m", "0700", "--", folder]);
    server.node().exec(&make, Io::default()).await?.success("creating a folder for the export")?;
    let is_part = |file: &&FileEntry| file.name == ARCHIVE || file.name.starts_with(FOLDER);
    for entry in manifest.files.iter().filter(is_part) {
        let name = entry.name.strip_prefix(FOLDER).unwrap_or(&entry.name);
        let mut fetch = open(repository, manifest, entry).await?;
        let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", &format!("{folder}/{name}")]);
        let written = server.node().exec(&write, Io { stdin: Some(&mut fetch), stdout: None }).await;
        fetch.finish().await?;
        written?.success(&format!("fetching {name}"))?;
    }
    let single = manifest.files.iter().any(|file| file.name == ARCHIVE);
    let source = if single { format!("{folder}/{ARCHIVE}") } else { folder.to_owned() };
    // An archive contains its tablespaces even if pg_dump was told to leave them out.
    let (database, options) = (server.address().database(), ["--create", "--no-tablespaces"]);
    let created = server.created();
    created.ensure_absent(server.address(), &export.database).await?;
    let restored = tokio::select! {
        restored = run_pg_restore(server, &manifest.id, &source, database, &options, jobs, None) => restored,
        never = created.watch(server.address(), &export.database) => match never {},
    };
    let looked = created.ended(server.address(), &export.database, restored.is_ok()).await;
    restored?;
    Ok(looked?)
}

/// Runs `pg_restore` on an archive in the server's node, beginning in `database`; the first error ends it.
/// Findings call the archive `subject`. The course, if there is one, is told how far it is.
pub(crate) async fn run_pg_restore(
    server: &Destination,
    subject: &str,
    archive: &str,
    database: &str,
    options: &[&str],
    jobs: usize,
    course: Option<&Course>,
) -> Result<(), RestoreFailure> {
    let programs = server.programs();
    let restore = programs
        .client("pg_restore", server.major())
        .arg("--exit-on-error")
        .args(options.iter().copied())
        // As an argument, a name with an equals sign would be taken for a connection string.
        .arg(format!("--dbname={}", connection_string(database)))
        .args([format!("--jobs={}", jobs.max(1)), archive.to_owned()]);
    let restore = match server.created().tag() {
        // The entry that fails is read from its messages.
        Some(tag) => restore.env("PGAPPNAME", tag).env("LC_ALL", "C"),
        None => restore,
    };
    let restored = programs.with_login(server.node().exec(&restore, Io::default()));
    let output = match course {
        None => restored.await?,
        Some(course) => {
            let meter = course.meter(reads::size(server.node(), archive).await.unwrap_or_default());
            tokio::select! {
                output = restored => output?,
                never = reads::tell(server.node(), archive, &meter) => match never {},
            }
        }
    };
    if output.code == 0 {
        return Ok(());
    }
    server.created().failed(&output.stderr);
    // A pg_restore that was killed says nothing about the export.
    let Some(told) = surroundings::first_error(&output.stderr) else {
        return Ok(output.success("restoring the export").map(drop)?);
    };
    if let Some(error) = surroundings::error("restoring the export", None, &told) {
        return Err(error.into());
    }
    Err(Finding::new(code_of(&told), subject, "a restore that goes through", told)
        .remedy("read the server's log in the evidence")
        .into())
}

/// `dbname='na\'me'`
fn connection_string(database: &str) -> String {
    format!("dbname='{}'", database.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// What an error of `pg_restore` says about the archive.
fn code_of(told: &str) -> FindingCode {
    let says = |words: &[&str]| words.iter().any(|word| told.contains(word));
    // The last one is said at the end of the file alone (`pg_backup_custom.c`), where another process may have found it
    // to be cut.
    if says(&["end of file", "could not read from input file", "unexpected EOF", "could not find block ID"]) {
        FindingCode::BackupTruncated
    } else if says(&["could not uncompress", "could not decompress", "corrupt", "block ID", "invalid"])
        && !told.contains("ERROR:")
    {
        FindingCode::BackupDamaged
    } else {
        FindingCode::RestoreFailed
    }
}
