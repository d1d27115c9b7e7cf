//! The frame of an RDB file: header, opcodes, keys, end and checksum.

use std::collections::BTreeMap;
use std::io::Read;

use comeback_error::{Error, Result};
use xxhash_rust::xxh3::xxh3_128;

use super::distinct::Distinct;
use super::input::Input;
use super::strings::Strings;
use super::{frame, module, values};
use crate::keyspace::{EDITION, FIRST_EDITION, KeyRecord};

const MAGIC: &[u8; 5] = b"REDIS";
/// The magic bytes of Valkey 9 and later.
const VALKEY_MAGIC: &[u8; 6] = b"VALKEY";
/// Redis 7.4 and 8.0 write 12, Redis 7.2 and Valkey 7.2 to 8.1 write 11, Redis 7.0 writes 10.
const NEWEST_VERSION: u32 = 12;
/// What Valkey 9.0 and 9.1 write; the versions in between belong to Redis. Source: `RDB_VERSION_MAP` in Valkey's
/// rdb.h.
const NEWEST_OF_VALKEY: u32 = 80;
/// Files of earlier versions end without a checksum.
const FIRST_WITH_CHECKSUM: u32 = 5;
/// The opcode at the end of a file.
const END: u8 = 255;
/// A server writes some ten of them.
const MOST_AUX_FIELDS: usize = 256;
/// How much of an unreadable key's name is reported.
const LONGEST_NAME: usize = 200;
/// How much of an auxiliary field is kept.
const LONGEST_AUX_FIELD: usize = 1024;

/// The result of the checksum at the end of a file. A wrong checksum is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// The checksum is right.
    Valid,
    /// The server wrote no checksum (`rdbchecksum no`, or a version before 5).
    Absent,
}

/// One item of an RDB file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A key.
    Key(KeyRecord),
    /// A library of functions.
    Function {
        /// Its name, from its first line.
        library: String,
        /// The digest of its code.
        digest: u128,
    },
    /// Data that a module keeps beside the keys. Its content is not checked.
    ModuleAux {
        /// The module's name.
        module: String,
    },
}

/// Whole keys from the middle of a file, which any thread can read.
pub(super) struct Block {
    /// They end with the end marker, like a file.
    bytes: Vec<u8>,
    /// Their offset in the file.
    pub(super) offset: u64,
    version: u32,
    edition: u32,
    database: u32,
}

impl Block {
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// A reader of these keys. It reports offsets in the file.
    pub(super) fn reader(self) -> RdbReader<'static> {
        let mut strings = Strings::of(Input::of_piece(self.bytes, self.offset));
        strings.edition = self.edition;
        RdbReader { database: self.database, ..RdbReader::new(strings, self.version) }
    }
}

/// Reads an RDB file, entry by entry, in constant memory: some hundred kilobytes, and the largest packed collection
/// in the file.
///
/// Errors are of kind *failed* if the bytes are not a whole, valid RDB file. They are of kind *could not verify* if
/// the file cannot be judged: reading failed, or its version or a type in it is not known here.
pub struct RdbReader<'r> {
    strings: Strings<'r>,
    distinct: Distinct,
    version: u32,
    aux: BTreeMap<String, String>,
    database: u32,
    is_at_end: bool,
}

impl<'r> RdbReader<'r> {
    /// Reads the header.
    pub fn open(read: impl Read + 'r) -> Result<Self> {
        let mut strings = Strings::new(read);
        let magic: [u8; 9] = strings.input.array()?;
        let is_valkey = magic.starts_with(VALKEY_MAGIC);
        let digits = if is_valkey { &magic[VALKEY_MAGIC.len()..] } else { &magic[MAGIC.len()..] };
        let digits = std::str::from_utf8(digits).ok();
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let version = digits.and_then(|digits| digits.parse().ok());
        let version: u32 = match version {
            Some(version) if (is_valkey || magic.starts_with(MAGIC)) && version > 0 => version,
            _ => {
                let found = magic.escape_ascii();
                let error = Error::failed(format!(
                    "no RDB file: it begins with \"{found}\" and not with \"REDIS\" or \"VALKEY\""
                ));
                return Err(error.hint("a compressed file has to be decompressed first"));
            }
        };
        let is_readable = if is_valkey { version == NEWEST_OF_VALKEY } else { version <= NEWEST_VERSION };
        if is_readable { Ok(Self::new(strings, version)) } else { Err(too_new(is_valkey, version)) }
    }

    fn new(strings: Strings<'r>, version: u32) -> Self {
        let (distinct, aux) = (Distinct::default(), BTreeMap::new());
        Self { strings, distinct, version, aux, database: 0, is_at_end: false }
    }

