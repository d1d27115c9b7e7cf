//! Fetches a base backup into a new server's node.

use comeback_engine::RestoreFailure;
use comeback_engine::repository::{Fetch, Repository, find_file};
use comeback_engine::substrate::{Command, Io};
use comeback_model::{BaseBackupPosition, Content, Manifest};

use super::files::{BASE, segment_in_backup};
use super::tablespaces::fetch_tablespaces;
use crate::error::{Error, Result};
use crate::server::node::PostgresServer;

/// Fetches a base backup from the repository into the data directory of a new server, and checks every byte
/// against the manifest. The server is not started.
pub async fn fetch_base_backup(
    server: &PostgresServer,
    repository: &dyn Repository,
    manifest: &Manifest,
) -> Result<(), RestoreFailure> {
    let position = position_of(manifest)?;
    if position.major != server.major() {
        let sentence = format!(
            "backup {} was taken on PostgreSQL {}, and the new server is {}",
            manifest.id,
            position.major,
            server.major()
        );
        return Err(Error::could_not_verify(sentence)
            .hint("a physical restore needs the same major version; a dump does not")
            .into());
    }
    let data = server.data_dir();
    let wal = wal_dir(server);
    let make = Command::new("mkdir").args(["-m", "0700", "--", &data, &wal]);
    server.node().exec(&make, Io::default()).await?.success("creating the data directory")?;
    let base = find_file(manifest, BASE)?;
    let mut fetch = Fetch::open(repository, &manifest.id, base).await?;
    let unpack = Command::new("tar").args(["-x", "--no-same-owner", "-C", &data]);
    let unpacked = server.node().exec(&unpack, Io { stdin: Some(&mut fetch), stdout: None }).await;
    // Report the checksum first: a damaged file makes tar fail with misleading errors.
    fetch.finish().await?;
    unpacked?.success("unpacking the base backup")?;
    fetch_tablespaces(server, repository, manifest).await?;
    for segment in &manifest.files {
        let Some(name) = segment_in_backup(&segment.name) else { continue };
        let path = format!("{wal}/{name}");
        let mut fetch = Fetch::open(repository, &manifest.id, segment).await?;
        let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", &path]);
        let written = server.node().exec(&write, Io { stdin: Some(&mut fetch), stdout: None }).await;
        fetch.finish().await?;
        written?.success(&format!("writing log segment {name}"))?;
    }
    Ok(())
}

/// The position of a base backup. Callers pass only manifests of base backups; a dump is a bug of the caller.
pub fn position_of(manifest: &Manifest) -> Result<&BaseBackupPosition> {
    match &manifest.content {
        Content::PostgresBaseBackup { position, .. } => Ok(position),
        other => {
            Err(Error::usage(format!("backup {} is a {}, and no base backup", manifest.id, other.label())))
        }
    }
}

/// The folder in the node where the restored server finds its log, beside its data directory.
pub(crate) fn wal_dir(server: &PostgresServer) -> String {
    format!("{}/wal", server.root())
}
