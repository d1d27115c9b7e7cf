//! Reads the table of contents of a `pg_dump` archive, without PostgreSQL's programs.
//!
//! Source: `ReadHead`, `ReadToc`, `ReadInt` and `ReadStr` in PostgreSQL's
//! `src/bin/pg_dump/pg_backup_archiver.c`, and the versions in `pg_backup_archiver.h`.

use std::io;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::import::{Uses, major_of};

/// The first bytes of an archive.
pub(super) const MAGIC: &[u8] = b"PGDMP";
/// The versions that this reader knows, as the second number of `1.n`: PostgreSQL 9.0 writes 12, 18 writes 16.
const KNOWN: std::ops::RangeInclusive<u8> = 12..=16;
/// The largest text in a table of contents. A longer one was made to exhaust its reader; the longest real ones are
/// the bodies of functions.
const MOST_TEXT_BYTES: i64 = 64 * 1024 * 1024;
/// The largest table of contents, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// How an archive stores its content. Source: `ArchiveFormat` in `pg_backup.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// One file.
    Custom,
    /// The files of a folder, or a tar of them: both are marked as a tar, because `pg_dump` writes one table of
    /// contents for both.
    Files,
}

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The version of the format: the second number of `1.n`.
    pub(super) version: u8,
    pub(super) format: Format,
    /// When it was begun, in the local time of the machine that wrote it, which is read as UTC.
    pub(super) taken_at: Option<Timestamp>,
    /// The database that it was taken of.
    pub(super) database: String,
    /// The version of the server that was exported, such as `15.14 (Debian 15.14-0+deb12u1)`.
    pub(super) server: String,
    /// The version of the `pg_dump` that wrote it.
    pub(super) program: String,
}

/// What is in an archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) uses: Uses,
    /// The number of entries.
    pub(super) entries: u64,
    /// The tables that it creates.
    pub(super) tables: u64,
    /// The tables and large objects whose content it holds.
    pub(super) loads: u64,
    /// Whether it creates the schema `public`, as one of a chosen schema does.
    pub(super) creates_public: bool,
    /// How its database is created: the statement and its owner. Very old archives do not say it.
    pub(super) database: Option<(String, String)>,
    /// Settings, grants and comments of the database itself.
    pub(super) of_database: Vec<String>,
}

/// Why a table of contents cannot be read.
#[derive(Debug)]
pub(super) enum Flaw {
    /// It ends too early.
    Cut,
    /// It is of a version that this reader does not know.
    Version(u8, u8),
    /// It says something impossible.
    Damaged(String),
    /// It could not be read.
    Io(io::Error),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Cut,
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Io(error),
        }
    }
}

impl Head {
    /// The major version that a restore needs: that of the server, or of the program if it is newer.
    pub(super) fn major(&self) -> Option<u32> {
        major_of(&self.server).max(major_of(&self.program))
    }
}

/// Reads an archive up to the end of its table of contents.
pub(super) struct TocReader<R> {
    reader: R,
    version: u8,
    integer_bytes: usize,
    offset_bytes: usize,
    format: Format,
    read: u64,
}

impl<R: AsyncRead + Unpin + Send> TocReader<R> {
    /// Reads the head.
    pub(super) async fn begin(reader: R) -> Result<(Head, Self), Flaw> {
        let mut toc =
            Self { reader, version: 0, integer_bytes: 4, offset_bytes: 8, format: Format::Custom, read: 0 };
        if toc.bytes(MAGIC.len()).await? != MAGIC {
            return Err(Flaw::Damaged("it does not begin with PGDMP".to_owned()));
        }
        let (major, version) = (toc.byte().await?, toc.byte().await?);
        if major != 1 || !KNOWN.contains(&version) {
            return Err(Flaw::Version(major, version));
        }
        toc.byte().await?;
        toc.version = version;
        toc.integer_bytes = usize::from(toc.byte().await?);
        toc.offset_bytes = usize::from(toc.byte().await?);
        if !(1..=8).contains(&toc.integer_bytes) || !(1..=8).contains(&toc.offset_bytes) {
            return Err(Flaw::Damaged("its numbers have an impossible size".to_owned()));
        }
        toc.format = match toc.byte().await? {
            1 => Format::Custom,
            3 | 5 => Format::Files,
            other => return Err(Flaw::Damaged(format!("its format has the unknown number {other}"))),
        };
        // The compression: since 1.15 the number of a method, before that a level.
        if version >= 15 {
            toc.byte().await?;
        } else {
            toc.integer().await?;
        }
        let mut time = [0; 7];
        for part in &mut time {
            *part = toc.integer().await?;
        }
        let [database, server, program] = [toc.text().await?, toc.text().await?, toc.text().await?];
        let head = Head {
            version,
            format: toc.format,
            taken_at: moment(time),
            database: database.unwrap_or_default(),
            server: server.unwrap_or_default(),
            program: program.unwrap_or_default(),
        };
        Ok((head, toc))
    }

