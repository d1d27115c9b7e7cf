//! Lengths and strings, as in an RDB file.

use std::io::Read;

use comeback_error::{Error, Result};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::canon::{self, Decimal};
use super::input::{Input, damaged};
use super::lzf;
use crate::keyspace::EDITION;

/// A longer compressed string is unpacked piece by piece where possible.
const WHOLE_BYTES: u64 = 1024 * 1024;
/// The capacity that a scratch buffer may keep from one key to the next.
const KEPT_BYTES: usize = 1024 * 1024;

/// A length, or the encoding of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    Length(u64),
    Encoded(u8),
}

/// The form of a string in the file.
enum Form {
    Raw(u64),
    Integer(i64),
    Packed { packed: u64, unpacked: u64 },
}

pub(super) struct Strings<'r> {
    pub(super) input: Input<'r>,
    unpacked: Vec<u8>,
    packed: Vec<u8>,
    /// The edition of the canonical form in which values are digested.
    pub(super) edition: u32,
    /// The bytes of the strings that were read, unpacked.
    pub(super) unpacked_bytes: u64,
}

impl<'r> Strings<'r> {
    pub(super) fn new(read: impl Read + 'r) -> Self {
        Self::of(Input::new(read))
    }

    pub(super) fn of(input: Input<'r>) -> Self {
        Self { input, unpacked: Vec::new(), packed: Vec::new(), edition: EDITION, unpacked_bytes: 0 }
    }

    pub(super) fn damaged(&self, what: &str) -> Error {
        damaged(&self.input, what)
    }

    /// Frees the memory that an unusually large string needed.
    pub(super) fn shrink(&mut self) {
        for buffer in [&mut self.unpacked, &mut self.packed] {
            if buffer.capacity() > KEPT_BYTES {
                *buffer = Vec::new();
            }
        }
    }

    #[inline]
    fn prefix(&mut self) -> Result<Prefix> {
        let first = self.input.byte()?;
        let low = u64::from(first & 0x3F);
        Ok(match first >> 6 {
            0 => Prefix::Length(low),
            1 => Prefix::Length(low << 8 | u64::from(self.input.byte()?)),
            3 => Prefix::Encoded(first & 0x3F),
            _ => match first {
                0x80 => Prefix::Length(u32::from_be_bytes(self.input.array()?).into()),
                0x81 => Prefix::Length(u64::from_be_bytes(self.input.array()?)),
                _ => return Err(self.damaged(&format!("{first:#04x} begins no length"))),
            },
        })
    }

    /// A length, or any other number in the same encoding.
    #[inline]
    pub(super) fn length(&mut self) -> Result<u64> {
        match self.prefix()? {
            Prefix::Length(length) => Ok(length),
            Prefix::Encoded(_) => Err(self.damaged("a string stands where a length should")),
        }
    }

    #[inline]
    fn form(&mut self) -> Result<Form> {
        let form = self.next_form()?;
        self.unpacked_bytes += match form {
            Form::Raw(bytes) | Form::Packed { unpacked: bytes, .. } => bytes,
            Form::Integer(_) => size_of::<i64>() as u64,
        };
        Ok(form)
    }

    #[inline]
    fn next_form(&mut self) -> Result<Form> {
        Ok(match self.prefix()? {
            Prefix::Length(length) => Form::Raw(length),
            Prefix::Encoded(0) => Form::Integer(i8::from_le_bytes(self.input.array()?).into()),
            Prefix::Encoded(1) => Form::Integer(i16::from_le_bytes(self.input.array()?).into()),
            Prefix::Encoded(2) => Form::Integer(i32::from_le_bytes(self.input.array()?).into()),
            Prefix::Encoded(3) => {
                let (packed, unpacked) = (self.length()?, self.length()?);
                if !lzf::is_plausible(packed, unpacked) {
                    return Err(self.damaged(&format!("{packed} bytes cannot unpack to {unpacked}")));
                }
                Form::Packed { packed, unpacked }
            }
            Prefix::Encoded(other) => {
                return Err(self.damaged(&format!("no string is encoded as {other}")));
            }
        })
    }

