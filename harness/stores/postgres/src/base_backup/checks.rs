//! Checks a cluster's files, both as unpacked and as a running server reads them.
//!
//! Not checked: pages that were written after the check began.

use comeback_engine::substrate::{Command, Io};

use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;

/// A problem with a file, a table or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file, table or index.
    pub subject: String,
    /// What the tool says about it.
    pub said: String,
}

/// Compares an unpacked base backup with the manifest that PostgreSQL wrote into it, before the server
/// starts. The log is left out: it is in another folder and has its own checksums, which were checked.
pub async fn verify_unpacked(server: &PostgresServer) -> Result<Vec<Complaint>> {
    verify_folder(server, &server.data_dir()).await
}

/// The same for files in any folder of the node.
pub(crate) async fn verify_folder(server: &PostgresServer, folder: &str) -> Result<Vec<Complaint>> {
    let command = server.command("pg_verifybackup");
    let look = Command::new("test").args(["-x", &command.program]);
    if server.node().exec(&look, Io::default()).await?.code != 0 {
        return Err(Error::could_not_verify(format!(
            "there is no pg_verifybackup in {}",
            server.node().name()
        ))
        .hint("it is part of PostgreSQL's own server package, from version 13 on"));
    }
    // Tablespaces are in different places on each machine.
    let command =
        command.args(["--no-parse-wal", "--quiet", "--ignore=tablespace_map", folder]).env("LC_ALL", "C");
    let output = server.node().exec(&command, Io::default()).await?;
    if output.code == 0 {
        return Ok(Vec::new());
    }
    let complaints: Vec<_> = output.stderr.lines().filter_map(complaint_of_verify).collect();
    if complaints.is_empty() {
        output.success("comparing the base backup with its own manifest")?;
    }
    Ok(complaints)
}

/// `pg_verifybackup: error: "base/1/1259" has size 8192 on disk but size 16384 in the manifest`, or
/// `… checksum mismatch for file "base/1/1259"`.
fn complaint_of_verify(line: &str) -> Option<Complaint> {
    let (_, said) = line.split_once("error: ")?;
    let subject = said.split('"').nth(1).unwrap_or("backup_manifest");
    Some(Complaint { subject: subject.to_owned(), said: said.to_owned() })
}

/// Whether the pages of a cluster have checksums.
pub(crate) async fn has_page_checksums(server: &PostgresServer) -> Result<bool> {
    let mut connection = server.connect("postgres").await?;
    let are_there = sqlx::query_scalar("select current_setting('data_checksums') = 'on'")
        .fetch_one(&mut connection)
        .await
        .context("asking for page checksums");
    close(connection).await;
    are_there
}

/// Reads every page of the cluster from disk, bypassing the server's buffers, and compares it with its
/// checksum, as a base backup does.
pub async fn verify_pages(server: &PostgresServer) -> Result<Vec<Complaint>> {
    if !has_page_checksums(server).await? {
        return Err(Error::could_not_verify("the cluster has no page checksums")
            .hint("`pg_checksums --enable` adds them, while the server is stopped"));
    }
    // Before version 15 the server cannot discard what it reads, and streams only a single tar.
    let nowhere: &[&str] =
        if server.major() >= 15 { &["--target=blackhole"] } else { &["--pgdata=-", "--format=tar"] };
    let programs = server.programs();
    let copy = programs
        .client("pg_basebackup", server.major())
        .args(nowhere.iter().copied())
        .args(["--wal-method=none", "--checkpoint=fast", "--no-manifest"])
        .env("LC_ALL", "C");
    let quietly = Command::new("sh").args(["-c", "exec \"$0\" \"$@\" > /dev/null", &copy.program]);
    let command = Command { env: copy.env, ..quietly.args(copy.args) };
    let output = programs.with_login(server.node().exec(&command, Io::default())).await?;
    if output.code == 0 {
        return Ok(Vec::new());
    }
    let mut complaints: Vec<_> = output.stderr.lines().filter_map(complaint_of_page).collect();
    if complaints.is_empty() {
        output.success("reading every page")?;
    }
    for complaint in &mut complaints {
        if let Some(name) = name_of_file(server, &complaint.subject).await? {
            complaint.subject = name;
        }
    }
    Ok(complaints)
}

/// `WARNING:  checksum verification failed in file "./base/5/16403", block 0: calculated 5E8 but expected 9D2`.
fn complaint_of_page(line: &str) -> Option<Complaint> {
    let (_, said) = line.split_once("checksum verification failed in file ")?;
    let file = said.split('"').nth(1)?.trim_start_matches("./");
    let (_, where_and_what) = said.split_once("\", ")?;
    Some(Complaint { subject: file.to_owned(), said: where_and_what.to_owned() })
}

/// The table or index that a file such as `base/5/16403.1` belongs to.
async fn name_of_file(server: &PostgresServer, file: &str) -> Result<Option<String>> {
    let Some((database, node)) = file.strip_prefix("base/").and_then(|rest| rest.split_once('/')) else {
        return Ok(None);
    };
    let node: String = node.chars().take_while(char::is_ascii_digit).collect();
    let (Ok(database), Ok(node)) = (database.parse::<i64>(), node.parse::<i64>()) else { return Ok(None) };
    let mut connection = server.connect("postgres").await?;
    let database: Option<String> =
        sqlx::query_scalar("select datname::text from pg_database where oid = $1::oid and datallowconn")
            .bind(database)
            .fetch_optional(&mut connection)
            .await
            .context("asking which database a file belongs to")?;
    close(connection).await;
    let Some(database) = database else { return Ok(None) };
    let mut connection = server.connect(&database).await?;
    let name = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.oid = pg_filenode_relation(0, $1::oid)",
    )
    .bind(node)
    .fetch_optional(&mut connection)
    .await
    .context("asking which relation a file belongs to")?;
    close(connection).await;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(complaint: Option<Complaint>) -> (String, String) {
        let Complaint { subject, said } = complaint.expect("a complaint");
        (subject, said)
    }

    #[test]
    fn complaints_name_their_file() {
        let line = "pg_verifybackup: error: checksum mismatch for file \"base/5/16403\"";
        let (subject, said) = told(complaint_of_verify(line));
        assert_eq!((&*subject, &*said), ("base/5/16403", "checksum mismatch for file \"base/5/16403\""));
        let (subject, _) = told(complaint_of_verify("pg_verifybackup: error: manifest checksum mismatch"));
        assert_eq!(subject, "backup_manifest");
        let line = "WARNING:  checksum verification failed in file \"./base/5/16403\", block 0: calculated 5E8 but expected 9D2";
        let (subject, said) = told(complaint_of_page(line));
        assert_eq!((&*subject, &*said), ("base/5/16403", "block 0: calculated 5E8 but expected 9D2"));
        assert_eq!(complaint_of_page("pg_basebackup: error: checksum error occurred"), None);
    }
}