    /// Reads digests in an older edition of the canonical form. An unknown edition comes from a newer Comeback and
    /// is an error.
    pub fn in_edition(mut self, edition: u32) -> Result<Self> {
        if !(FIRST_EDITION..=EDITION).contains(&edition) {
            return Err(Error::could_not_verify(format!(
                "the fingerprint is of edition {edition} of the canonical form, and {EDITION} is the newest one known here"
            ))
            .hint("it was recorded by a newer version of comeback: use that one"));
        }
        self.strings.edition = edition;
        Ok(self)
    }

    /// The edition of the canonical form in which values are digested.
    pub fn edition(&self) -> u32 {
        self.strings.edition
    }

    /// The version of the format, from the header.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The auxiliary fields that were read so far (`redis-ver`, `ctime`, `used-mem`, …). They are at the start of
    /// the file, so they are complete after the first entry.
    pub fn aux(&self) -> &BTreeMap<String, String> {
        &self.aux
    }

    /// How many bytes were read.
    pub fn offset(&self) -> u64 {
        self.strings.input.offset()
    }

    /// How many bytes the strings that were read have unpacked: names, values, and auxiliary fields.
    pub(super) fn unpacked_bytes(&self) -> u64 {
        self.strings.unpacked_bytes
    }

    /// The keys that are already in memory, for another thread to read. `None` if the next item is not a key or is
    /// not complete yet.
    pub(super) fn next_block(&mut self) -> Option<Block> {
        let ahead = self.strings.input.ahead();
        let whole = if self.is_at_end { 0 } else { frame::whole_keys(ahead) };
        if whole == 0 {
            return None;
        }
        let mut bytes = Vec::with_capacity(whole + 1);
        bytes.extend_from_slice(&ahead[..whole]);
        bytes.push(END);
        let (offset, version, database) = (self.offset(), self.version, self.database);
        self.strings.input.pass(whole);
        Some(Block { bytes, offset, version, edition: self.edition(), database })
    }