    /// The digest of a string of any length.
    #[inline]
    pub(super) fn digest(&mut self) -> Result<u128> {
        match self.form()? {
            Form::Integer(number) => Ok(canon::integer(number)),
            Form::Raw(length) => {
                if let Some(length) = Input::fits(length) {
                    return Ok(xxh3_128(self.input.slice(length)?));
                }
                let mut hash = Xxh3::new();
                self.input.pieces(length, |piece| hash.update(piece))?;
                Ok(hash.digest128())
            }
            Form::Packed { packed, unpacked } if unpacked > WHOLE_BYTES => {
                let mut hash = Xxh3::new();
                lzf::unpack_pieces(&mut self.input, (packed, unpacked), |piece| hash.update(piece))?;
                Ok(hash.digest128())
            }
            Form::Packed { packed, unpacked } => self.unpack(packed, unpacked).map(xxh3_128),
        }
    }

    /// The bytes of a string.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&[u8]> {
        match self.form()? {
            Form::Integer(number) => {
                self.unpacked.clear();
                self.unpacked.extend_from_slice(Decimal::new(number).as_bytes());
                Ok(&self.unpacked)
            }
            Form::Raw(length) => {
                if let Some(length) = Input::fits(length) {
                    return self.input.slice(length);
                }
                self.unpacked.clear();
                self.input.copy(length, &mut self.unpacked)?;
                Ok(&self.unpacked)
            }
            Form::Packed { packed, unpacked } => self.unpack(packed, unpacked),
        }
    }

    fn unpack(&mut self, packed: u64, unpacked: u64) -> Result<&[u8]> {
        // A string longer than memory cannot exist: the file would have to hold a part of it.
        let unpacked = usize::try_from(unpacked).unwrap_or(usize::MAX);
        let input = if let Some(packed) = Input::fits(packed) {
            self.input.slice(packed)?
        } else {
            self.packed.clear();
            self.input.copy(packed, &mut self.packed)?;
            &self.packed
        };
        if lzf::unpack(input, unpacked, &mut self.unpacked).is_none() {
            return Err(self.damaged("a compressed string does not unpack"));
        }
        Ok(&self.unpacked[..unpacked])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(file: &[u8]) -> Result<Vec<u8>> {
        let mut strings = Strings::new(file);
        let bytes = strings.bytes()?.to_vec();
        let digest = Strings::new(file).digest()?;
        assert_eq!(digest, xxh3_128(&bytes));
        Ok(bytes)
    }

    #[test]
    fn strings_in_every_form() {
        assert_eq!(bytes_of(b"\x03abc").unwrap(), b"abc");
        assert_eq!(bytes_of(b"\x40\x03abc").unwrap(), b"abc");
        assert_eq!(bytes_of(b"\x80\0\0\0\x03abc").unwrap(), b"abc");
        assert_eq!(bytes_of(b"\x81\0\0\0\0\0\0\0\x03abc").unwrap(), b"abc");
        assert_eq!(bytes_of(b"\xC0\xFF").unwrap(), b"-1");
        assert_eq!(bytes_of(b"\xC1\x00\x01").unwrap(), b"256");
        assert_eq!(bytes_of(b"\xC2\0\0\0\x80").unwrap(), b"-2147483648");
        assert_eq!(bytes_of(b"\xC3\x05\x09\x00a\xC0\x00\x00").unwrap_err().kind(), crate::ErrorKind::Failed);
        assert_eq!(bytes_of(b"\xC3\x04\x09\x00a\xC0\x00").unwrap(), b"aaaaaaaaa");
    }

    #[test]
    fn what_is_no_string_is_refused() {
        for file in [&b"\x82"[..], b"\xC4", b"\xC3\x01\x80\xFF\xFF\xFF\xFFa", b"\x05abc", b""] {
            assert_eq!(bytes_of(file).unwrap_err().kind(), crate::ErrorKind::Failed, "{file:?}");
        }
    }

    #[test]
    fn a_long_string_is_digested_in_pieces() {
        let content = vec![7_u8; 3_000_000];
        let mut file = vec![0x80];
        file.extend(3_000_000_u32.to_be_bytes());
        file.extend(&content);
        assert_eq!(Strings::new(&file[..]).digest().unwrap(), xxh3_128(&content));
    }
}
