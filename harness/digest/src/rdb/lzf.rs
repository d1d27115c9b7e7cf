//! LZF, the compression of strings in RDB files.

use comeback_error::Result;

use super::input::{Input, damaged};

/// How far back a reference can point.
const WINDOW: usize = 8 * 1024;
/// The most that is handed out at once.
const PIECE: usize = 64 * 1024;
/// A reference takes three bytes and stands for at most 264.
const BEST_RATIO: u64 = 88;

/// Whether `packed` bytes can stand for `unpacked` bytes.
#[inline]
pub(super) fn is_plausible(packed: u64, unpacked: u64) -> bool {
    unpacked <= packed.saturating_mul(BEST_RATIO)
}

/// Appends the bytes of a reference: `length` bytes, from `distance` back. The two ranges may overlap.
fn refer(output: &mut Vec<u8>, distance: usize, length: usize) -> Option<()> {
    let from = output.len().checked_sub(distance)?;
    if distance >= length {
        output.extend_from_within(from..from + length);
    } else {
        for at in from..from + length {
            output.push(output[at]);
        }
    }
    Some(())
}

/// How much is copied at once if there is room: a copy of a fixed length is faster.
const STRIDE: usize = 32;

/// Copies a literal: the start of `from` to the start of `to`.
#[inline]
fn copy_literal(from: &[u8], to: &mut [u8], length: usize) -> Option<()> {
    match (from.first_chunk::<STRIDE>(), to.first_chunk_mut::<STRIDE>()) {
        (Some(from), Some(to)) if length <= STRIDE => *to = *from,
        _ => to.get_mut(..length)?.copy_from_slice(from.get(..length)?),
    }
    Some(())
}

/// Copies the bytes of a reference to `at`: `length` bytes, from `distance` back. The two ranges may overlap.
#[inline]
fn copy_back(output: &mut [u8], at: usize, distance: usize, length: usize) -> Option<()> {
    let from = at.checked_sub(distance)?;
    let end = at.checked_add(length).filter(|end| *end <= output.len())?;
    if distance >= STRIDE && end + STRIDE <= output.len() {
        for step in (0..length).step_by(STRIDE) {
            output.copy_within(from + step..from + step + STRIDE, at + step);
        }
    } else {
        for step in 0..length {
            output[at + step] = output[from + step];
        }
    }
    Some(())
}

/// Unpacks the whole input to exactly `unpacked` bytes at the start of `output`, which grows if needed. `None` if
/// the input is damaged.
pub(super) fn unpack(input: &[u8], unpacked: usize, output: &mut Vec<u8>) -> Option<()> {
    // Room for the last stride, which may copy bytes beyond the content.
    let room = unpacked.checked_add(STRIDE)?;
    if output.len() < room {
        output.resize(room, 0);
    }
    let output = output.get_mut(..room)?;
    let (mut rest, mut at) = (input, 0);
    while let Some((control, after)) = rest.split_first() {
        rest = after;
        let control = usize::from(*control);
        if control < 32 {
            let length = control + 1;
            copy_literal(rest, output.get_mut(at..)?, length)?;
            at += length;
            rest = rest.get(length..)?;
        } else {
            let mut length = (control >> 5) + 2;
            if length == 9 {
                let (more, after) = rest.split_first()?;
                length += usize::from(*more);
                rest = after;
            }
            let (low, after) = rest.split_first()?;
            rest = after;
            copy_back(output, at, ((control & 0x1F) << 8 | usize::from(*low)) + 1, length)?;
            at += length;
        }
        if at > unpacked {
            return None;
        }
    }
    (at == unpacked).then_some(())
}

