//! The canonical form of values: what counts as content, and how it is digested.
//!
//! - Bytes are bytes: an integer is its decimal text, however it was stored.
//! - Lists are digested in order. Sets, hashes and sorted sets are sums over their elements, modulo 2¹²⁸, so that
//!   the order in which a server keeps them does not matter.
//! - A score is its double. −0 is 0, because not every encoding keeps its sign.
//! - A field of a hash counts with its own expiry.
//! - A stream is its entries in order, its last identifier, its counters of entries added and deleted, its first
//!   identifier as recorded, and its groups. A group is its last identifier delivered, its counter of entries read,
//!   its pending entries with their number of deliveries and the time of the last one, its consumers, and what is
//!   pending for each consumer. When a consumer was last seen or active is not content.
//! - A module's value is its module, with the encoding's version, and the data that the module wrote.
//!
//! Encodings, idle times, frequencies and all auxiliary fields are not content.
//!
//! This is the second edition. The [first](FIRST_EDITION) left out a stream's first identifier and the times of
//! deliveries, and took the expiry −1 for a time in the past, while servers take it for no expiry. A manifest names
//! the edition of its fingerprint, and data compared with it is read in that edition.

use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

#[cfg(doc)]
use crate::keyspace::FIRST_EDITION;
use crate::keyspace::ValueKind;

/// An element of a packed encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element<'a> {
    Bytes(&'a [u8]),
    Integer(i64),
}

impl Element<'_> {
    #[inline]
    pub(super) fn digest(self) -> u128 {
        match self {
            Self::Bytes(bytes) => xxh3_128(bytes),
            Self::Integer(number) => integer(number),
        }
    }

    /// The score that the element stands for.
    #[inline]
    pub(super) fn score(self) -> Option<f64> {
        match self {
            Self::Bytes(bytes) => score(bytes),
            // A score that is stored as an integer fits a double exactly.
            Self::Integer(number) => Some(number as f64),
        }
    }

    /// The number, if the element is stored as one or is the text of one.
    #[inline]
    pub(super) fn number(self) -> Option<i64> {
        match self {
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
            Self::Integer(number) => Some(number),
        }
    }
}

/// The digits of an integer, written from the end.
pub(super) struct Decimal {
    digits: [u8; 20],
    from: usize,
}

impl Decimal {
    #[inline]
    pub(super) fn new(number: i64) -> Self {
        let (mut digits, mut from, mut rest) = ([0; 20], 20, number.unsigned_abs());
        loop {
            from -= 1;
            digits[from] = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if number < 0 {
            from -= 1;
            digits[from] = b'-';
        }
        Self { digits, from }
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.from..]
    }
}

#[inline]
pub(super) fn integer(number: i64) -> u128 {
    xxh3_128(Decimal::new(number).as_bytes())
}

/// The digest of an ordered pair.
#[inline]
pub(super) fn pair(first: u128, second: u128) -> u128 {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(&first.to_le_bytes());
    bytes[16..].copy_from_slice(&second.to_le_bytes());
    xxh3_128(&bytes)
}

/// The score in a text. No server keeps NaN.
#[inline]
pub(super) fn score(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok().filter(|score: &f64| !score.is_nan())
}

/// The digest of a member and its score.
#[inline]
pub(super) fn scored(member: u128, score: f64) -> u128 {
    // Adding 0 turns −0 into 0.
    pair(member, u128::from((score + 0.0).to_bits()))
}

/// The digest of a field of a hash. A field that expires differs from one that does not.
#[inline]
pub(super) fn field(name: u128, value: u128, expires_at_ms: Option<u64>) -> u128 {
    let digest = pair(name, value);
    match expires_at_ms {
        None => digest,
        Some(at_ms) => pair(digest, u128::from(at_ms)),
    }
}

/// Accumulates digests of elements.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Elements {
    sum: u128,
    pub(super) count: u64,
}

impl Elements {
    /// Adds an element whose position matters.
    #[inline]
    pub(super) fn push(&mut self, digest: u128) {
        self.sum = pair(self.sum, digest);
        self.count += 1;
    }

    /// Adds an element whose position does not matter.
    #[inline]
    pub(super) fn insert(&mut self, digest: u128) {
        self.sum = self.sum.wrapping_add(digest);
        self.count += 1;
    }

    #[inline]
    pub(super) fn digest(self) -> u128 {
        pair(self.sum, u128::from(self.count))
    }
}

/// The digest of a whole value.
#[inline]
pub(super) fn value(kind: ValueKind, content: u128) -> u128 {
    xxh3_128_with_seed(&content.to_le_bytes(), kind as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_their_text() {
        for number in [0, 7, -1, 1_000, i64::MAX, i64::MIN] {
            assert_eq!(Decimal::new(number).as_bytes(), number.to_string().as_bytes());
            assert_eq!(
                Element::Integer(number).digest(),
                Element::Bytes(number.to_string().as_bytes()).digest()
            );
        }
    }

    #[test]
    fn scores_are_their_value() {
        let of = |text: &str| scored(1, Element::Bytes(text.as_bytes()).score().unwrap());
        assert_eq!(of("3"), scored(1, Element::Integer(3).score().unwrap()));
        assert_eq!(of("-0"), of("0"));
        assert_eq!(of("1e3"), of("1000"));
        assert_eq!(of("inf"), scored(1, f64::INFINITY));
        assert_ne!(of("0.1"), of("0.10000000000000002"));
    }

    #[test]
    fn order_matters_where_it_should() {
        let (mut list, mut reversed) = (Elements::default(), Elements::default());
        let (mut set, mut shuffled) = (Elements::default(), Elements::default());
        for (a, b) in [(1, 3), (2, 2), (3, 1)] {
            list.push(integer(a));
            reversed.push(integer(b));
            set.insert(integer(a));
            shuffled.insert(integer(b));
        }
        assert_ne!(list.digest(), reversed.digest());
        assert_eq!(set.digest(), shuffled.digest());
    }
}
