//! A key as the sketch keeps it.

use xxhash_rust::xxh3::xxh3_128;

use super::record::{KeyName, KeyRecord, KeyState, ValueKind, content_bytes};
use crate::sketch::{Sketch, SketchRow};

/// Bytes of a key in the sketch. One byte is the length, so names of up to 63 bytes are recovered whole.
pub(super) const NAME_BYTES: usize = 64;
/// Cells of the sketch's first level: some 450 rows can be recovered, and a changed key takes two of them.
const CELLS: usize = 640;
/// The first byte of a name that is represented by its hash.
const HASHED: u8 = 0xFF;

pub(super) type KeySketch = Sketch<NAME_BYTES, CELLS>;
pub(super) type EncodedRow = SketchRow<NAME_BYTES>;
pub(super) type EncodedName = [u8; NAME_BYTES];

/// A row's digest holds the kind (4 bits), the instant (48 bits: until the year 10889) and 76 bits of the
/// value's digest.
const INSTANT_BITS: u32 = 48;
const VALUE_BITS: u32 = 76;
const NEVER: u64 = (1 << INSTANT_BITS) - 1;
/// The code of a hash whose fields expire: the kind changes what the instant means.
const CHANGING: u8 = 7;
const KINDS: [ValueKind; 7] = [
    ValueKind::String,
    ValueKind::List,
    ValueKind::Set,
    ValueKind::SortedSet,
    ValueKind::Hash,
    ValueKind::Stream,
    ValueKind::Module,
];

/// A key's state as a row's digest.
#[inline]
pub(super) fn encode_state(state: &KeyState) -> u128 {
    let kind = if state.changing { CHANGING } else { state.kind as u8 };
    let instant = state.instant_ms.map_or(NEVER, |at| at.min(NEVER - 1));
    u128::from(kind) << (INSTANT_BITS + VALUE_BITS)
        | u128::from(instant) << VALUE_BITS
        | value_bits(state.value)
}

/// The state from a row's digest, with a part of the value's digest.
pub(super) fn decode_state(digest: u128) -> Option<KeyState> {
    let code = u8::try_from(digest >> (INSTANT_BITS + VALUE_BITS)).ok()?;
    let changing = code == CHANGING;
    let kind = if changing { ValueKind::Hash } else { *KINDS.get(usize::from(code))? };
    let instant = u64::try_from(digest >> VALUE_BITS & u128::from(NEVER)).ok()?;
    let instant_ms = (instant != NEVER).then_some(instant);
    Some(KeyState { kind, instant_ms, changing, value: value_bits(digest) })
}

#[inline]
fn value_bits(digest: u128) -> u128 {
    digest & ((1 << VALUE_BITS) - 1)
}

/// The digest of a record, including its expiry and the hash of its name.
#[inline]
pub(super) fn record_digest(name_hash: u128, record: &KeyRecord) -> u128 {
    let mut bytes = content_bytes(record);
    bytes[48..].copy_from_slice(&name_hash.to_le_bytes());
    xxh3_128(&bytes)
}

#[inline]
pub(super) fn encode_name(key: &[u8]) -> EncodedName {
    let mut name = [0; NAME_BYTES];
    match u8::try_from(key.len()) {
        Ok(length) if key.len() < NAME_BYTES => {
            name[0] = length;
            name[1..=key.len()].copy_from_slice(key);
        }
        _ => {
            name[0] = HASHED;
            name[1..17].copy_from_slice(&xxh3_128(key).to_le_bytes());
        }
    }
    name
}

pub(super) fn decode_name(name: &EncodedName) -> KeyName {
    let (length, rest) = (usize::from(name[0]), &name[1..]);
    match rest.get(..length) {
        Some(bytes) => KeyName::Bytes(bytes.to_vec()),
        None => KeyName::Hash(u128::from_le_bytes(std::array::from_fn(|at| rest[at]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_come_back(key in proptest::collection::vec(any::<u8>(), 0..80)) {
            let expected =
                if key.len() < 64 { KeyName::Bytes(key.clone()) } else { KeyName::Hash(xxh3_128(&key)) };
            prop_assert_eq!(decode_name(&encode_name(&key)), expected);
        }

        #[test]
        fn rows_come_back(kind in 0_usize..7, at in proptest::option::of(0..NEVER - 1), digest: u128) {
            let state = KeyState { kind: KINDS[kind], instant_ms: at, changing: false, value: value_bits(digest) };
            prop_assert_eq!(decode_state(encode_state(&state)), Some(state));
        }

        #[test]
        fn foreign_digests_never_panic(digest: u128) {
            let _ = decode_state(digest);
        }
    }
}
