//! Logical exports: taken into a repository, and restored from it.

mod restore;
mod scope;

use std::collections::BTreeMap;

pub(super) use restore::open;
pub use restore::{restore_dump, restore_roles};
pub use scope::read_dump_scope;

use super::backup::system_identifier;
use super::carried::Carried;
use super::exporter::{ATTEMPTS, Exporter, always_altered};
use super::server::PostgresServer;
use crate::clock::{self, Stopwatch};
use crate::error::{Error, Result};
use crate::model::{
    CatalogueForm, ClusterContent, Content, DumpExport, DumpFormat, MANIFEST_VERSION, Manifest,
};
use crate::repository::{BackupWriter, Repository};
use crate::substrate::{Command, Io};

/// Roles, their passwords (as verifiers), settings and memberships: a script of `pg_dumpall`.
pub(super) const ROLES: &str = "roles.sql";
/// The export as one script.
pub(super) const SCRIPT: &str = "dump.sql.gz";
/// The export as one archive.
pub(super) const ARCHIVE: &str = "dump.custom";
/// The folder of the export as several files.
pub(super) const FOLDER: &str = "dump/";

/// How many connections or processes an export or an import has the use of: one for each core of this machine.
pub fn parallelism() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Exports a database into the repository, and the roles beside it. The manifest says what the database
/// contained in the very snapshot that is exported.
///
/// Materialised views are not in the manifest: a logical restore computes them again. Tablespaces are not in
/// the export: a server elsewhere has none of them, and an export that asks for one cannot be restored there.
pub async fn take_dump(
    server: &PostgresServer,
    database: &str,
    repository: &dyn Repository,
    format: DumpFormat,
) -> Result<Manifest> {
    for _ in 0..ATTEMPTS {
        if let Some(manifest) = try_dump(server, database, repository, format).await? {
            return Ok(manifest);
        }
    }
    Err(always_altered(database))
}

/// Takes a dump; none if a definition was changed meanwhile.
async fn try_dump(
    server: &PostgresServer,
    database: &str,
    repository: &dyn Repository,
    format: DumpFormat,
) -> Result<Option<Manifest>> {
    let (watch, started_at) = (Stopwatch::start(), clock::now());
    let id = format!("{}-postgres-dump", started_at.strftime("%Y%m%dT%H%M%S%3fZ"));
    let mut backup = BackupWriter::new(repository.begin(&id).await?);
    let mut exporter = Exporter::hold(server, database).await?;
    let taken_at = exporter.taken_at().await?;
    // Sequences are in no snapshot. Read before the export reads them, they cannot be ahead of it.
    let of_cluster = read_dump_scope(server, database, CatalogueForm::Complete).await?;
    let catalogue = exporter.read_catalogue().await?;
    // Of any other encoding an import could not tell names from bytes.
    let options = [
        format!("--snapshot={}", exporter.snapshot()),
        format!("--encoding={}", exporter.text_encoding().await?),
    ];
    let written = write_files(server, database, &options, format, &mut backup).await;
    if !exporter.is_current(server, &catalogue).await? {
        return Ok(None);
    }
    written?;
    let content = exporter.read_content(server, Carried::ByDump, catalogue).await?;
    let databases = BTreeMap::from([(database.to_owned(), content)]);
    let manifest = Manifest {
        manifest_version: MANIFEST_VERSION,
        id,
        started_at,
        taken_at,
        elapsed_ms: watch.elapsed_ms(),
        versions: BTreeMap::from([
            ("comeback".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("postgres".to_owned(), server.version().to_owned()),
        ]),
        files: backup.files().to_vec(),
        content: Content::PostgresDump {
            export: DumpExport {
                format,
                database: database.to_owned(),
                system_identifier: Some(system_identifier(server).await?),
                major: server.major(),
            },
            cluster: ClusterContent { catalogue: of_cluster, databases, ..Default::default() },
        },
    };
    backup.commit(&manifest).await?;
    Ok(Some(manifest))
}

/// Writes the roles and the export. What it leaves in the node is removed, whatever becomes of it.
async fn write_files(
    server: &PostgresServer,
    database: &str,
    options: &[String],
    format: DumpFormat,
    backup: &mut BackupWriter,
) -> Result<()> {
    let passfile = server.write_passfile().await?;
    let roles = client(server, "pg_dumpall", &passfile).args(["--roles-only", "--database=postgres"]);
    let export = client(server, "pg_dump", &passfile)
        .args(["--create", "--no-tablespaces"])
        .args(options.iter().cloned())
        .env("PGDATABASE", database);
    let folder = format!("{}/export", server.node().dir());
    let written = async {
        stream(server, &roles, backup, ROLES, "exporting the roles").await?;
        match format {
            DumpFormat::Plain => {
                let export = export.args(["--format=plain", "--compress=6"]);
                stream(server, &export, backup, SCRIPT, "exporting the database").await
            }
            DumpFormat::Custom => {
                // Into a file first: in a stream the archive would not know where its tables are, and a
                // restore with several processes would have to search it for each.
                let output = format!("--file={folder}");
                run(server, &export.args(["--format=custom", &output]), "exporting the database").await?;
                stream(server, &Command::new("cat").arg(&folder), backup, ARCHIVE, "reading the export").await
            }
            DumpFormat::Directory => {
                let (output, jobs) = (format!("--file={folder}"), format!("--jobs={}", parallelism()));
                let export = export.args(["--format=directory", &output, &jobs]);
                run(server, &export, "exporting the database").await?;
                copy_folder(server, &folder, backup).await
            }
        }
    };
    let written = written.await;
    let removed = server.remove_path(&passfile).await.and(server.remove_path(&folder).await);
    written.and(removed)
}

fn client(server: &PostgresServer, program: &str, passfile: &str) -> Command {
    server.client(program).args(server.client_args()).arg("--no-password").env("PGPASSFILE", passfile)
}

async fn run(server: &PostgresServer, command: &Command, doing: &str) -> Result<()> {
    server.node().exec(command, Io::default()).await?.success(doing).map(drop)
}

/// Runs a command whose output is a file of the backup.
async fn stream(
    server: &PostgresServer,
    command: &Command,
    backup: &mut BackupWriter,
    name: &str,
    doing: &str,
) -> Result<()> {
    let mut sink = backup.create(name).await?;
    let output = server.node().exec(command, Io { stdin: None, stdout: Some(&mut sink) }).await?;
    output.success(doing)?;
    sink.finish().await
}

async fn copy_folder(server: &PostgresServer, folder: &str, backup: &mut BackupWriter) -> Result<()> {
    let list = Command::new("ls").args(["-1", "--", folder]);
    let names = server.node().exec(&list, Io::default()).await?.success("listing the export")?.text();
    if !names.lines().any(|name| name == "toc.dat") {
        return Err(Error::could_not_verify("pg_dump has left no table of contents"));
    }
    for name in names.lines() {
        let read = Command::new("cat").arg(format!("{folder}/{name}"));
        stream(server, &read, backup, &format!("{FOLDER}{name}"), "reading the export").await?;
    }
    Ok(())
}
