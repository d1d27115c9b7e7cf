//! The packed encodings of old files: ziplists, zipmaps and sets of integers.

use super::canon::Element;
use super::listpack::{Invalid, Next, little_endian};

const END: u8 = 0xFF;
/// The header of a ziplist.
const HEADER_BYTES: usize = 10;

/// The elements of a ziplist, in order. Ends with an error if the ziplist is damaged.
pub(super) struct Ziplist<'a> {
    bytes: &'a [u8],
    at: usize,
    previous_at: usize,
    counted: Option<u16>,
    tail: usize,
    seen: u64,
    is_over: bool,
}

impl<'a> Ziplist<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(Invalid)?;
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
        if usize::try_from(word(0)) != Ok(bytes.len()) {
            return Err(Invalid);
        }
        let count = u16::from_le_bytes([header[8], header[9]]);
        Ok(Self {
            bytes,
            at: HEADER_BYTES,
            previous_at: HEADER_BYTES,
            counted: (count != u16::MAX).then_some(count),
            tail: usize::try_from(word(4)).map_err(|_| Invalid)?,
            seen: 0,
            is_over: false,
        })
    }

    fn take(&mut self) -> Result<Option<Element<'a>>, Invalid> {
        let rest = self.bytes.get(self.at..).ok_or(Invalid)?;
        if rest.first() == Some(&END) {
            let is_right = rest.len() == 1
                && self.tail == self.previous_at
                && self.counted.is_none_or(|count| u64::from(count) == self.seen);
            return if is_right { Ok(None) } else { Err(Invalid) };
        }
        let (previous, previous_bytes) = previous_size(rest).ok_or(Invalid)?;
        let expected = if self.seen == 0 { 0 } else { self.at - self.previous_at };
        if previous != expected {
            return Err(Invalid);
        }
        let (element, size) = rest.get(previous_bytes..).and_then(element).ok_or(Invalid)?;
        self.previous_at = self.at;
        self.at += previous_bytes + size;
        self.seen += 1;
        Ok(Some(element))
    }
}

/// The size of the previous element, for reading backwards, and how many bytes that field takes.
fn previous_size(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.split_first()? {
        (0xFE, rest) => Some((usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?, 5)),
        (short, _) => Some((usize::from(*short), 1)),
    }
}

impl<'a> Iterator for Ziplist<'a> {
    type Item = Result<Element<'a>, Invalid>;

    fn next(&mut self) -> Next<'a> {
        if self.is_over {
            return None;
        }
        let next = self.take().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The first element of a ziplist, and its size in bytes.
fn element(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let first = *bytes.first()?;
    let text = |header: usize, length: usize| {
        let end = header.checked_add(length)?;
        Some((Element::Bytes(bytes.get(header..end)?), end))
    };
    let number = |size: usize| Some((Element::Integer(little_endian(bytes.get(1..=size)?)), size + 1));
    match first {
        0x00..=0x3F => text(1, usize::from(first)),
        0x40..=0x7F => text(2, usize::from(first & 0x3F) << 8 | usize::from(*bytes.get(1)?)),
        0x80 => {
            let length = u32::from_be_bytes(*bytes.get(1..)?.first_chunk()?);
            text(5, usize::try_from(length).ok()?)
        }
        0xC0 => number(2),
        0xD0 => number(4),
        0xE0 => number(8),
        0xF0 => number(3),
        0xFE => number(1),
        0xF1..=0xFD => Some((Element::Integer(i64::from(first & 0x0F) - 1), 1)),
        _ => None,
    }
}

/// Passes each field and value of a zipmap to `take`.
pub(super) fn zipmap<'a>(bytes: &'a [u8], take: impl FnMut(&'a [u8], &'a [u8])) -> Result<(), Invalid> {
    read_zipmap(bytes, take).ok_or(Invalid)
}

fn read_zipmap<'a>(bytes: &'a [u8], mut take: impl FnMut(&'a [u8], &'a [u8])) -> Option<()> {
    let (count, mut rest) = bytes.split_first()?;
    let mut seen = 0_usize;
    while rest != [END] {
        let (length, after) = zipmap_length(rest)?;
        let (field, after) = after.split_at_checked(length)?;
        let (length, after) = zipmap_length(after)?;
        // A value may be followed by free bytes, so that it can grow in place.
        let (free, after) = after.split_first()?;
        let (value, after) = after.split_at_checked(length)?;
        rest = after.get(usize::from(*free)..)?;
        seen += 1;
        take(field, value);
    }
    // From 254 on, fields are not counted. Source: zipmapValidateIntegrity in Redis' zipmap.c.
    (seen > 0 && (*count == 254 || seen == usize::from(*count))).then_some(())
}

