//! Detects duplicates, in bounded memory.
//!
//! Up to [`MOST`] digests are kept, and all of them are compared. Beyond that a sample is kept, chosen by the
//! digests themselves: one in two, then one in four, and so on. A duplicate is then found with that probability.

/// The most digests that are kept: 4 MB, and 2 MB more while they are compared.
const MOST: usize = 1 << 18;
/// The capacity that is kept from one use to the next.
const KEPT: usize = 1 << 12;
/// A mask for more slots than there ever are.
const LOW_BITS: u128 = 0xFFFF_FFFF;
/// Up to this number, every pair is compared.
const FEW: usize = 8;

/// Digests of things that must all be different.
#[derive(Debug, Clone, Default)]
pub(super) struct Distinct {
    digests: Vec<u128>,
    /// Only digests with this number of trailing zero bits are kept.
    level: u32,
    /// The position of each digest, by its hash; 0 for an empty slot.
    slots: Vec<u32>,
}

impl Distinct {
    #[inline]
    pub(super) fn insert(&mut self, digest: u128) {
        if digest.trailing_zeros() >= self.level {
            self.digests.push(digest);
            if self.digests.len() > MOST {
                self.thin();
            }
        }
    }

    #[cold]
    fn thin(&mut self) {
        while self.digests.len() > MOST && self.level < u128::BITS {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, level: u32) {
        if level > self.level {
            self.level = level;
            self.digests.retain(|digest| digest.trailing_zeros() >= level);
        }
    }

    /// Adds everything that another one took. The order of additions does not matter.
    pub(super) fn merge(&mut self, mut other: Self) {
        self.raise(other.level);
        other.raise(self.level);
        self.digests.append(&mut other.digests);
        self.thin();
    }

    /// Whether there is a duplicate.
    #[inline]
    pub(super) fn has_twice(&mut self) -> bool {
        match self.digests.len() {
            0 | 1 => false,
            2..=FEW => {
                let pairs = self.digests.iter().enumerate();
                pairs.into_iter().any(|(at, digest)| self.digests[..at].contains(digest))
            }
            _ => self.has_twice_of_many(),
        }
    }

    fn has_twice_of_many(&mut self) -> bool {
        let mask = (2 * self.digests.len()).next_power_of_two() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, 0);
        for (number, digest) in (1_u32..).zip(&self.digests) {
            // The sample may have been chosen by the low bits, so they are not random.
            let high_bits = usize::try_from(digest >> 64 & LOW_BITS).unwrap_or_default();
            let mut slot = high_bits & mask;
            loop {
                match self.slots[slot] {
                    0 => break,
                    there if self.digests[there as usize - 1] == *digest => return true,
                    _ => slot = (slot + 1) & mask,
                }
            }
            self.slots[slot] = number;
        }
        false
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.level = 0;
        self.digests.clear();
        if self.digests.capacity() > KEPT || self.slots.capacity() > 4 * KEPT {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_128;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Distinct {
        let mut distinct = Distinct::default();
        for number in numbers {
            distinct.insert(xxh3_128(&number.to_le_bytes()));
        }
        distinct
    }

    #[test]
    fn one_that_stands_twice_is_found_wherever_it_stands() {
        for count in [0, 1, 2, FEW as u64, 9, 100, 10_000, MOST as u64] {
            assert!(!of(0..count).has_twice(), "{count}");
        }
        for count in [1_u64, 3, 7, 8, 100, 10_000] {
            for again in [0, count / 2, count - 1] {
                assert!(of((0..count).chain([again])).has_twice(), "{again} of {count}");
            }
        }
    }

    #[test]
    fn of_many_a_sample_is_held_that_does_not_depend_on_the_order() {
        let count = 5 * MOST as u64;
        let whole = of(0..count);
        assert!(whole.digests.len() <= MOST && whole.digests.len() > MOST / 4 && whole.level == 3);
        let mut parts = of(0..10);
        parts.merge(of(1000..count));
        parts.merge(of(10..1000));
        assert_eq!(parts.level, whole.level);
        let sorted = |mut distinct: Distinct| {
            distinct.digests.sort_unstable();
            distinct.digests
        };
        assert!(sorted(parts) == sorted(whole.clone()));
        let mut doubled = whole;
        doubled.merge(of(0..1000));
        assert!(doubled.has_twice(), "a hundred or so of them are in the sample");
    }

    #[test]
    fn what_was_forgotten_is_not_found() {
        let mut distinct = of(0..100_000);
        assert!(!distinct.has_twice());
        distinct.clear();
        assert!(distinct.digests.capacity() <= KEPT && distinct.slots.capacity() <= 4 * KEPT);
        distinct.insert(xxh3_128(&0_u64.to_le_bytes()));
        assert!(!distinct.has_twice());
    }
}
