//! Digests of keys by the time at which they expire.
//!
//! A restore is judged some time after the backup was taken. Keys that expired in between are gone, as they should
//! be. The digests are therefore summed in windows of expiry: windows in the future must be equal, windows in the
//! past do not matter. The windows are as narrow as a limit on their number allows.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// The most windows. Beyond it, every window becomes twice as wide.
const MOST_WINDOWS: usize = 2048;
/// Beyond this width (2⁴⁸ ms), there is a single window.
const WIDEST_BITS: u32 = 48;
const WINDOW_BYTES: usize = 8 + 8 + 16;

/// The keys that expire in one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) keys: u64,
    pub(super) digest: u128,
}

impl Window {
    fn add(&mut self, other: Self) {
        self.keys += other.keys;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

/// The windows. Their width depends on the keys alone, not on the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct ExpiryWindows {
    /// log2 of the width in milliseconds.
    width_bits: u32,
    /// By number: the expiry divided by the width.
    windows: BTreeMap<u64, Window>,
}

/// The windows, split at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct CutWindows {
    /// All keys whose expiry has passed.
    pub(super) past: Window,
    /// The window that contains the moment: some of its keys may have expired.
    pub(super) current: Window,
    /// The windows after the moment.
    pub(super) ahead: BTreeMap<u64, Window>,
}

impl CutWindows {
    pub(super) fn keys_ahead(&self) -> u64 {
        self.ahead.values().map(|window| window.keys).sum()
    }
}

impl ExpiryWindows {
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    pub(super) fn add(&mut self, expires_at_ms: u64, digest: u128) {
        let window = self.windows.entry(expires_at_ms >> self.width_bits).or_default();
        window.add(Window { keys: 1, digest });
        self.shrink();
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let width_bits = self.width_bits.max(other.width_bits);
        self.widen_to(width_bits);
        for (number, window) in &other.windows {
            let number = number >> (width_bits - other.width_bits);
            self.windows.entry(number).or_default().add(*window);
        }
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.windows.len() > MOST_WINDOWS && self.width_bits < WIDEST_BITS {
            self.widen_to(self.width_bits + 1);
        }
    }

    fn widen_to(&mut self, width_bits: u32) {
        let by = width_bits - self.width_bits;
        if by == 0 {
            return;
        }
        let mut wider: BTreeMap<u64, Window> = BTreeMap::new();
        for (number, window) in &self.windows {
            wider.entry(number >> by).or_default().add(*window);
        }
        *self = Self { width_bits, windows: wider };
    }

    /// Splits both at the same moment, in windows of the same width.
    pub(super) fn cut_both(&self, other: &Self, now_ms: u64) -> (CutWindows, CutWindows) {
        let (mut mine, mut theirs) = (self.clone(), other.clone());
        let width_bits = mine.width_bits.max(theirs.width_bits);
        mine.widen_to(width_bits);
        theirs.widen_to(width_bits);
        (mine.cut(now_ms), theirs.cut(now_ms))
    }

    fn cut(&self, now_ms: u64) -> CutWindows {
        let mut cut = CutWindows::default();
        // A key whose expiry is exactly now is gone.
        let first_ahead = now_ms.saturating_add(1) >> self.width_bits;
        let is_whole = now_ms.saturating_add(1).trailing_zeros() >= self.width_bits;
        for (number, window) in &self.windows {
            if *number < first_ahead {
                cut.past.add(*window);
            } else if *number == first_ahead && !is_whole {
                cut.current = *window;
            } else {
                cut.ahead.insert(*number, *window);
            }
        }
        cut
    }
}

/// As text: the width, then the number, keys and digest of each window, in base64.
impl From<ExpiryWindows> for String {
    fn from(windows: ExpiryWindows) -> Self {
        let mut bytes = Vec::with_capacity(4 + windows.windows.len() * WINDOW_BYTES);
        bytes.extend(windows.width_bits.to_le_bytes());
        for (number, window) in &windows.windows {
            bytes.extend(number.to_le_bytes());
            bytes.extend(window.keys.to_le_bytes());
            bytes.extend(window.digest.to_le_bytes());
        }
        BASE64.encode(bytes)
    }
}

impl TryFrom<String> for ExpiryWindows {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|error| format!("the expiries are not base64: {error}"))?;
        let (width, rest) = bytes.split_first_chunk().ok_or("the expiries have no width")?;
        let width_bits = u32::from_le_bytes(*width);
        if width_bits > WIDEST_BITS {
            return Err(format!("the windows of the expiries are 2^{width_bits} ms wide"));
        }
        let (entries, excess) = rest.as_chunks::<WINDOW_BYTES>();
        if !excess.is_empty() {
            return Err(format!("the expiries have {} bytes too many", excess.len()));
        }
        let lane = |entry: &[u8; WINDOW_BYTES], from: usize| std::array::from_fn(|at| entry[from + at]);
        let windows = entries.iter().map(|entry| {
            let digest = u128::from_le_bytes(std::array::from_fn(|at| entry[16 + at]));
            let keys = u64::from_le_bytes(lane(entry, 8));
            (u64::from_le_bytes(lane(entry, 0)), Window { keys, digest })
        });
        Ok(Self { width_bits, windows: windows.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(expiries: &[u64]) -> ExpiryWindows {
        let mut windows = ExpiryWindows::default();
        for at in expiries {
            windows.add(*at, u128::from(*at) << 7);
        }
        windows
    }

    #[test]
    fn few_expiries_are_told_apart_to_the_millisecond() {
        let (before, after) = of(&[10, 11, 12]).cut_both(&of(&[12]), 11);
        assert_eq!((before.past.keys, before.current.keys), (2, 0));
        assert_eq!(before.ahead, after.ahead);
    }

    #[test]
    fn many_expiries_stay_few_windows() {
        let windows = of(&(0..100_000).map(|n| 1_700_000_000_000 + n * 977).collect::<Vec<_>>());
        assert!(windows.windows.len() <= MOST_WINDOWS);
        assert!(windows.windows.len() > MOST_WINDOWS / 4);
        assert_eq!(windows.windows.values().map(|window| window.keys).sum::<u64>(), 100_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn order_and_parts_do_not_matter(
            mut expiries in proptest::collection::vec(0_u64..1 << 40, 0..5000),
            at: prop::sample::Index,
        ) {
            let whole = of(&expiries);
            let cut = at.index(expiries.len() + 1);
            let mut merged = of(&expiries[..cut]);
            merged.merge(&of(&expiries[cut..]));
            prop_assert_eq!(&merged, &whole);
            expiries.reverse();
            prop_assert_eq!(&of(&expiries), &whole);
            prop_assert_eq!(ExpiryWindows::try_from(String::from(whole.clone())), Ok(whole));
        }

        #[test]
        fn the_cut_is_where_it_says(
            expiries in proptest::collection::vec(0_u64..1 << 22, 0..4000),
            now in 0_u64..1 << 22,
        ) {
            let windows = of(&expiries);
            let (cut, _) = windows.cut_both(&windows, now);
            let past = expiries.iter().filter(|at| **at <= now).count() as u64;
            let ahead = expiries.len() as u64 - past;
            prop_assert!(cut.past.keys <= past && cut.keys_ahead() <= ahead);
            prop_assert_eq!(cut.past.keys + cut.current.keys + cut.keys_ahead(), past + ahead);
        }

        #[test]
        fn foreign_text_never_panics(text in "[A-Za-z0-9+/=]{0,400}") {
            let _ = ExpiryWindows::try_from(text);
        }
    }
}
