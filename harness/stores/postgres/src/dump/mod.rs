//! Logical exports: taken into a repository, and restored from it.

mod present;
mod reads;
mod restore;
mod scope;
mod undo;

use std::collections::BTreeMap;

pub use present::PresentRoles;
pub(super) use restore::{open, restore_missing_roles, run_pg_restore};
pub use restore::{restore_dump, restore_roles};
pub use scope::read_dump_scope;
pub use undo::ImportUndo;

use super::cluster::{server_version, system_identifier, taken_from};
use super::connection::address::PostgresAddress;
use super::content::carried::Carried;
use super::content::exporter::{ATTEMPTS, Exporter, always_altered};
use super::server::files::{list_dir, remove_path};
use super::server::programs::ClientPrograms;
use crate::error::{Error, Result};
use comeback_engine::repository::{BackupDraft, BackupWriter, Repository};
use comeback_engine::substrate::{Command, Io, Node};
use comeback_model::{CatalogueForm, ClusterContent, Content, DumpExport, DumpFormat, Manifest};

/// Roles, their passwords (as verifiers), settings and memberships: a script of `pg_dumpall`.
pub(super) const ROLES: &str = "roles.sql";
/// The export as one script.
pub(super) const SCRIPT: &str = "dump.sql.gz";
/// The export as one archive.
pub(super) const ARCHIVE: &str = "dump.custom";
/// The folder of the export as several files.
pub(super) const FOLDER: &str = "dump/";

/// How many connections or processes an export or an import may use: one for each core of this machine.
pub fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Exports a database into the repository, and the roles beside it. The manifest describes the database's
/// content in the exported snapshot.
///
/// Materialised views are not in the manifest: a logical restore computes them again. Tablespaces are not in
/// the export: another server does not have them, and an export that names one cannot be restored there.
/// `programs` write the export.
pub async fn take_dump(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    database: &str,
    repository: &dyn Repository,
    format: DumpFormat,
) -> Result<Manifest> {
    for _ in 0..ATTEMPTS {
        if let Some(manifest) = try_dump(server, programs, database, repository, format).await? {
            return Ok(manifest);
        }
    }
    Err(always_altered(database))
}

/// Takes a dump; `None` if a definition changed meanwhile.
async fn try_dump(
    server: &PostgresAddress,
    programs: &ClientPrograms,
    database: &str,
    repository: &dyn Repository,
    format: DumpFormat,
) -> Result<Option<Manifest>> {
    let draft = BackupDraft::begin(repository, "postgres-dump").await?;
    let draft = draft.made_with("postgres", &server_version(server).await?);
    let mut draft = draft.taken_from(taken_from(server, database).await?);
    let mut exporter = Exporter::hold(server, database).await?;
    let taken_at = exporter.taken_at().await?;
    // A snapshot does not hold sequence positions. They are recorded before the export reads them, so the
    // recorded positions are never ahead of the export.
    let of_cluster = read_dump_scope(server, database, CatalogueForm::Complete).await?;
    let catalogue = exporter.read_catalogue().await?;
    let major = server.major().await?;
    // In any other encoding an import could not separate names from bytes.
    let options = [
        format!("--snapshot={}", exporter.snapshot()),
        format!("--encoding={}", exporter.text_encoding().await?),
    ];
    let export = programs
        .client("pg_dump", major)
        .args(["--create", "--no-tablespaces"])
        .args(options)
        .env("PGDATABASE", database);
    let roles = programs.client("pg_dumpall", major).args(["--roles-only", "--database", server.database()]);
    let writing = Box::pin(write_files(programs, &roles, export, format, draft.files()));
    let written = programs.with_login(writing).await;
    if !exporter.is_current(server, &catalogue).await? {
        return Ok(None);
    }
    written?;
    let content = exporter.read_content(server, Carried::ByDump, catalogue).await?;
    let databases = BTreeMap::from([(database.to_owned(), content)]);
    let content = Content::PostgresDump {
        export: DumpExport {
            format,
            database: database.to_owned(),
            system_identifier: Some(system_identifier(server).await?),
            major,
        },
        cluster: ClusterContent { catalogue: of_cluster, databases, ..Default::default() },
    };
    draft.finish(taken_at, content).await.map(Some)
}

/// Writes the roles and the export. Files that it leaves in the node are removed, even if it fails.
async fn write_files(
    programs: &ClientPrograms,
    roles: &Command,
    export: Command,
    format: DumpFormat,
    backup: &mut BackupWriter,
) -> Result<()> {
    let node = programs.node();
    let folder = format!("{}/export", node.dir());
    let written = async {
        stream(node, roles, backup, ROLES, "exporting the roles").await?;
        match format {
            DumpFormat::Plain => {
                let export = export.args(["--format=plain", "--compress=6"]);
                stream(node, &export, backup, SCRIPT, "exporting the database").await
            }
            DumpFormat::Custom => {
                // Not streamed: pg_dump can write the positions of the tables only into a file. Without them
                // a restore with several processes has to search the archive for each table.
                let output = format!("--file={folder}");
                run(node, &export.args(["--format=custom", &output]), "exporting the database").await?;
                stream(node, &Command::new("cat").arg(&folder), backup, ARCHIVE, "reading the export").await
            }
            DumpFormat::Directory => {
                let (output, jobs) = (format!("--file={folder}"), format!("--jobs={}", parallelism()));
                let export = export.args(["--format=directory", &output, &jobs]);
                run(node, &export, "exporting the database").await?;
                copy_folder(node, &folder, backup).await
            }
        }
    };
    let written = written.await;
    let removed = remove_path(node, &folder).await;
    written.and(removed)
}

async fn run(node: &dyn Node, command: &Command, doing: &str) -> Result<()> {
    node.exec(command, Io::default()).await?.success(doing).map(drop)
}

/// Runs a command and stores its output as a file of the backup.
async fn stream(
    node: &dyn Node,
    command: &Command,
    backup: &mut BackupWriter,
    name: &str,
    doing: &str,
) -> Result<()> {
    let mut sink = backup.create(name).await?;
    let output = node.exec(command, Io { stdin: None, stdout: Some(&mut sink) }).await?;
    output.success(doing)?;
    sink.finish().await
}

async fn copy_folder(node: &dyn Node, folder: &str, backup: &mut BackupWriter) -> Result<()> {
    let names = list_dir(node, folder).await?;
    if !names.iter().any(|name| name == "toc.dat") {
        return Err(Error::could_not_verify("pg_dump has left no table of contents"));
    }
    for name in names {
        let read = Command::new("cat").arg(format!("{folder}/{name}"));
        stream(node, &read, backup, &format!("{FOLDER}{name}"), "reading the export").await?;
    }
    Ok(())
}
