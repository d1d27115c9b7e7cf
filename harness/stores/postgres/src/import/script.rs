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

/// The longest statement or row, in bytes. No server accepts a longer one, and a file that unpacks to one without end
/// must not fill the memory. Source: `MaxAllocSize` of PostgreSQL.
const MOST_BYTES: usize = 1 << 30;

/// A script that is being read.
pub(super) struct Script<R> {
    name: String,
    reader: R,
    splitter: Splitter,
    whole: bool,
    most_bytes: usize,
}

impl<R: AsyncRead + Unpin> Script<R> {
    /// A script from any program or person.
    pub(super) fn new(name: &str, reader: R) -> Self {
        Self {
            name: name.to_owned(),
            reader,
            splitter: Splitter::new(),
            whole: false,
            most_bytes: MOST_BYTES,
        }
    }

    /// A script from `pg_dump` or `pg_dumpall`, which is cut off if its last line does not say that it is
    /// complete.
    pub(super) fn of_dump(name: &str, reader: R) -> Self {
        Self {
            name: name.to_owned(),
            reader,
            splitter: Splitter::of_dump(),
            whole: false,
            most_bytes: MOST_BYTES,
        }
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
        if wanted > self.most_bytes {
            let expected = format!("statements and rows of at most {} bytes", self.most_bytes);
            return Err(Finding::new(FindingCode::BackupDamaged, &self.name, expected, "a longer one")
                .remedy("look at the file: no server accepts this, and a decompression bomb looks like it")
                .into());
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A few kilobytes of gzip unpack to this without an end.
    async fn read_all(endless: u8, begin: &'static [u8]) -> RestoreFailure {
        let endless = tokio::io::repeat(endless);
        let reader = tokio::io::AsyncReadExt::chain(begin, endless);
        let mut script = Script { most_bytes: 4 << 20, ..Script::new("bomb", reader) };
        loop {
            match script.next().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it has an end"),
                Err(failure) => return failure,
            }
        }
    }

    #[tokio::test]
    async fn a_statement_or_row_without_an_end_does_not_fill_the_memory() {
        for begin in [&b"select '"[..], b"insert into t values (1", b"copy t from stdin;\nrow ", b"-- "] {
            let RestoreFailure::Backup(finding) = read_all(b'x', begin).await else { panic!("{begin:?}") };
            assert_eq!((finding.code, finding.actual.as_str()), (FindingCode::BackupDamaged, "a longer one"));
        }
    }
}
