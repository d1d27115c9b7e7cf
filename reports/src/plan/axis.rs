//! Milliseconds to places on an axis that begins at the declaration.

use crate::format::limit;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// Round distances between two marks.
const DISTANCES_MS: [u64; 18] = [
    SECOND_MS,
    5 * SECOND_MS,
    15 * SECOND_MS,
    30 * SECOND_MS,
    MINUTE_MS,
    2 * MINUTE_MS,
    5 * MINUTE_MS,
    10 * MINUTE_MS,
    15 * MINUTE_MS,
    30 * MINUTE_MS,
    HOUR_MS,
    2 * HOUR_MS,
    4 * HOUR_MS,
    12 * HOUR_MS,
    DAY_MS,
    7 * DAY_MS,
    30 * DAY_MS,
    100 * DAY_MS,
];

/// An axis up to a time, over a number of columns or pixels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axis {
    pub(super) whole_ms: u64,
    pub(super) length: usize,
}

impl Axis {
    /// The place of a time, rounded; at most the length.
    pub(super) fn at(self, ms: u64) -> usize {
        let whole = u128::from(self.whole_ms.max(1));
        let scaled = (u128::from(ms) * self.length as u128 + whole / 2) / whole;
        usize::try_from(scaled).map_or(self.length, |place| place.min(self.length))
    }

    /// The places from a start to an end, and at least one: a short step must not disappear.
    pub(super) fn span(self, start_ms: u64, end_ms: u64) -> std::ops::Range<usize> {
        let (start, end) = (self.at(start_ms), self.at(end_ms));
        if end > start {
            return start..end;
        }
        let start = start.min(self.length.saturating_sub(1));
        start..start + 1
    }

    /// Round times with their labels, from 0 on, each with at least `room` places.
    pub(super) fn marks(self, room: usize) -> Vec<(usize, String)> {
        let fits = |distance: &u64| self.at(*distance) >= room;
        let Some(distance) = DISTANCES_MS.into_iter().find(fits) else { return vec![(0, "0".to_owned())] };
        (0..=self.whole_ms / distance)
            .map(|index| index * distance)
            .map(|ms| (self.at(ms), if ms == 0 { "0".to_owned() } else { limit(None, ms) }))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_span_is_visible_in_proportion_and_on_the_axis(
            whole_ms in 1_u64..400 * DAY_MS, length in 1_usize..1_000, a in 0_u64..1_000, b in 0_u64..1_000,
        ) {
            let axis = Axis { whole_ms, length };
            let part = |share: u64| u64::try_from(u128::from(whole_ms) * u128::from(share) / 1_000).unwrap();
            let (start_ms, end_ms) = (part(a.min(b)), part(a.max(b)));
            let span = axis.span(start_ms, end_ms);
            prop_assert!(!span.is_empty() && span.end <= length, "{span:?}");
            let exact = (end_ms - start_ms) as f64 / whole_ms as f64 * length as f64;
            prop_assert!((span.len() as f64 - exact).abs() <= 1.0 + 1e-6, "{span:?} for {exact}");
            let marks = axis.marks(10);
            prop_assert!(marks.windows(2).all(|pair| pair[1].0 >= pair[0].0 + 9), "{marks:?}");
        }
    }
}