    /// The next entry; `None` at the end.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        let mut name = Vec::new();
        let mut entry = self.next_nameless(&mut name)?;
        if let Some(Entry::Key(record)) = &mut entry {
            record.key = name;
        }
        Ok(entry)
    }

    /// Like [`RdbReader::next_entry`], but appends the name of a key to `names` instead of storing it in the
    /// record. A million small buffers cost more than their content.
    pub(super) fn next_nameless(&mut self, names: &mut Vec<u8>) -> Result<Option<Entry>> {
        let mut expires_at_ms = None;
        while !self.is_at_end {
            let opcode = self.strings.input.byte()?;
            if opcode < 244 {
                if let Some(record) = self.read_key(opcode, expires_at_ms.take(), names)? {
                    return Ok(Some(Entry::Key(record)));
                }
                continue;
            }
            match opcode {
                252 => {
                    let at_ms = i64::from_le_bytes(self.strings.input.array()?);
                    // The server keeps such a key forever.
                    let is_none = at_ms == -1 && self.edition() != FIRST_EDITION;
                    expires_at_ms = (!is_none).then(|| expiry(at_ms));
                }
                253 => {
                    let seconds = i32::from_le_bytes(self.strings.input.array()?);
                    expires_at_ms = Some(expiry(i64::from(seconds) * 1000));
                }
                // Idle time or access frequency of the key: not content.
                248 => drop(self.strings.length()?),
                249 => drop(self.strings.input.byte()?),
                _ if expires_at_ms.is_some() => {
                    return Err(self.strings.damaged("an expiry stands before something that is no key"));
                }
                _ => {
                    if let Some(entry) = self.read_frame(opcode)? {
                        return Ok(Some(entry));
                    }
                }
            }
        }
        Ok(None)
    }

    fn read_key(
        &mut self,
        type_code: u8,
        expires_at_ms: Option<u64>,
        names: &mut Vec<u8>,
    ) -> Result<Option<KeyRecord>> {
        // For an unknown type the name cannot be read either: the byte may be an opcode.
        if !values::is_known(type_code, self.version) {
            return Err(values::unknown_type(&self.strings, type_code));
        }
        let from = names.len();
        names.extend_from_slice(self.strings.bytes()?);
        let value = values::read_value(&mut self.strings, &mut self.distinct, type_code)
            .map_err(|error| in_key(error, self.database, &names[from..]))?;
        self.strings.shrink();
        if value.is_empty {
            names.truncate(from);
            return Ok(None);
        }
        let record = KeyRecord {
            database: self.database,
            key: Vec::new(),
            kind: value.kind,
            expires_at_ms,
            fields_expire_at_ms: value.fields_expire_at_ms,
            digest: value.digest,
        };
        Ok(Some(record))
    }

    /// Reads an item that is not a key and does not belong to one.
    fn read_frame(&mut self, opcode: u8) -> Result<Option<Entry>> {
        match opcode {
            // The number of keys in a cluster slot, and in a database: hints for the server.
            244 => {
                for _ in 0..3 {
                    self.strings.length()?;
                }
            }
            251 => {
                for _ in 0..2 {
                    self.strings.length()?;
                }
            }
            245 => return self.read_function().map(Some),
            247 => return Ok(Some(Entry::ModuleAux { module: module::read_aux(&mut self.strings)? })),
            250 => self.read_aux()?,
            254 => {
                let number = self.strings.length()?;
                self.database = u32::try_from(number)
                    .map_err(|_| self.strings.damaged(&format!("there is no database {number}")))?;
            }
            END => self.is_at_end = true,
            _ => {
                let message =
                    format!("the RDB file holds an unknown opcode {opcode} before byte {}", self.offset());
                return Err(Error::could_not_verify(message).hint(
                    "functions from before Redis 7.0 was final are not read, and no server reads them either",
                ));
            }
        }
        Ok(None)
    }

    fn read_aux(&mut self) -> Result<()> {
        let mut text = || -> Result<String> {
            let bytes = self.strings.bytes()?;
            Ok(String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_AUX_FIELD)]).into_owned())
        };
        let (name, value) = (text()?, text()?);
        if self.aux.len() < MOST_AUX_FIELDS {
            self.aux.insert(name, value);
        }
        Ok(())
    }

    /// The code of a library. Its first line is `#!<engine> name=<library>`.
    fn read_function(&mut self) -> Result<Entry> {
        let code = self.strings.bytes()?;
        let first_line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first_line = String::from_utf8_lossy(&first_line[..first_line.len().min(LONGEST_AUX_FIELD)]);
        let library = first_line.split_whitespace().find_map(|word| word.strip_prefix("name="));
        let Some(library) = library.map(|name| name.trim_matches(['"', '\'']).to_owned()) else {
            return Err(self.strings.damaged("a library of functions does not tell its name"));
        };
        let digest = xxh3_128(code);
        Ok(Entry::Function { library, digest })
    }

    /// Reads the rest, verifies the checksum, and checks that nothing follows it.
    pub fn finish(self) -> Result<Checksum> {
        self.finish_counted().map(|(checksum, _)| checksum)
    }

    /// Like [`RdbReader::finish`], with the size of the file.
    pub(super) fn finish_counted(mut self) -> Result<(Checksum, u64)> {
        while self.next_entry()?.is_some() {}
        let input = &mut self.strings.input;
        let mut checksum = Checksum::Absent;
        if self.version >= FIRST_WITH_CHECKSUM {
            let computed = input.checksum();
            let stored = u64::from_le_bytes(input.array()?);
            if stored != 0 {
                if stored != computed {
                    let message =
                        format!("the RDB file's checksum is {stored:016x}, its content has {computed:016x}");
                    return Err(Error::failed(message).hint("the backup is damaged: take an older one"));
                }
                checksum = Checksum::Valid;
            }
        }
        let end = input.offset();
        if !input.is_finished()? {
            return Err(Error::failed(format!("the RDB file goes on behind its end at byte {end}")).hint(
                "an append-only file may follow its RDB preamble; a second gzip member may have been added",
            ));
        }
        Ok((checksum, end))
    }
}

/// A time before 1970 has passed, like any other time in the past.
fn expiry(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

/// Names the key that could not be read; only the start of a long name.
fn in_key(error: Error, database: u32, name: &[u8]) -> Error {
    let shown = name[..name.len().min(LONGEST_NAME)].escape_ascii();
    let rest = if name.len() > LONGEST_NAME { "…" } else { "" };
    error.context(format_args!("key {shown}{rest} of database {database}"))
}

fn too_new(is_valkey: bool, version: u32) -> Error {
    let (product, newest) = if is_valkey { ("Valkey", NEWEST_OF_VALKEY) } else { ("Redis", NEWEST_VERSION) };
    let message = format!(
        "the RDB file of {product} has version {version}, and {newest} is the newest one of {product} known here"
    );
    Error::could_not_verify(message)
        .hint("Redis 8.0 and Valkey 9.1 are the newest servers whose files are read")
}
