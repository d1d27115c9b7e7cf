//! Puts the unpacked files of a cluster into the shape in which a server starts on them.

use comeback_engine::runner::Meter;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Finding, FindingCode};

use super::tree::Tablespaces;
use crate::RestoreFailure;
use crate::base_backup::fetch::wal_dir;
use crate::error::Result;
use crate::server::node::PostgresServer;

/// Folders that a server expects and that are often empty; stores of files keep no empty folders. Source: `subdirs`
/// in PostgreSQL's initdb.c, and the list of folders that `pg_basebackup` sends empty.
const FOLDERS: [&str; 20] = [
    "global",
    "base",
    "pg_wal/archive_status",
    "pg_wal/summaries",
    "pg_commit_ts",
    "pg_dynshmem",
    "pg_notify",
    "pg_replslot",
    "pg_serial",
    "pg_snapshots",
    "pg_stat",
    "pg_stat_tmp",
    "pg_subtrans",
    "pg_tblspc",
    "pg_twophase",
    "pg_multixact/members",
    "pg_multixact/offsets",
    "pg_xact",
    "pg_logical/snapshots",
    "pg_logical/mappings",
];

/// Creates the data directory, and the folder of the log beside it.
pub(super) async fn make_folders(server: &PostgresServer) -> Result<()> {
    let make = Command::new("mkdir").args(["-m", "0700", "--", &server.data_dir(), &wal_dir(server)]);
    server.node().exec(&make, Io::default()).await?.success("creating the data directory").map(drop)
}

/// Fills in the folders that are missing because they were empty.
pub(super) async fn make_empty_folders(server: &PostgresServer) -> Result<()> {
    let data = server.data_dir();
    let folders = FOLDERS.iter().map(|folder| format!("{data}/{folder}"));
    let make = Command::new("sh").args(["-c", "umask 077 && mkdir -p \"$@\"", "sh"]).args(folders);
    server.node().exec(&make, Io::default()).await?.success("creating empty folders").map(drop)
}

/// Creates a folder for each tablespace and the link to it, and removes every other link: those lead to folders of
/// the lost machine. The files of the tablespaces that have any are copied.
pub(super) async fn place_tablespaces(
    server: &PostgresServer,
    tablespaces: &Tablespaces,
    meter: &Meter,
) -> Result<(), RestoreFailure> {
    if let Some((identifier, _)) = tablespaces.iter().find(|(_, tree)| tree.is_none()) {
        return Err(missing_tablespace(identifier).into());
    }
    remove_links(server).await?;
    for (identifier, tree) in tablespaces {
        let folder = make_tablespace(server, identifier).await?;
        if let Some(tree) = tree {
            tree.copy_to(server, &folder, meter).await?;
        }
    }
    Ok(())
}

/// The finding for a tablespace that the cluster has and the backup has not.
pub(super) fn missing_tablespace(identifier: &str) -> Finding {
    let expected = "the files of every tablespace, below the folder of the backup";
    Finding::new(FindingCode::BackupDamaged, format!("tablespace {identifier}"), expected, "no such files")
        .remedy("back up its folder with the data directory, or name the folder that holds both")
}

/// Removes every link of the data directory.
pub(super) async fn remove_links(server: &PostgresServer) -> Result<()> {
    let find = Command::new("find").args([server.data_dir(), "-type".into(), "l".into(), "-delete".into()]);
    server.node().exec(&find, Io::default()).await?.success("removing links").map(drop)
}

/// Creates an empty folder for a tablespace, and the link to it.
pub(super) async fn make_tablespace(server: &PostgresServer, identifier: &str) -> Result<String> {
    let folder = format!("{}/tablespaces/{identifier}", server.root());
    let link = format!("{}/pg_tblspc/{identifier}", server.data_dir());
    let make = "umask 077 && mkdir -p \"$0\" \"${1%/*}\" && ln -s \"$0\" \"$1\"";
    let make = Command::new("sh").args(["-c", make, &folder, &link]);
    server.node().exec(&make, Io::default()).await?.success("creating a folder for a tablespace")?;
    Ok(folder)
}

/// Removes what belongs to the lost server and not to its data: settings of `ALTER SYSTEM`, which could name programs
/// and other servers; signals of an earlier recovery; replication slots, which would keep log for nobody; and the map
/// of tablespaces, by which the server would point its links to the lost machine's folders again.
pub(super) async fn remove_what_is_of_the_lost_server(server: &PostgresServer) -> Result<()> {
    const REMOVE: &str = "cd \"$0\" && rm -rf -- postmaster.pid postmaster.opts recovery.signal standby.signal \
        recovery.conf postgresql.auto.conf tablespace_map && find pg_replslot -mindepth 1 -delete";
    let remove = Command::new("sh").args(["-c", REMOVE, &server.data_dir()]);
    server.node().exec(&remove, Io::default()).await?.success("removing files of the lost server")?;
    server.write_file(&format!("{}/postgresql.auto.conf", server.data_dir()), b"").await
}
