//! Module data: a sequence of typed values, so that it can be skipped.

use comeback_error::Result;

use super::canon::{Elements, pair};
use super::strings::Strings;

const NAME_CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NAME_LENGTH: u32 = 9;

/// The name in a module type's identifier: nine characters of six bits, then ten bits of version.
pub(super) fn name(identifier: u64) -> String {
    let character = |at: u32| NAME_CHARACTERS[(identifier >> (64 - 6 * (at + 1)) & 0x3F) as usize];
    (0..NAME_LENGTH).map(|at| char::from(character(at))).collect()
}

/// Reads the value of a module and digests it.
pub(super) fn read_value(strings: &mut Strings) -> Result<u128> {
    let identifier = strings.length()?;
    Ok(pair(u128::from(identifier), read_parts(strings)?))
}

/// Skips the data that a module keeps beside the keys. Returns the module's name.
pub(super) fn read_aux(strings: &mut Strings) -> Result<String> {
    let identifier = strings.length()?;
    read_parts(strings)?;
    Ok(name(identifier))
}

/// Reads typed parts up to the end marker.
fn read_parts(strings: &mut Strings) -> Result<u128> {
    let mut parts = Elements::default();
    loop {
        let opcode = strings.length()?;
        let content = match opcode {
            0 => return Ok(parts.digest()),
            1 | 2 => u128::from(strings.length()?),
            3 => u128::from(u32::from_le_bytes(strings.input.array()?)),
            4 => u128::from(u64::from_le_bytes(strings.input.array()?)),
            5 => strings.digest()?,
            _ => return Err(strings.damaged(&format!("a module wrote a part of unknown form {opcode}"))),
        };
        parts.push(pair(u128::from(opcode), content));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_out_of_its_identifier() {
        let bits = b"ReJSON-RL".iter().fold(0_u64, |bits, character| {
            bits << 6 | NAME_CHARACTERS.iter().position(|one| one == character).unwrap() as u64
        });
        assert_eq!(name(bits << 10 | 3), "ReJSON-RL");
    }

    #[test]
    fn parts_are_read_to_the_end_mark_and_count() {
        let of = |bytes: &[u8]| read_value(&mut Strings::new(bytes));
        let value = b"\x05\x01\x07\x02\x08\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x05\x03abc\x00";
        let mut other = value.to_vec();
        *other.iter_mut().rev().nth(1).unwrap() = b'd';
        assert_ne!(of(value).unwrap(), of(&other).unwrap());
        assert_eq!(of(b"\x05\x09").unwrap_err().kind(), crate::ErrorKind::Failed);
    }
}
