//! The key of a row, as the sketch of a table stores it.

use xxhash_rust::xxh3::xxh3_128;

use super::KEY_BYTES;

/// The first byte of a key that is represented by its hash, because it is too long or because the table has none.
const HASHED_KEY: u8 = 0xFF;

/// The first field: its bytes (`None` for NULL) and the rest. `None` if there is no whole field.
pub(super) fn split_field(row: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, rest) = row.split_first_chunk::<4>()?;
    let length = i32::from_be_bytes(*length);
    if length == -1 {
        return Some((None, rest));
    }
    let (field, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    Some((Some(field), rest))
}

pub(super) fn hashed_key(bytes: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[0] = HASHED_KEY;
    key[1..17].copy_from_slice(&xxh3_128(bytes).to_be_bytes());
    key
}

/// The key as the sketch stores it: for each key column one byte of length and the bytes, or the hash of the key if
/// that is too long. `None` if the row does not have the form of
/// [`TableFingerprint::add_row`](super::TableFingerprint::add_row).
pub fn encode_key(row: &[u8], key_columns: usize) -> Option<[u8; KEY_BYTES]> {
    if key_columns == 1
        && let Some(key) = encode_short_key(row)
    {
        return Some(key);
    }
    let (mut rest, mut key, mut at, mut fits) = (row, [0; KEY_BYTES], 0, true);
    for _ in 0..key_columns {
        let (field, after) = split_field(rest)?;
        let field = field.unwrap_or_default();
        rest = after;
        fits = fits && at + 1 + field.len() <= KEY_BYTES;
        if fits {
            // At most 31, so never the mark of a hashed key.
            key[at] = u8::try_from(field.len()).ok()?;
            key[at + 1..=at + field.len()].copy_from_slice(field);
            at += 1 + field.len();
        }
    }
    Some(if fits { key } else { hashed_key(&row[..row.len() - rest.len()]) })
}

/// The key of one short column in a row that is long enough. Its length and its bytes have the same form in the row
/// and in the sketch, so they are copied at once. This is the case for nearly every row, and copying piece by piece
/// is slower.
fn encode_short_key(row: &[u8]) -> Option<[u8; KEY_BYTES]> {
    let (high, rest) = row.split_first_chunk::<3>()?;
    let mut key = *rest.first_chunk::<KEY_BYTES>()?;
    let end = 1 + usize::from(key[0]);
    if *high != [0; 3] || end > KEY_BYTES {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = if at < end { *byte } else { 0 };
    }
    Some(key)
}

/// The bytes of the key columns from a key of the sketch; `None` if only its hash is known.
pub fn decode_key(key: &[u8; KEY_BYTES], key_columns: usize) -> Option<Vec<&[u8]>> {
    if key_columns == 0 || key[0] == HASHED_KEY {
        return None;
    }
    let mut rest: &[u8] = key;
    let mut fields = Vec::with_capacity(key_columns);
    for _ in 0..key_columns {
        let (length, after) = rest.split_first()?;
        let (field, after) = after.split_at_checked(usize::from(*length))?;
        fields.push(field);
        rest = after;
    }
    Some(fields)
}
