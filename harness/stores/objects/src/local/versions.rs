//! The versions of one key in its folder.
//!
//! A version is one file, `=GENERATION.CRC32C`: a line of JSON with the attributes, then the bytes. It
//! appears whole, by a rename. Its generation is the time of writing in microseconds, as in Google Cloud
//! Storage, and greater than that of every earlier version. The time when it ended is in `=GENERATION.ended`.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use comeback_engine::clock::Clock;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use jiff::Timestamp;
use rustix::fs::{FlockOperation, flock};

use crate::content::crc32c;
use crate::overtaken;

const ENDED: &str = "ended";
const PIECE_BYTES: usize = 64 * 1024;
/// The longest line of attributes to read, in bytes: clouds accept less than a tenth of it.
const LONGEST_HEADER: u64 = 1 << 20;

pub(super) struct KeyFolder {
    pub(super) key: String,
    pub(super) path: PathBuf,
    /// The folder for files that do not have their names yet.
    pub(super) unfinished: PathBuf,
    /// The clock for the times of versions.
    pub(super) clock: Clock,
}

/// What must be live for a write to succeed.
pub(super) enum Over<'a> {
    Anything,
    Only(Option<&'a str>),
}

impl KeyFolder {
    /// The history of the key; without versions if nothing is kept.
    pub(super) fn history(&self) -> Result<KeyHistory> {
        let doing = || format!("listing the versions of {}", self.key);
        let mut found = Vec::new();
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(KeyHistory { key: self.key.clone(), versions: Vec::new() });
            }
            entries => entries.map_err(|error| complain(doing(), &error))?,
        };
        for entry in entries {
            let entry = entry.map_err(|error| complain(doing(), &error))?;
            let name = entry.file_name();
            let parts = name.to_str().and_then(|name| name.strip_prefix('=')?.split_once('.'));
            let Some((generation, rest)) = parts else { continue };
            if let (Ok(generation), Ok(crc32c)) = (generation.parse(), u32::from_str_radix(rest, 16)) {
                found.push((generation, crc32c));
            }
        }
        found.sort_unstable();
        let starts: Vec<u64> = found.iter().map(|(generation, _)| *generation).collect();
        let mut versions = Vec::with_capacity(found.len());
        for (at, (generation, crc32c)) in found.into_iter().enumerate() {
            // If a kill came between a version and the end of the previous one, the next version's start is
            // the end.
            let next = starts.get(at + 1).copied();
            match self.read_version(generation, crc32c, next) {
                // Removed since it was listed, for example by a lifecycle rule.
                Ok(None) => {}
                read => versions.extend(read.map_err(|error| error.context(doing()))?),
            }
        }
        Ok(KeyHistory { key: self.key.clone(), versions })
    }

    fn read_version(&self, generation: u64, crc32c: u32, next: Option<u64>) -> Result<Option<ObjectVersion>> {
        let (mut file, attributes) = match self.open(generation, crc32c) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| complain("reading a version", &error))?,
        };
        let end = file.get_ref().metadata().context("reading a version")?.len();
        let start = file.stream_position().context("reading a version")?;
        let ended = match fs::read_to_string(self.path.join(format!("={generation}.{ENDED}"))) {
            Ok(text) => Some(text.trim().parse().context("reading when a version ended")?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => next.map(moment).transpose()?,
            Err(error) => return Err(complain("reading when a version ended", &error)),
        };
        Ok(Some(ObjectVersion {
            key: self.key.clone(),
            version: generation.to_string(),
            created_at: moment(generation)?,
            ended_at: ended,
            bytes: end - start,
            crc32c: Some(crc32c),
            attributes: Some(attributes),
        }))
    }

    fn file(&self, generation: impl std::fmt::Display, crc32c: u32) -> PathBuf {
        self.path.join(format!("={generation}.{crc32c:08x}"))
    }

    /// A version's file, positioned at the first byte of its content.
    fn open(&self, generation: u64, crc32c: u32) -> io::Result<(BufReader<File>, ObjectAttributes)> {
        open(&self.file(generation, crc32c))
    }

    /// A listed version's file, positioned at the first byte of its content.
    pub(super) fn reader(&self, version: &ObjectVersion) -> Result<(BufReader<File>, ObjectAttributes)> {
        open(&self.file(&version.version, version.crc32c.unwrap_or_default())).map_err(|error| {
            if error.kind() == io::ErrorKind::NotFound {
                Error::failed(format!("{version} is kept no more"))
            } else {
                complain(format_args!("reading {version}"), &error)
            }
        })
    }

    /// Writes a version and makes it live. Bytes that do not match the expected checksum are never made live.
    pub(super) fn write(
        &self,
        attributes: &ObjectAttributes,
        bytes: &mut impl Read,
        known: Option<u32>,
        over: &Over<'_>,
        versioning: bool,
    ) -> Result<ObjectVersion> {
        let doing = || format!("writing {}", self.key);
        let io = |error: io::Error| complain(doing(), &error);
        fs::create_dir_all(&self.path).map_err(io)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.unfinished).map_err(io)?;
        serde_json::to_writer(&mut file, attributes).context(doing())?;
        file.write_all(b"\n").map_err(io)?;
        let crc32c = copy(bytes, &mut file).map_err(io)?;
        if let Some(known) = known.filter(|known| *known != crc32c) {
            return Err(Error::failed(format!(
                "the old version of {} is damaged: expected CRC32C {known:08x}, found {crc32c:08x}",
                self.key
            ))
            .hint("take another version, or the copy in another region"));
        }
        file.as_file().sync_all().map_err(io)?;

        let _lock = self.lock()?;
        let history = self.history()?;
        let live = history.live();
        if let Over::Only(expected) = over
            && *expected != live.map(|live| live.version.as_str())
        {
            return Err(overtaken(&self.key, *expected, live.map(|live| live.version.as_str())));
        }
        let now = u64::try_from(self.clock.now().as_microsecond()).unwrap_or(0);
        let last = history.versions.last();
        let last_change =
            last.into_iter().flat_map(|last| [Some(last.created_at), last.ended_at]).flatten().max();
        let earliest = last_change.map_or(0, |at| u64::try_from(at.as_microsecond()).unwrap_or(0) + 1);
        let generation = now.max(earliest);
        file.persist_noclobber(self.file(generation, crc32c)).map_err(|error| io(error.error))?;
        if let Some(live) = live {
            self.end(live, moment(generation)?, versioning)?;
        }
        sync_folder(&self.path).map_err(io)?;
        let written = self.read_version(generation, crc32c, None)?;
        written.ok_or_else(|| Error::could_not_verify(format!("{} vanished as it was written", self.key)))
    }

    /// Deletes the live version, if there is one.
    pub(super) fn delete(&self, versioning: bool) -> Result<()> {
        if !self.path.is_dir() {
            return Ok(());
        }
        let _lock = self.lock()?;
        if let Some(live) = self.history()?.live() {
            let now = self.clock.now().max(live.created_at);
            self.end(live, now, versioning)?;
            sync_folder(&self.path)
                .map_err(|error| complain(format_args!("deleting {}", self.key), &error))?;
        }
        Ok(())
    }

    /// Removes the versions that had ended by a moment. Returns their number.
    pub(super) fn expire(&self, ended_by: Timestamp) -> Result<u64> {
        let _lock = self.lock()?;
        let mut expired = 0;
        for version in self.history()?.versions {
            if version.ended_at.is_some_and(|ended| ended <= ended_by) {
                self.remove(&version)?;
                expired += 1;
            }
        }
        Ok(expired)
    }

    /// Ends the live version: it becomes an old version or, without versioning, is removed.
    fn end(&self, version: &ObjectVersion, at: Timestamp, versioning: bool) -> Result<()> {
        if !versioning {
            return self.remove(version);
        }
        let io = |error: io::Error| complain(format_args!("ending {version}"), &error);
        let mut file = tempfile::NamedTempFile::new_in(&self.unfinished).map_err(io)?;
        file.write_all(at.to_string().as_bytes()).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(self.path.join(format!("={}.{ENDED}", version.version)))
            .map_err(|error| io(error.error))?;
        Ok(())
    }

    fn remove(&self, version: &ObjectVersion) -> Result<()> {
        let io = |error: io::Error| complain(format_args!("removing {version}"), &error);
        fs::remove_file(self.file(&version.version, version.crc32c.unwrap_or_default())).map_err(io)?;
        match fs::remove_file(self.path.join(format!("={}.{ENDED}", version.version))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
            _ => Ok(()),
        }
    }

    /// Locks the key against other writers in all processes. Closing the file releases the lock.
    fn lock(&self) -> Result<File> {
        let io = |error: io::Error| complain(format_args!("locking {}", self.key), &error);
        let folder = File::open(&self.path).map_err(io)?;
        flock(&folder, FlockOperation::LockExclusive).map_err(|error| io(error.into()))?;
        Ok(folder)
    }
}

fn open(path: &Path) -> io::Result<(BufReader<File>, ObjectAttributes)> {
    let mut file = BufReader::with_capacity(PIECE_BYTES, File::open(path)?);
    let mut line = Vec::new();
    (&mut file).take(LONGEST_HEADER).read_until(b'\n', &mut line)?;
    Ok((file, serde_json::from_slice(&line)?))
}

fn copy(from: &mut impl Read, to: &mut impl io::Write) -> io::Result<u32> {
    let (mut digest, mut piece) = (crc32c(), vec![0; PIECE_BYTES]);
    loop {
        match from.read(&mut piece)? {
            0 => return Ok(digest.finalize()),
            read => {
                digest.update(&piece[..read]);
                to.write_all(&piece[..read])?;
            }
        }
    }
}

fn moment(generation: u64) -> Result<Timestamp> {
    Timestamp::from_microsecond(generation.cast_signed()).context("reading the time of a version")
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Converts a file system error.
pub(super) fn complain(doing: impl std::fmt::Display, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => crate::no_permission(doing, error),
        _ => Error::could_not_verify(format!("{doing}: {error}")),
    }
}
