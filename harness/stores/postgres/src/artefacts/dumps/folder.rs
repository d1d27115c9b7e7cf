//! Puts an archive into a node, where `pg_restore` reads it.

use comeback_engine::RestoreFailure;
use comeback_engine::runner::Meter;
use comeback_engine::substrate::{Command, Io, Output};
use comeback_model::{Finding, FindingCode};

use super::source::{Source, Watched};
use crate::PostgresServer;
use crate::error::{Error, Result};

/// A folder in the node for the archive, and what `pg_restore` is given.
pub(super) struct ArchiveFolder {
    folder: String,
    /// The path for `pg_restore`.
    pub(super) archive: String,
}

impl ArchiveFolder {
    /// Creates the folder.
    pub(super) async fn make(server: &PostgresServer) -> Result<Self> {
        let folder = format!("{}/import", server.node().dir());
        let make = Command::new("mkdir").args(["-m", "0700", "--", &folder]);
        server.node().exec(&make, Io::default()).await?.success("creating a folder for the dump")?;
        Ok(Self { archive: format!("{folder}/archive"), folder })
    }

    /// Writes a single file.
    pub(super) async fn put_file(
        &self,
        server: &PostgresServer,
        source: &Source,
        meter: &Meter,
    ) -> Result<(), RestoreFailure> {
        let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", &self.archive]);
        pour(server, source, meter, &write).await?.success("fetching the dump").map(drop).map_err(Into::into)
    }

    /// Writes the files of a folder of the place.
    pub(super) async fn put_files(
        &self,
        server: &PostgresServer,
        sources: &[(String, Source)],
        meter: &Meter,
    ) -> Result<(), RestoreFailure> {
        let make = Command::new("mkdir").args(["-m", "0700", "--", &self.archive]);
        server.node().exec(&make, Io::default()).await?.success("creating a folder for the dump")?;
        for (name, source) in sources {
            let path = format!("{}/{name}", self.archive);
            let write = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", &path]);
            pour(server, source, meter, &write).await?.success(&format!("fetching {name}"))?;
        }
        Ok(())
    }

    /// Unpacks a tar of a folder. `tar` keeps members inside the folder; a link could lead out of it later, and a
    /// dump has none.
    pub(super) async fn unpack(
        &mut self,
        server: &PostgresServer,
        source: &Source,
        meter: &Meter,
    ) -> Result<(), RestoreFailure> {
        let unpack =
            "umask 077 && mkdir -- \"$0\" && tar -x --no-same-owner --no-same-permissions -C \"$0\" -f -";
        let unpack = Command::new("sh").args(["-c", unpack, &self.archive]);
        let output = pour(server, source, meter, &unpack).await?;
        if output.code != 0 {
            let actual = output.stderr.lines().next().unwrap_or("tar failed").to_owned();
            let wanted = "a tar that can be unpacked";
            return Err(Finding::new(FindingCode::BackupDamaged, source.name(), wanted, actual)
                .remedy("restore an older export, and find out what cut or changed this one")
                .into());
        }
        let look = "find \"$0\" ! -type f ! -type d | head -n 1 && find \"$0\" -name toc.dat -type f";
        let look = Command::new("sh").args(["-c", look, &self.archive]);
        let found = server.node().exec(&look, Io::default()).await?.success("looking at the dump")?.text();
        match found.lines().collect::<Vec<_>>().as_slice() {
            [toc] if toc.ends_with("/toc.dat") => {
                toc.trim_end_matches("/toc.dat").clone_into(&mut self.archive);
                Ok(())
            }
            _ => Err(Error::could_not_verify(format!(
                "{} is a tar with a dump in it and other things, such as links or a second dump",
                source.name()
            ))
            .hint("unpack it, and verify the folder of the dump")
            .into()),
        }
    }

    /// Removes it.
    pub(super) async fn remove(&self, server: &PostgresServer) -> Result<()> {
        server.remove_path(&self.folder).await
    }
}

/// Gives the content of a source to a command. A file that cannot be unpacked is a fault of the backup.
async fn pour(
    server: &PostgresServer,
    source: &Source,
    meter: &Meter,
    command: &Command,
) -> Result<Output, RestoreFailure> {
    let (mut content, fault) = Watched::new(source.open_metered(meter).await?);
    let poured = server.node().exec(command, Io { stdin: Some(&mut content), stdout: None }).await;
    match fault.take() {
        Some(error) => Err(source.unreadable(&error)),
        None => Ok(poured?),
    }
}
