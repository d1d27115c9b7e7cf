//! Reads a SQL script part by part.

use std::io;

use comeback_model::{Finding, FindingCode};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::part::Part;
use super::splitter::{Flaw, Splitter, Step};
use super::trailer::Ending;
use crate::RestoreFailure;
use crate::error::Error;

/// How much to read at a time; it determines how many rows are sent at a time.
const PIECE_BYTES: usize = 512 * 1024;

/// A script that is being read.
pub(super) struct Script<R> {
    name: String,
    reader: R,
    splitter: Splitter,
    whole: bool,
}

impl<R: AsyncRead + Unpin> Script<R> {
    /// A script from any program or person.
    pub(super) fn new(name: &str, reader: R) -> Self {
        Self { name: name.to_owned(), reader, splitter: Splitter::new(), whole: false }
    }

    /// A script from `pg_dump` or `pg_dumpall`, which is cut off if its last line does not say that it is
    /// complete.
    pub(super) fn of_dump(name: &str, reader: R) -> Self {
        Self { name: name.to_owned(), reader, splitter: Splitter::of_dump(), whole: false }
    }

    /// The name of the script in findings.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether it says that it is the dump of a whole cluster.
    pub(super) fn is_of_cluster(&self) -> bool {
        self.splitter.trailer().is_of_cluster()
    }

    /// Whether it has said that it is complete.
    pub(super) fn says_complete(&self) -> bool {
        self.splitter.trailer().ending() == Ending::Complete
    }

    /// The next part; `None` at the end of a complete script.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, RestoreFailure> {
        loop {
            match self.splitter.step(self.whole).map_err(|flaw| self.flawed(flaw))? {
                Step::Part(part) => return Ok(Some(part)),
                Step::End => return Ok(None),
                Step::More(bytes) => self.read(bytes).await?,
            }
        }
    }

    async fn read(&mut self, bytes: usize) -> Result<(), RestoreFailure> {
        let wanted = self.splitter.buffer().len() + bytes;
        while !self.whole && self.splitter.buffer().len() < wanted {
            let buffer = self.splitter.buffer();
            buffer.reserve(PIECE_BYTES);
            let read = self.reader.read_buf(buffer).await.map_err(|error| self.unreadable(&error))?;
            self.whole = read == 0;
        }
        Ok(())
    }

    fn unreadable(&self, error: &io::Error) -> RestoreFailure {
        let code = match error.kind() {
            io::ErrorKind::UnexpectedEof => FindingCode::BackupTruncated,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                FindingCode::BackupDamaged
            }
            _ => return Error::could_not_verify(format!("reading {}: {error}", self.name)).into(),
        };
        Finding::new(code, &self.name, "a file that can be decompressed to its end", error.to_string())
            .remedy("restore an older export, and find out what cut or changed this one")
            .into()
    }

    fn flawed(&self, flaw: Flaw) -> RestoreFailure {
        match flaw {
            Flaw::Cut { line, inside } => {
                let actual = format!("its end in line {line}, inside {inside}");
                Finding::new(FindingCode::BackupTruncated, &self.name, "a complete dump", actual)
                    .remedy("restore an older export, and find out why this one was not finished")
                    .into()
            }
            Flaw::Foreign { line, what } => Error::could_not_verify(format!(
                "{} line {line} has {what}",
                self.name
            ))
            .hint("load it with psql: `psql -X -v ON_ERROR_STOP=1 -f FILE`, into a database of its own")
            .hint("or export the database with pg_dump: its scripts, and those like them, are loaded here")
            .into(),
        }
    }
}
