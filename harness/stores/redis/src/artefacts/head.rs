//! What the first bytes of an RDB file say: its version, and what the server noted about itself.

use jiff::Timestamp;
use memchr::memmem;

/// How much of a file's start is searched for the server's notes, which come before the first key.
const NOTES_BYTES: usize = 1024;

/// The start of an RDB file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RdbHead {
    /// The version of the format.
    pub(super) version: u32,
    /// `Redis 7.0.15`, if the file says.
    pub(super) software: Option<String>,
    /// When it was written, by the server's clock.
    pub(super) written_at: Option<Timestamp>,
    /// The memory that the server used, in bytes.
    pub(super) used_memory_bytes: Option<u64>,
    /// Whether commands follow: it is the beginning of an append-only file.
    pub(super) is_preamble: bool,
}

impl RdbHead {
    /// Reads the start of a file; `None` if it is no RDB file. Source of the format: `rdb.c`, `rdbSaveInfoAuxFields`.
    pub(super) fn read(head: &[u8]) -> Option<Self> {
        let digits = match head.strip_prefix(b"REDIS") {
            Some(rest) => rest.get(..4)?,
            None => head.strip_prefix(b"VALKEY")?.get(..3)?,
        };
        let version = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let notes = head.get(..NOTES_BYTES.min(head.len())).unwrap_or_default();
        let text = |name: &str| after(notes, name).and_then(text).map(str::to_owned);
        let number = |name: &str| after(notes, name).and_then(number);
        let redis = text("redis-ver").map(|version| format!("Redis {version}"));
        Some(Self {
            version,
            software: text("valkey-ver").map(|version| format!("Valkey {version}")).or(redis),
            written_at: number("ctime")
                .and_then(|seconds| i64::try_from(seconds).ok())
                .and_then(|seconds| Timestamp::from_second(seconds).ok()),
            used_memory_bytes: number("used-mem"),
            // The name of the note up to Redis 6, and since.
            is_preamble: number("aof-preamble").or(number("aof-base")) == Some(1),
        })
    }
}

/// What follows a note's name, which has its length before it and the mark of a note before that.
fn after<'a>(notes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let length = u8::try_from(name.len()).ok()?;
    let wanted = [&[0xFA, length], name.as_bytes()].concat();
    let at = memmem::find(notes, &wanted)?;
    notes.get(at + wanted.len()..)
}

/// A short string.
fn text(value: &[u8]) -> Option<&str> {
    let (length, rest) = value.split_first()?;
    let bytes = rest.get(..usize::from(*length)).filter(|_| *length < 0x40)?;
    std::str::from_utf8(bytes).ok()
}

/// A number, as an integer of 8, 16 or 32 bits or as digits.
fn number(value: &[u8]) -> Option<u64> {
    let (kind, rest) = value.split_first()?;
    let bytes = match kind {
        0xC0 => 1,
        0xC1 => 2,
        0xC2 => 4,
        _ => return text(value)?.parse().ok(),
    };
    Some(rest.get(..bytes)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(notes: &[u8]) -> Vec<u8> {
        [b"REDIS0011", notes].concat()
    }

    #[test]
    fn the_notes_of_the_server_are_read() {
        let notes =
            b"\xFA\x09redis-ver\x057.0.5\xFA\x05ctime\xC2\x00\x00\x00\x40\xFA\x08used-mem\x0a1234567890";
        let read = RdbHead::read(&head(notes)).unwrap();
        assert_eq!((read.version, read.software.as_deref()), (11, Some("Redis 7.0.5")));
        assert_eq!(read.written_at, Some(Timestamp::from_second(0x4000_0000).unwrap()));
        assert_eq!((read.used_memory_bytes, read.is_preamble), (Some(1_234_567_890), false));
        let valkey = b"VALKEY080\xFA\x0Avalkey-ver\x059.0.0\xFA\x08aof-base\xC0\x01";
        let read = RdbHead::read(valkey).unwrap();
        assert_eq!((read.version, read.software.as_deref()), (80, Some("Valkey 9.0.0")));
        assert!(read.is_preamble);
        assert!(RdbHead::read(&head(b"\xFA\x0Caof-preamble\xC0\x01")).unwrap().is_preamble);
        for other in [&b"REDIS"[..], b"REDISabcd", b"", b"*3\r\n$3\r\nSET"] {
            assert_eq!(RdbHead::read(other), None);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = RdbHead::read(&head(&bytes));
            let _ = RdbHead::read(&bytes);
        }
    }
}
