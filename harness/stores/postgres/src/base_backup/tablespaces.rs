//! Tablespaces of a base backup: each is a tar of its own, and after the restore a folder of the new server's
//! node.
//!
//! `pg_basebackup` can stream only a single tar, so a cluster with tablespaces is copied into its node first.
//! The links in the data directory point to folders of the lost machine, and are never followed.

use comeback_engine::RestoreFailure;
use comeback_engine::repository::{BackupWriter, Fetch, Repository, find_file};
use comeback_engine::substrate::{Command, Io};
use comeback_model::Manifest;

use super::files::{BASE, keep_tail};
use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Error, Result};
use crate::server::files::{list_dir, remove_path};
use crate::server::node::PostgresServer;
use crate::server::programs::ClientPrograms;

/// The folder of the tablespaces in a backup; each file is named by the tablespace's object identifier.
const FOLDER: &str = "tablespaces/";
/// PostgreSQL's own manifest. If there is only the data directory's tar, it is in that tar.
const MANIFEST: &str = "backup_manifest";

/// Whether a server's cluster has tablespaces of its own.
pub(crate) async fn has_tablespaces(server: &PostgresAddress) -> Result<bool> {
    let mut connection = server.connect_to_cluster().await?;
    let has = sqlx::query_scalar("select exists (select from pg_tablespace where oid >= 16384)")
        .fetch_one(&mut connection)
        .await
        .context("asking for tablespaces");
    crate::connection::session::close(connection).await;
    has
}

/// Runs `pg_basebackup` into a folder of the node, and stores what it wrote in the backup. Returns the end of
/// PostgreSQL's manifest.
pub(crate) async fn copy_base(
    programs: &ClientPrograms,
    command: Command,
    backup: &mut BackupWriter,
) -> Result<Vec<u8>> {
    let node = programs.node();
    let folder = format!("{}/base", node.dir());
    let command = command.args(["--pgdata", &folder]);
    let copied = async {
        node.exec(&command, Io::default()).await?.success("taking the base backup")?;
        let mut tail = Vec::new();
        for name in list_dir(node, &folder).await? {
            let mut sink = backup.create(&name_in_backup(&name)).await?;
            let mut passing = tokio_util::io::InspectWriter::new(&mut sink, |bytes: &[u8]| {
                if name == MANIFEST {
                    keep_tail(&mut tail, bytes);
                }
            });
            let read = Command::new("cat").arg(format!("{folder}/{name}"));
            let output = node.exec(&read, Io { stdin: None, stdout: Some(&mut passing) }).await?;
            output.success(&format!("reading {name} of the base backup"))?;
            sink.finish().await?;
        }
        Ok(tail)
    };
    let copied = copied.await;
    let removed = remove_path(node, &folder).await;
    copied.and_then(|tail| removed.map(|()| tail))
}

fn name_in_backup(name: &str) -> String {
    match name {
        "base.tar" => BASE.to_owned(),
        MANIFEST => format!("{MANIFEST}.zst"),
        tablespace => format!("{FOLDER}{tablespace}.zst"),
    }
}

/// The tablespace that a file of a backup holds.
fn tablespace_in_backup(file: &str) -> Option<&str> {
    let identifier = file.strip_prefix(FOLDER)?.strip_suffix(".tar.zst")?;
    identifier.bytes().all(|byte| byte.is_ascii_digit()).then_some(identifier)
}

/// Unpacks the tablespaces of a backup into folders beside the unpacked data directory, and points its links
/// there.
pub(crate) async fn fetch_tablespaces(
    server: &PostgresServer,
    repository: &dyn Repository,
    manifest: &Manifest,
) -> Result<(), RestoreFailure> {
    let tablespaces: Vec<_> =
        manifest.files.iter().filter_map(|file| Some((tablespace_in_backup(&file.name)?, file))).collect();
    let data = server.data_dir();
    for (identifier, file) in &tablespaces {
        let folder = format!("{}/tablespaces/{identifier}", server.root());
        let make = "umask 077 && mkdir -p \"$0\" && rm -f \"$1\" && ln -s \"$0\" \"$1\"";
        let make = Command::new("sh").args(["-c", make, &folder, &format!("{data}/pg_tblspc/{identifier}")]);
        server.node().exec(&make, Io::default()).await?.success("creating a folder for a tablespace")?;
        let mut fetch = Fetch::open(repository, &manifest.id, file).await?;
        let unpack = Command::new("tar").args(["-x", "--no-same-owner", "-C", &folder]);
        let unpacked = server.node().exec(&unpack, Io { stdin: Some(&mut fetch), stdout: None }).await;
        fetch.finish().await?;
        unpacked?.success(&format!("unpacking tablespace {identifier}"))?;
    }
    if !tablespaces.is_empty() {
        let file = find_file(manifest, &format!("{MANIFEST}.zst"))?;
        let mut fetch = Fetch::open(repository, &manifest.id, file).await?;
        let path = format!("{data}/{MANIFEST}");
        let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", &path]);
        let written = server.node().exec(&write, Io { stdin: Some(&mut fetch), stdout: None }).await;
        fetch.finish().await?;
        written?.success("writing the base backup's own manifest")?;
        // The file names the lost machine's folders; the server would point the links there again.
        server.remove_path(&format!("{data}/tablespace_map")).await?;
    }
    ensure_no_link_leads_away(server, tablespaces.len()).await.map_err(RestoreFailure::from)
}

/// Fails if a link was not replaced: the restored server could write into another server's folders.
async fn ensure_no_link_leads_away(server: &PostgresServer, expected: usize) -> Result<()> {
    let look = "find \"$0/pg_tblspc\" -type l | wc -l";
    let look = Command::new("sh").args(["-c", look, &server.data_dir()]);
    let links = server.node().exec(&look, Io::default()).await?.success("looking at the tablespaces")?.text();
    if links.trim() == expected.to_string() {
        return Ok(());
    }
    Err(Error::could_not_verify(format!(
        "the data directory has {} links to tablespaces, and the backup holds {expected}",
        links.trim()
    ))
    .hint("take the backup again: one that leaves tablespaces out cannot be restored"))
}
