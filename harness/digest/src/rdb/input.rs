//! The bytes of a file, counted and added to the checksum as they are read.

use std::io::{ErrorKind, Read};

use comeback_error::{Error, Result};
use crc_fast::{CrcAlgorithm, Digest};

/// How much is read at once, and the longest run of bytes that is handed out without copying.
const BUFFER_BYTES: usize = 128 * 1024;

/// A file that is read from start to end.
pub(super) struct Input<'r> {
    // One type for all sources: generic code is compiled in the crate that uses it, and is slower there.
    read: Box<dyn Read + 'r>,
    buffer: Vec<u8>,
    /// The bytes that were read and not yet handed out are `buffer[at..end]`.
    at: usize,
    end: usize,
    /// Bytes before this position are in the checksum.
    checked: usize,
    checksum: Digest,
    /// The offset in the file of `buffer[0]`.
    base: u64,
    is_at_end: bool,
}

impl<'r> Input<'r> {
    pub(super) fn new(read: impl Read + 'r) -> Self {
        let (buffer, checksum) = (vec![0; BUFFER_BYTES], Digest::new(CrcAlgorithm::Crc64Redis));
        Self { read: Box::new(read), buffer, at: 0, end: 0, checked: 0, checksum, base: 0, is_at_end: false }
    }

    /// A piece from the middle of a file, starting at offset `base`.
    pub(super) fn of_piece(bytes: Vec<u8>, base: u64) -> Self {
        let (end, checksum) = (bytes.len(), Digest::new(CrcAlgorithm::Crc64Redis));
        let read = Box::new(std::io::empty());
        Self { read, buffer: bytes, at: 0, end, checked: 0, checksum, base, is_at_end: false }
    }

    /// The bytes that are in memory and not yet handed out.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.buffer[self.at..self.end]
    }

    /// Skips `count` bytes of what is [ahead](Self::ahead).
    pub(super) fn pass(&mut self, count: usize) {
        self.at = (self.at + count).min(self.end);
    }

    /// The offset of the next byte.
    pub(super) fn offset(&self) -> u64 {
        self.base + self.at as u64
    }

    /// The checksum of all bytes before the next one.
    #[inline]
    pub(super) fn checksum(&mut self) -> u64 {
        self.check();
        self.checksum.finalize()
    }

    #[inline]
    fn check(&mut self) {
        self.checksum.update(&self.buffer[self.checked..self.at]);
        self.checked = self.at;
    }

    /// Reads until `count` bytes are in memory.
    #[cold]
    #[inline]
    fn fill(&mut self, count: usize) -> Result<()> {
        self.check();
        self.buffer.copy_within(self.at..self.end, 0);
        self.base += self.at as u64;
        self.end -= self.at;
        (self.at, self.checked) = (0, 0);
        while self.end < count {
            self.read_more()?;
            if self.is_at_end {
                let end = self.base + self.end as u64;
                return Err(Error::failed(format!(
                    "the RDB file ends at byte {end}, in the middle of its content"
                ))
                .hint("the backup was cut short: take an older one"));
            }
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<()> {
        loop {
            match self.read.read(&mut self.buffer[self.end..]) {
                Ok(count) => {
                    self.end += count;
                    self.is_at_end = count == 0;
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let offset = self.base + self.end as u64;
                    let message = format!("reading the RDB file at byte {offset}: {error}");
                    // A decompressor's error about its input is an error of the backup.
                    let is_content = matches!(
                        error.kind(),
                        ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof
                    );
                    return Err(if is_content {
                        Error::failed(message)
                    } else {
                        Error::could_not_verify(message)
                    });
                }
            }
        }
    }

    /// Whether the file ends here.
    #[inline]
    pub(super) fn is_finished(&mut self) -> Result<bool> {
        if self.at == self.end && !self.is_at_end {
            self.check();
            self.base += self.at as u64;
            (self.at, self.end, self.checked) = (0, 0, 0);
            self.read_more()?;
        }
        Ok(self.at == self.end)
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8> {
        if self.at == self.end {
            self.fill(1)?;
        }
        let byte = self.buffer[self.at];
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        if self.end - self.at < N {
            self.fill(N)?;
        }
        let bytes = std::array::from_fn(|place| self.buffer[self.at + place]);
        self.at += N;
        Ok(bytes)
    }

    /// `count`, if that many bytes can be handed out without copying.
    #[inline]
    pub(super) fn fits(count: u64) -> Option<usize> {
        usize::try_from(count).ok().filter(|count| *count <= BUFFER_BYTES)
    }

    /// The next `count` bytes, a number that [`Input::fits`] accepted.
    #[inline]
    pub(super) fn slice(&mut self, count: usize) -> Result<&[u8]> {
        if self.end - self.at < count {
            self.fill(count)?;
        }
        let from = self.at;
        self.at += count;
        Ok(&self.buffer[from..self.at])
    }

    /// Hands out `count` bytes, piece by piece.
    pub(super) fn pieces(&mut self, count: u64, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut left = count;
        while left > 0 {
            if self.at == self.end {
                self.fill(1)?;
            }
            let piece = usize::try_from(left).unwrap_or(usize::MAX).min(self.end - self.at);
            take(&self.buffer[self.at..self.at + piece]);
            self.at += piece;
            left -= piece as u64;
        }
        Ok(())
    }

    /// Copies `count` bytes. The copy grows with the bytes that are really there, whatever `count` says.
    pub(super) fn copy(&mut self, count: u64, to: &mut Vec<u8>) -> Result<()> {
        self.pieces(count, |piece| to.extend_from_slice(piece))
    }
}

/// The error for invalid data at the current offset.
pub(super) fn damaged(input: &Input, what: &str) -> Error {
    Error::failed(format!("the RDB file is damaged before byte {}: {what}", input.offset()))
}

#[cfg(test)]
mod tests {
    use crc::{CRC_64_REDIS, Crc};

    use super::*;

    #[test]
    fn the_checksum_is_that_of_redis() {
        let mut input = Input::new(&b"123456789"[..]);
        input.slice(4).unwrap();
        input.slice(5).unwrap();
        assert_eq!(input.checksum(), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn a_count_that_lies_costs_no_memory() {
        let mut copy = Vec::new();
        let error = Input::new(&b"12345"[..]).copy(u64::MAX, &mut copy).unwrap_err();
        assert_eq!(error.message(), "the RDB file ends at byte 5, in the middle of its content");
        assert!(copy.capacity() < 100);
    }

    #[test]
    fn pieces_of_any_size_are_put_together() {
        let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
        let mut input = Input::new(&bytes[..]);
        let mut copy = input.slice(70_000).unwrap().to_vec();
        copy.extend(input.slice(100_000).unwrap());
        copy.push(input.byte().unwrap());
        input.copy(129_999, &mut copy).unwrap();
        assert_eq!(copy, bytes);
        assert!(input.is_finished().unwrap());
        assert_eq!(input.offset(), 300_000);
        assert_eq!(input.checksum(), Crc::<u64>::new(&CRC_64_REDIS).checksum(&bytes));
    }
}
