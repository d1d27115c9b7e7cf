//! Judges of a cluster's files: damage that no query shows until it is too late.
//!
//! None of them checks that the content is the right one: an outdated page has a good checksum too.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode};

use crate::error::Result;
use crate::{Complaint, PostgresAddress, PostgresServer, verify_pages, verify_structure, verify_unpacked};

/// Compares the unpacked files of a base backup, before the server starts, with the manifest that PostgreSQL
/// wrote when it took the backup.
pub struct UnpackedFiles<'a> {
    /// The server, not started yet.
    pub server: &'a PostgresServer,
}

#[async_trait]
impl Judge for UnpackedFiles<'_> {
    fn name(&self) -> &'static str {
        "unpacked-files"
    }

    async fn judge(&self) -> Result<Opinion> {
        let complaints = verify_unpacked(self.server).await?;
        let finding = |one| {
            finding(FindingCode::BackupDamaged, "the file that PostgreSQL backed up", one)
                .remedy("restore an older backup: this one was damaged before its checksums were taken")
        };
        Ok(Opinion::new(
            "compared every unpacked file with PostgreSQL's own manifest (pg_verifybackup)",
            complaints.into_iter().map(finding),
        ))
    }
}

/// Reads every page of the restored cluster from disk, and compares it with its checksum.
pub struct PageChecksums<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
}

#[async_trait]
impl Judge for PageChecksums<'_> {
    fn name(&self) -> &'static str {
        "page-checksums"
    }

    async fn judge(&self) -> Result<Opinion> {
        let complaints = verify_pages(self.server).await?;
        let finding = |one| {
            finding(FindingCode::PageDamaged, "a page that fits its checksum", one)
                .remedy("the disk of the new server, or the way to it, changes what is written: use another")
        };
        Ok(Opinion::new(
            "read every page from the disk and compared it with its checksum",
            complaints.into_iter().map(finding),
        ))
    }
}

/// Walks every B-tree index of the restored cluster and checks every row, with `amcheck`. An index that lacks
/// rows gives wrong answers without an error.
pub struct StructureJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
}

#[async_trait]
impl Judge for StructureJudge<'_> {
    fn name(&self) -> &'static str {
        "structure"
    }

    async fn judge(&self) -> Result<Opinion> {
        let structure = verify_structure(self.server).await?;
        let tables = match structure.tables {
            0 => "no table, because this server's amcheck cannot".to_owned(),
            count => format!("every row of {count} tables"),
        };
        let index = |one| {
            finding(FindingCode::IndexCorrupt, "an index in order, with every row of its table", one)
                .remedy("REINDEX it, and find out whether the source has the same fault")
        };
        let table = |one| {
            finding(FindingCode::TableCorrupt, "rows that the server can vouch for", one)
                .remedy("compare with the source: if it has the same fault, no backup of it is sound")
        };
        let findings = structure.broken_indexes.into_iter().map(index);
        Ok(Opinion::new(
            format!("walked {} indexes and looked at {tables} (amcheck)", structure.indexes),
            findings.chain(structure.broken_tables.into_iter().map(table)),
        ))
    }
}

fn finding(code: FindingCode, expected: &str, complaint: Complaint) -> Finding {
    Finding::new(code, complaint.subject, expected, complaint.said)
}