    /// Reads the entries.
    pub(super) async fn contents(mut self) -> Result<Contents, Flaw> {
        let mut contents = Contents::default();
        let count = self.integer().await?;
        for _ in 0..count {
            self.entry(&mut contents).await?;
        }
        Ok(contents)
    }

    async fn entry(&mut self, contents: &mut Contents) -> Result<(), Flaw> {
        self.integer().await?;
        self.integer().await?;
        self.text().await?;
        self.text().await?;
        let tag = self.text().await?.unwrap_or_default();
        let kind = self.text().await?.unwrap_or_default();
        self.integer().await?;
        let definition = self.text().await?.unwrap_or_default();
        self.text().await?;
        self.text().await?;
        self.text().await?;
        let tablespace = self.text().await?.unwrap_or_default();
        if self.version >= 14 {
            self.text().await?;
        }
        if self.version >= 16 {
            self.integer().await?;
        }
        let owner = self.text().await?.unwrap_or_default();
        self.text().await?;
        // What it depends on, up to an absent text.
        while self.text().await?.is_some() {}
        match self.format {
            Format::Custom => drop(self.bytes(1 + self.offset_bytes).await?),
            Format::Files => drop(self.text().await?),
        }
        contents.add(&kind, &tag, &definition, &owner, &tablespace);
        Ok(())
    }

    async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Flaw> {
        self.read += count as u64;
        if self.read > MOST_BYTES {
            return Err(Flaw::Damaged(format!("its table of contents is larger than {MOST_BYTES} bytes")));
        }
        // Grows as bytes arrive: a length that lies allocates nothing.
        let mut bytes = Vec::new();
        (&mut self.reader).take(count as u64).read_to_end(&mut bytes).await?;
        if bytes.len() == count { Ok(bytes) } else { Err(Flaw::Cut) }
    }

    async fn byte(&mut self) -> Result<u8, Flaw> {
        Ok(self.bytes(1).await?.first().copied().unwrap_or_default())
    }

    /// A sign, and the bytes of the number, the lowest first.
    async fn integer(&mut self) -> Result<i64, Flaw> {
        let is_negative = self.byte().await? != 0;
        let bytes = self.bytes(self.integer_bytes).await?;
        let number = bytes.iter().rev().fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
        let number = i64::try_from(number).map_err(|_| Flaw::Damaged("a number is too large".to_owned()))?;
        Ok(if is_negative { -number } else { number })
    }

    /// A text, or none: a negative length.
    async fn text(&mut self) -> Result<Option<String>, Flaw> {
        let length = self.integer().await?;
        if length < 0 {
            return Ok(None);
        }
        if length > MOST_TEXT_BYTES {
            return Err(Flaw::Damaged(format!("a text of {length} bytes")));
        }
        let length = usize::try_from(length).map_err(|_| Flaw::Damaged("a text is too long".to_owned()))?;
        Ok(Some(String::from_utf8_lossy(&self.bytes(length).await?).into_owned()))
    }
}

/// Entries whose owner `pg_restore` sets. Source: `_getObjectDescription` and `_printTocEntry`.
const OWNED: [&str; 28] = [
    "AGGREGATE",
    "BLOB",
    "BLOB METADATA",
    "COLLATION",
    "CONVERSION",
    "DATABASE",
    "DOMAIN",
    "EVENT TRIGGER",
    "FOREIGN DATA WRAPPER",
    "FOREIGN TABLE",
    "FUNCTION",
    "MATERIALIZED VIEW",
    "OPERATOR",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "PROCEDURAL LANGUAGE",
    "PROCEDURE",
    "PUBLICATION",
    "SCHEMA",
    "SEQUENCE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TABLE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TYPE",
    "VIEW",
];