fn zipmap_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes.split_first()? {
        (&END, _) => None,
        (0xFE, after) => {
            let (length, after) = after.split_first_chunk()?;
            Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, after))
        }
        (short, after) => Some((usize::from(*short), after)),
    }
}

/// The members of a set of integers.
pub(super) fn intset(bytes: &[u8]) -> Result<impl Iterator<Item = i64>, Invalid> {
    let (header, rest) = bytes.split_first_chunk::<8>().ok_or(Invalid)?;
    let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let width = usize::try_from(word(0)).ok().filter(|width| [2, 4, 8].contains(width)).ok_or(Invalid)?;
    let count = usize::try_from(word(4)).map_err(|_| Invalid)?;
    if rest.len().checked_div(width) != Some(count) || !rest.len().is_multiple_of(width) {
        return Err(Invalid);
    }
    let members = rest.chunks_exact(width).map(little_endian);
    // A server finds a member by binary search, which fails in any other order.
    if members.clone().is_sorted_by(|one, next| one < next) { Ok(members) } else { Err(Invalid) }
}

#[cfg(test)]
pub(in crate::rdb) mod tests {
    use super::*;

    /// Builds a ziplist from encoded elements.
    pub(in crate::rdb) fn ziplist(elements: &[Vec<u8>]) -> Vec<u8> {
        let (mut body, mut previous) = (Vec::new(), 0);
        let mut tail = 10;
        for element in elements {
            tail = 10 + body.len();
            let before = body.len();
            if previous < 254 {
                body.push(u8::try_from(previous).unwrap());
            } else {
                body.push(0xFE);
                body.extend(u32::try_from(previous).unwrap().to_le_bytes());
            }
            body.extend(element);
            previous = body.len() - before;
        }
        let mut bytes = u32::try_from(body.len() + 11).unwrap().to_le_bytes().to_vec();
        bytes.extend(u32::try_from(tail).unwrap().to_le_bytes());
        bytes.extend(u16::try_from(elements.len()).unwrap().to_le_bytes());
        bytes.extend(body);
        bytes.push(END);
        bytes
    }

    #[test]
    fn a_ziplist_of_every_encoding() {
        let long = vec![b'x'; 300];
        let encoded = [
            b"\x03abc".to_vec(),
            [vec![0x41, 0x2C], long.clone()].concat(),
            [vec![0x80, 0, 0, 1, 0x2C], long.clone()].concat(),
            vec![0xC0, 0x00, 0x80],
            vec![0xD0, 0, 0, 0, 0x80],
            [vec![0xE0], i64::MIN.to_le_bytes().to_vec()].concat(),
            vec![0xF0, 0, 0, 0x80],
            vec![0xFE, 0x80],
            vec![0xF1],
            vec![0xFD],
        ];
        let bytes = ziplist(&encoded);
        let found: Vec<_> = Ziplist::new(&bytes).unwrap().collect::<Result<_, _>>().unwrap();
        let expected = [
            Element::Bytes(b"abc"),
            Element::Bytes(&long),
            Element::Bytes(&long),
            Element::Integer(-32_768),
            Element::Integer(-2_147_483_648),
            Element::Integer(i64::MIN),
            Element::Integer(-8_388_608),
            Element::Integer(-128),
            Element::Integer(0),
            Element::Integer(12),
        ];
        assert_eq!(found, expected);
        for length in 0..bytes.len() {
            assert!(Ziplist::new(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn a_zipmap_with_room_in_it() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xFF";
        let mut found = Vec::new();
        zipmap(bytes, |field, value| found.push((field, value))).unwrap();
        assert_eq!(found, [(&b"foo"[..], &b"bar"[..]), (b"hello", b"world")]);
        for length in 0..bytes.len() {
            assert_eq!(zipmap(&bytes[..length], |_, _| {}), Err(Invalid));
        }
    }

    #[test]
    fn a_set_of_integers_is_sorted() {
        let of = |members: &[i16]| {
            let mut bytes = vec![2, 0, 0, 0];
            bytes.extend(u32::try_from(members.len()).unwrap().to_le_bytes());
            bytes.extend(members.iter().flat_map(|member| member.to_le_bytes()));
            intset(&bytes).map(Iterator::collect::<Vec<_>>)
        };
        assert_eq!(of(&[-5, 0, 300]), Ok(vec![-5, 0, 300]));
        assert_eq!(of(&[0, -5]), Err(Invalid));
        assert_eq!(of(&[1, 1]), Err(Invalid));
        assert!(intset(b"\x03\0\0\0\0\0\0\0").is_err());
    }
}
