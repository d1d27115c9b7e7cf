//! Incremental base backups of PostgreSQL 17 and newer, combined by `pg_combinebackup` in the node.

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io, Need};
use comeback_model::{Finding, FindingCode, Phase};

use super::archive::ArchivedLog;
use super::artefact::ClusterFiles;
use super::tree::Tree;
use crate::PostgresServer;
use crate::base_backup::checks::verify_folder;
use crate::error::Result;
use crate::server::files::remove_path;

/// A full backup and those that add to it, in this order, and the log beside them.
pub(super) struct Chain {
    /// The names and files of the backups.
    pub(super) parts: Vec<(String, Tree)>,
    pub(super) log: ArchivedLog,
}

impl Chain {
    fn bytes(&self) -> u64 {
        self.parts.iter().map(|(_, tree)| tree.bytes()).sum()
    }
}

#[async_trait]
impl ClusterFiles for Chain {
    async fn unpack(&self, course: &mut Course, server: &PostgresServer) -> Result<(), RestoreFailure> {
        let parent = format!("{}/chain", server.node().dir());
        let mut folders = Vec::new();
        let meter = course.meter(self.bytes());
        for (number, (id, tree)) in self.parts.iter().enumerate() {
            course.step(Phase::Recover, &format!("copy the files of backup {id}"));
            let folder = format!("{parent}/{number}");
            let make = Command::new("sh").args([
                "-c",
                "umask 077 && mkdir -p \"$0\"/pg_wal \"$0\"/pg_tblspc",
                &folder,
            ]);
            server.node().exec(&make, Io::default()).await?.success("creating a folder for a backup")?;
            tree.copy_to(server, &folder, &meter).await?;
            if tree.has("backup_manifest") {
                ensure_whole(server, id, &folder).await?;
            }
            folders.push(folder);
        }
        course.step(Phase::Recover, "combine them with pg_combinebackup");
        let combine = server.command("pg_combinebackup").args(folders).env("LC_ALL", "C");
        let combine = combine.args(["--no-sync", "-o", &server.data_dir()]);
        let output = server.node().exec(&combine, Io::default()).await?;
        if let Some(said) = complaint(output.code, &output.stderr) {
            let names = self.parts.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
            let expected = "backups that pg_combinebackup can combine";
            let finding = Finding::new(FindingCode::BackupDamaged, format!("chain {names}"), expected, said);
            return Err(finding.remedy("restore an older chain, and take a full backup").into());
        }
        output.success("combining the backups")?;
        remove_path(server.node(), &parent).await.map_err(RestoreFailure::from)
    }

    async fn log(&self, _: &Course, _: &PostgresServer) -> Result<ArchivedLog, RestoreFailure> {
        Ok(self.log.clone())
    }

    /// The parts lie beside what they are combined to, which is at least as large as the full one.
    fn need(&self) -> Need {
        let full = self.parts.first().map_or(0, |(_, tree)| tree.bytes());
        Need { node_bytes: self.bytes() + full, ..Need::default() }
    }
}

/// Compares a backup with PostgreSQL's own list of its files: the list of the combined one is made only now.
async fn ensure_whole(server: &PostgresServer, id: &str, folder: &str) -> Result<(), RestoreFailure> {
    let Some(first) = verify_folder(server, folder).await?.into_iter().next() else { return Ok(()) };
    let subject = format!("{id}/{}", first.subject);
    let expected = "the file that PostgreSQL backed up";
    let finding = Finding::new(FindingCode::BackupDamaged, subject, expected, first.said);
    Err(finding.remedy("restore an older chain: this one was damaged after it was taken").into())
}

/// What the tool says against the backups. A full disk speaks against none.
fn complaint(code: i32, stderr: &str) -> Option<String> {
    let line = stderr.lines().find_map(|line| Some(line.split_once("error: ")?.1))?;
    (code == 1 && !stderr.contains("No space left on device")).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_speaks_against_no_backup() {
        let said = "pg_combinebackup: error: could not open file \"x\": No such file or directory";
        assert!(complaint(1, said).unwrap().starts_with("could not open file"));
        assert_eq!(complaint(1, "pg_combinebackup: error: write: No space left on device"), None);
        assert_eq!(complaint(0, ""), None);
    }
}