impl Contents {
    /// Whether it says how its database is created.
    pub(super) fn has_database(&self) -> bool {
        self.database.is_some()
    }

    fn add(&mut self, kind: &str, tag: &str, definition: &str, owner: &str, tablespace: &str) {
        self.entries += 1;
        self.tables += u64::from(matches!(kind, "TABLE" | "FOREIGN TABLE"));
        self.loads += u64::from(matches!(kind, "TABLE DATA" | "BLOBS" | "BLOB DATA"));
        self.creates_public |=
            kind == "SCHEMA" && tag == "public" && definition.contains("CREATE SCHEMA public");
        if kind == "DATABASE" {
            self.database = Some((definition.to_owned(), owner.to_owned()));
        } else if kind == "DATABASE PROPERTIES"
            || (matches!(kind, "ACL" | "COMMENT" | "SECURITY LABEL") && tag.starts_with("DATABASE "))
        {
            self.of_database.push(definition.to_owned());
        }
        if OWNED.contains(&kind) {
            self.uses.add_owner(owner, kind);
        }
        self.uses.add_tablespace(tablespace);
        self.uses.add_all(definition);
    }
}

/// A moment from the parts of a C `struct tm`: its months count from 0, its years from 1900.
fn moment([second, minute, hour, day, month, year, _]: [i64; 7]) -> Option<Timestamp> {
    let small = |number: i64| i8::try_from(number).ok();
    let year = i16::try_from(year + 1900).ok()?;
    let time = DateTime::new(
        year,
        small(month + 1)?,
        small(day)?,
        small(hour)?,
        small(minute)?,
        small(second.min(59))?,
        0,
    );
    time.ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn integer(number: i32) -> Vec<u8> {
        [&[u8::from(number < 0)][..], &number.unsigned_abs().to_le_bytes()].concat()
    }

    fn text(text: Option<&str>) -> Vec<u8> {
        match text {
            Some(text) => [integer(i32::try_from(text.len()).unwrap()), text.as_bytes().to_vec()].concat(),
            None => integer(-1),
        }
    }

    /// An archive of version 1.14 with one table.
    fn archive() -> Vec<u8> {
        let mut bytes = b"PGDMP\x01\x0e\x00\x04\x08\x01".to_vec();
        bytes.extend(integer(-1));
        bytes.extend([7, 30, 3, 28, 10, 126, 0].map(integer).concat());
        bytes.extend(["app", "15.14 (Debian)", "16.2"].map(|one| text(Some(one))).concat());
        bytes.extend(integer(1));
        bytes.extend([integer(3), integer(1), text(Some("1259")), text(Some("16385"))].concat());
        bytes.extend([text(Some("t")), text(Some("TABLE")), integer(2)].concat());
        let definition = "CREATE TABLE public.t (a int);\n";
        bytes.extend([text(Some(definition)), text(Some("DROP")), text(None), text(Some("public"))].concat());
        bytes.extend([text(Some("fast")), text(Some("heap")), text(Some("rdsadmin"))].concat());
        bytes.extend([text(Some("false")), text(Some("7")), text(None)].concat());
        bytes.extend([1; 9]);
        bytes
    }

    async fn read(bytes: &[u8]) -> Result<(Head, Contents), Flaw> {
        let (head, toc) = TocReader::begin(bytes).await?;
        Ok((head, toc.contents().await?))
    }

    #[tokio::test]
    async fn an_archive_says_what_it_is_and_what_it_needs() {
        let (head, contents) = read(&archive()).await.unwrap();
        assert_eq!((head.format, head.major(), head.database.as_str()), (Format::Custom, Some(16), "app"));
        assert_eq!(head.taken_at, Some("2026-11-28T03:30:07Z".parse().unwrap()));
        assert_eq!((contents.entries, contents.tables, contents.loads), (1, 1, 0));
        assert_eq!(contents.uses.roles["rdsadmin"].owns, 1);
        assert!(contents.uses.tablespaces.contains("fast"));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic_and_a_cut_is_seen(cut: prop::sample::Index, flip: prop::sample::Index, with: u8) {
            let whole = archive();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let cut = cut.index(whole.len());
            prop_assert!(matches!(runtime.block_on(read(&whole[..cut])), Err(Flaw::Cut)));
            let mut flipped = whole.clone();
            flipped[flip.index(whole.len())] ^= with;
            let _ = runtime.block_on(read(&flipped));
        }
    }
}
