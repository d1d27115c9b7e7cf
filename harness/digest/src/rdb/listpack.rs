//! Listpacks: short collections as one run of bytes, since version 10.
//!
//! Every size and every count is checked, including those for reading backwards, because a server would follow
//! them.

use super::canon::Element;

const HEADER_BYTES: usize = 6;
const END: u8 = 0xFF;
/// The header's value for more elements than it can count.
const UNCOUNTED: u16 = u16::MAX;

/// The elements of a listpack, in order. Ends with an error if the listpack is damaged.
#[derive(Debug, Clone)]
pub(super) struct Listpack<'a> {
    rest: &'a [u8],
    counted: Option<u16>,
    seen: u64,
    is_over: bool,
}

/// The bytes are not a valid collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invalid;

pub(super) type Next<'a> = Option<Result<Element<'a>, Invalid>>;

impl<'a> Listpack<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(Invalid)?;
        let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
        if usize::try_from(size) != Ok(bytes.len()) {
            return Err(Invalid);
        }
        let count = u16::from_le_bytes([header[4], header[5]]);
        Ok(Self { rest, counted: (count != UNCOUNTED).then_some(count), seen: 0, is_over: false })
    }

    #[inline]
    fn take(&mut self) -> Result<Option<Element<'a>>, Invalid> {
        let first = *self.rest.first().ok_or(Invalid)?;
        if first == END {
            let is_right = self.counted.is_none_or(|count| u64::from(count) == self.seen);
            return if self.rest.len() == 1 && is_right { Ok(None) } else { Err(Invalid) };
        }
        let (element, size) = element(first, self.rest).ok_or(Invalid)?;
        let after = self.rest.get(size..).ok_or(Invalid)?;
        self.rest = check_backwards_size(size, after).ok_or(Invalid)?;
        self.seen += 1;
        Ok(Some(element))
    }
}

impl<'a> Iterator for Listpack<'a> {
    type Item = Result<Element<'a>, Invalid>;

    #[inline]
    fn next(&mut self) -> Next<'a> {
        if self.is_over {
            return None;
        }
        let next = self.take().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The first element, and its size in bytes.
#[inline]
fn element(first: u8, bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let text = |header: usize, length: usize| {
        let end = header.checked_add(length)?;
        Some((Element::Bytes(bytes.get(header..end)?), end))
    };
    let number = |size: usize| Some((Element::Integer(little_endian(bytes.get(1..=size)?)), size + 1));
    match first {
        0x00..=0x7F => Some((Element::Integer(first.into()), 1)),
        0x80..=0xBF => text(1, usize::from(first & 0x3F)),
        0xC0..=0xDF => {
            let unsigned = i64::from(first & 0x1F) << 8 | i64::from(*bytes.get(1)?);
            let signed = if unsigned >= 1 << 12 { unsigned - (1 << 13) } else { unsigned };
            Some((Element::Integer(signed), 2))
        }
        0xE0..=0xEF => text(2, usize::from(first & 0x0F) << 8 | usize::from(*bytes.get(1)?)),
        0xF0 => {
            let length = u32::from_le_bytes(*bytes.get(1..)?.first_chunk()?);
            text(5, usize::try_from(length).ok()?)
        }
        0xF1 => number(2),
        0xF2 => number(3),
        0xF3 => number(4),
        0xF4 => number(8),
        _ => None,
    }
}

/// A signed number of up to eight bytes.
#[inline]
pub(super) fn little_endian(bytes: &[u8]) -> i64 {
    let is_negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let mut whole = [if is_negative { 0xFF } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

/// Removes the size that follows an element: seven bits per byte, the last seven in the last byte.
#[inline]
fn check_backwards_size(size: usize, bytes: &[u8]) -> Option<&[u8]> {
    let groups = match size {
        0..=127 => {
            let (first, rest) = bytes.split_first()?;
            return (usize::from(*first) == size).then_some(rest);
        }
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    };
    let (written, rest) = bytes.split_at_checked(groups)?;
    let is_right = written.iter().enumerate().all(|(at, byte)| {
        let bits = (size >> (7 * (groups - 1 - at))) & 0x7F;
        usize::from(*byte) == if at == 0 { bits } else { bits | 0x80 }
    });
    is_right.then_some(rest)
}

#[cfg(test)]
pub(in crate::rdb) mod tests {
    use super::*;

    /// Builds a listpack from encoded elements.
    pub(in crate::rdb) fn build(elements: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::new();
        for element in elements {
            body.extend(element);
            let size = element.len();
            let groups = match size {
                0..=127 => 1,
                128..16_383 => 2,
                _ => 3,
            };
            for at in (0..groups).rev() {
                let bits = u8::try_from(size >> (7 * at) & 0x7F).unwrap();
                body.push(if at == groups - 1 { bits } else { bits | 0x80 });
            }
        }
        let mut bytes = u32::try_from(body.len() + 7).unwrap().to_le_bytes().to_vec();
        bytes.extend(u16::try_from(elements.len()).unwrap().to_le_bytes());
        bytes.extend(body);
        bytes.push(END);
        bytes
    }

    pub(in crate::rdb) fn text(bytes: &[u8]) -> Vec<u8> {
        let mut element = match bytes.len() {
            0..64 => vec![0x80 | u8::try_from(bytes.len()).unwrap()],
            64..4096 => (0xE000 | u16::try_from(bytes.len()).unwrap()).to_be_bytes().to_vec(),
            _ => [vec![0xF0], u32::try_from(bytes.len()).unwrap().to_le_bytes().to_vec()].concat(),
        };
        element.extend(bytes);
        element
    }

    pub(in crate::rdb) fn small(number: u8) -> Vec<u8> {
        assert!(number < 128);
        vec![number]
    }

    fn elements(bytes: &[u8]) -> Result<Vec<Element<'_>>, Invalid> {
        Listpack::new(bytes)?.collect()
    }

    #[test]
    fn elements_of_every_encoding() {
        let long = vec![b'x'; 300];
        let longer = vec![b'y'; 20_000];
        let encoded = [
            vec![0x7F],
            text(b"abc"),
            vec![0xDF, 0xFF],
            text(&long),
            text(&longer),
            vec![0xF1, 0x00, 0x80],
            vec![0xF2, 0x00, 0x00, 0x80],
            vec![0xF3, 0, 0, 0, 0x80],
            [vec![0xF4], i64::MIN.to_le_bytes().to_vec()].concat(),
        ];
        let expected = [
            Element::Integer(127),
            Element::Bytes(b"abc"),
            Element::Integer(-1),
            Element::Bytes(&long),
            Element::Bytes(&longer),
            Element::Integer(-32_768),
            Element::Integer(-8_388_608),
            Element::Integer(-2_147_483_648),
            Element::Integer(i64::MIN),
        ];
        assert_eq!(elements(&build(&encoded)).unwrap(), expected);
    }

    #[test]
    fn every_size_and_count_is_checked() {
        let good = build(&[text(b"abc"), small(7)]);
        assert_eq!(elements(&good).unwrap().len(), 2);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            if (7..=9).contains(&at) || at == 11 {
                assert_ne!(elements(&bad).unwrap(), elements(&good).unwrap(), "content at {at}");
            } else {
                assert_eq!(elements(&bad), Err(Invalid), "at {at}");
            }
        }
        for length in 0..good.len() {
            assert_eq!(elements(&good[..length]), Err(Invalid));
        }
    }
}
