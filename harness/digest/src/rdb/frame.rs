//! Finds where a key ends without reading its content, so that several threads can read keys.
//!
//! This follows sizes only and judges nothing. On anything unusual it stops, and the reader reports it.

use std::ops::Range;

use super::lzf;

/// How many bytes at the front are whole keys, each with its expiry. Stops before anything that is not a key,
/// module data, and incomplete data.
pub(super) fn whole_keys(bytes: &[u8]) -> usize {
    let mut scan = Scan { rest: bytes };
    let mut whole = 0;
    while scan.key().is_some() {
        whole = bytes.len() - scan.rest.len();
    }
    whole
}

/// Where a stream keeps the identifier of its first entry. `value` begins with the type, as in the output of
/// `DUMP`. `None` if it is not a stream, or is from a server before Redis 7.
pub fn first_id_of_stream(value: &[u8]) -> Option<Range<usize>> {
    let mut scan = Scan { rest: value };
    if !matches!(scan.byte()?, 19 | 21) {
        return None;
    }
    let nodes = scan.length()?;
    scan.times(nodes, |scan| scan.string().and_then(|()| scan.string()))?;
    // The number of entries, and the last identifier.
    scan.times(3, |scan| scan.length().map(drop))?;
    let from = value.len() - scan.rest.len();
    scan.times(2, |scan| scan.length().map(drop))?;
    Some(from..value.len() - scan.rest.len())
}

/// Skips over items. Returns `None` if an item is incomplete, or unknown here.
struct Scan<'a> {
    rest: &'a [u8],
}

impl Scan<'_> {
    #[inline]
    fn skip(&mut self, count: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(count).ok()?..)?;
        Some(())
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*array)
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A length; for a string in another form, the size of what follows.
    #[inline]
    fn size(&mut self, first: u8) -> Option<u64> {
        match first {
            0x00..=0x3F => Some(first.into()),
            0x40..=0x7F => Some(u64::from(first & 0x3F) << 8 | u64::from(self.byte()?)),
            0x80 => self.array().map(|size| u32::from_be_bytes(size).into()),
            0x81 => self.array().map(u64::from_be_bytes),
            0xC0..=0xC2 => Some(1 << (first & 0x03)),
            0xC3 => {
                let (packed, unpacked) = (self.length()?, self.length()?);
                lzf::is_plausible(packed, unpacked).then_some(packed)
            }
            _ => None,
        }
    }

    #[inline]
    fn length(&mut self) -> Option<u64> {
        let first = self.byte().filter(|first| *first < 0xC0)?;
        self.size(first)
    }

    #[inline]
    fn string(&mut self) -> Option<()> {
        let first = self.byte()?;
        let size = self.size(first)?;
        self.skip(size)
    }

    /// Skips `count` items. Each takes at least one byte, so a wrong count runs out of bytes.
    fn times(&mut self, count: u64, mut pass: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        (0..count).try_for_each(|_| pass(self))
    }

    fn key(&mut self) -> Option<()> {
        loop {
            match self.byte()? {
                252 => self.skip(8)?,
                253 => self.skip(4)?,
                248 => drop(self.length()?),
                249 => self.skip(1)?,
                type_code => {
                    self.string()?;
                    return self.value(type_code);
                }
            }
        }
    }

    fn value(&mut self, type_code: u8) -> Option<()> {
        match type_code {
            0 | 9..=13 | 16 | 17 | 20 => self.string(),
            1 | 2 | 14 => {
                let count = self.length()?;
                self.times(count, Self::string)
            }
            3 => {
                let count = self.length()?;
                self.times(count, |scan| {
                    scan.string()?;
                    match scan.byte()? {
                        253..=255 => Some(()),
                        length => scan.skip(length.into()),
                    }
                })
            }
            4 => {
                let count = self.length()?;
                self.times(count, |scan| scan.string().and_then(|()| scan.string()))
            }
            5 => {
                let count = self.length()?;
                self.times(count, |scan| scan.string().and_then(|()| scan.skip(8)))
            }
            15 | 19 | 21 => self.stream(type_code),
            // A type of Valkey; in a file of Redis, the reader refuses it.
            22 => {
                let count = self.length()?;
                self.times(count, |scan| {
                    scan.string()?;
                    scan.string()?;
                    scan.skip(8)
                })
            }
            18 => {
                let count = self.length()?;
                self.times(count, |scan| scan.length().and_then(|_| scan.string()))
            }
            24 => {
                self.skip(8)?;
                let count = self.length()?;
                self.times(count, |scan| {
                    scan.length()?;
                    scan.string()?;
                    scan.string()
                })
            }
            25 => self.skip(8).and_then(|()| self.string()),
            _ => None,
        }
    }

    fn stream(&mut self, type_code: u8) -> Option<()> {
        let nodes = self.length()?;
        self.times(nodes, |scan| scan.string().and_then(|()| scan.string()))?;
        // Entries and the last identifier; then the first one, the last deleted one, and the number ever added.
        let counters = if type_code == 15 { 3 } else { 8 };
        self.times(counters, |scan| scan.length().map(drop))?;
        let groups = self.length()?;
        self.times(groups, |scan| scan.group(type_code))
    }

    fn group(&mut self, type_code: u8) -> Option<()> {
        self.string()?;
        let counters = if type_code == 15 { 2 } else { 3 };
        self.times(counters, |scan| scan.length().map(drop))?;
        let pending = self.length()?;
        self.times(pending, |scan| scan.skip(24).and_then(|()| scan.length()).map(drop))?;
        let consumers = self.length()?;
        self.times(consumers, |scan| {
            scan.string()?;
            scan.skip(if type_code == 21 { 16 } else { 8 })?;
            let pending = scan.length()?;
            scan.times(pending, |scan| scan.skip(16))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::RdbReader;
    use super::super::tests::{file, samples};
    use super::*;

    /// For every type and encoding, skipping a key ends at the byte where the reader ends.
    #[test]
    fn keys_end_where_the_reader_ends() {
        let (mut passed, mut samples_passed) = (0, 0);
        for body in samples() {
            let bytes = file(12, &body);
            let mut reader = RdbReader::open(&bytes[..]).unwrap();
            loop {
                let from = usize::try_from(reader.offset()).unwrap();
                let mut scan = Scan { rest: &bytes[from..] };
                let is_passed = scan.key().is_some();
                if reader.next_entry().unwrap().is_none() {
                    break;
                }
                if is_passed {
                    assert_eq!(reader.offset(), (bytes.len() - scan.rest.len()) as u64, "{body:?}");
                    passed += 1;
                }
            }
            samples_passed += u64::from(whole_keys(&bytes[9..]) > 0);
        }
        assert!(passed >= 20 && samples_passed >= 20, "{passed} keys, {samples_passed} samples");
    }

    #[test]
    fn what_is_not_all_there_is_left() {
        for body in samples() {
            let whole = whole_keys(&body);
            for cut in 0..body.len() {
                let found = whole_keys(&body[..cut]);
                assert!(found <= cut && found <= whole);
                assert_eq!(whole_keys(&body[..found]), found);
            }
        }
    }
}