/// Unpacks `packed` bytes of a file to exactly `unpacked` bytes, piece by piece.
pub(super) fn unpack_pieces(
    input: &mut Input,
    (packed, unpacked): (u64, u64),
    mut take: impl FnMut(&[u8]),
) -> Result<()> {
    let is_wrong = |input: &Input| damaged(input, "a compressed string does not unpack");
    let mut output = Vec::with_capacity(PIECE + WINDOW);
    let (mut left, mut handed_on) = (packed, 0);
    while left > 0 {
        let control = usize::from(input.byte()?);
        // The further bytes of the instruction.
        let more = match control {
            0..32 => control + 1,
            _ if control >> 5 == 7 => 2,
            _ => 1,
        };
        left = left.checked_sub(1 + more as u64).ok_or_else(|| is_wrong(input))?;
        if control < 32 {
            output.extend_from_slice(input.slice(more)?);
        } else {
            let mut length = (control >> 5) + 2;
            if more == 2 {
                length += usize::from(input.byte()?);
            }
            let low = usize::from(input.byte()?);
            refer(&mut output, ((control & 0x1F) << 8 | low) + 1, length).ok_or_else(|| is_wrong(input))?;
        }
        if output.len() >= PIECE + WINDOW {
            let piece = output.len() - WINDOW;
            take(&output[..piece]);
            handed_on += piece as u64;
            output.drain(..piece);
        }
        if handed_on + output.len() as u64 > unpacked {
            return Err(is_wrong(input));
        }
    }
    take(&output);
    if handed_on + output.len() as u64 == unpacked { Ok(()) } else { Err(is_wrong(input)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A simple compressor: references where the last occurrence of three bytes is near, otherwise literals.
    fn pack(bytes: &[u8]) -> Vec<u8> {
        let (mut packed, mut literal, mut at) = (Vec::new(), Vec::new(), 0);
        let flush = |packed: &mut Vec<u8>, literal: &mut Vec<u8>| {
            for piece in literal.chunks(32) {
                packed.push(u8::try_from(piece.len() - 1).unwrap());
                packed.extend(piece);
            }
            literal.clear();
        };
        while at < bytes.len() {
            let window = at.saturating_sub(WINDOW)..at;
            let found = bytes.get(at..at + 3).and_then(|three| {
                window.rev().find(|from| bytes[*from..].starts_with(three)).map(|from| (from, at - from - 1))
            });
            let Some((from, distance)) = found else {
                literal.push(bytes[at]);
                at += 1;
                continue;
            };
            flush(&mut packed, &mut literal);
            let length = bytes[at..].iter().zip(&bytes[from..]).take(264).take_while(|(a, b)| a == b).count();
            let (high, low) = (u8::try_from(distance >> 8).unwrap(), u8::try_from(distance & 0xFF).unwrap());
            if length - 2 < 7 {
                packed.extend([u8::try_from(length - 2).unwrap() << 5 | high, low]);
            } else {
                packed.extend([7 << 5 | high, u8::try_from(length - 9).unwrap(), low]);
            }
            at += length;
        }
        flush(&mut packed, &mut literal);
        packed
    }

    fn by_pieces(packed: &[u8], unpacked: usize) -> Result<Vec<u8>> {
        let (mut all, mut input) = (Vec::new(), Input::new(packed));
        let sizes = (packed.len() as u64, unpacked as u64);
        unpack_pieces(&mut input, sizes, |piece| all.extend_from_slice(piece)).map(|()| all)
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_back(bytes in proptest::collection::vec(0_u8..3, 0..2_000)) {
            let (packed, mut output) = (pack(&bytes), Vec::new());
            prop_assert_eq!(unpack(&packed, bytes.len(), &mut output), Some(()));
            prop_assert_eq!(&output[..bytes.len()], &bytes);
            prop_assert_eq!(by_pieces(&packed, bytes.len()).unwrap(), bytes);
        }

        #[test]
        fn both_ways_agree_on_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80), size in 0_usize..400) {
            let mut output = Vec::new();
            let whole = unpack(&bytes, size, &mut output).map(|()| output[..size].to_vec());
            prop_assert_eq!(by_pieces(&bytes, size).ok(), whole);
        }
    }

    #[test]
    fn a_long_stream_keeps_its_window() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|n| (n % 97) as u8 ^ (n / 7_000 % 8) as u8).collect();
        let mut packed = Vec::new();
        let mut all: Vec<u8> = Vec::new();
        for _ in 0..20 {
            packed.extend(pack(&bytes));
            all.extend(&bytes);
        }
        assert_eq!(by_pieces(&packed, all.len()).unwrap(), all);
    }
}
