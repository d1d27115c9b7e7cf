//! A constant-size sketch of a table's rows from which the rows that *differ* between two tables can be read.
//!
//! A digest shows that two tables differ; the sketch shows in which rows, when the source is long gone. It is an
//! invertible Bloom lookup table (Goodrich and Mitzenmacher, "Invertible Bloom Lookup Tables", 2011; Eppstein et
//! al., "What's the Difference?", SIGCOMM 2011) in strata: level 0 holds every row, and each further level one row
//! in eight of the previous level. Subtracting two sketches leaves only the rows in which the tables differ. With
//! few differences level 0 names them all; with many, a higher level gives examples and an estimate of their
//! number.
//!
//! It does not prove equality (the digest does), and does not name a row that occurs three times.
//!
//! The length of a recoverable key and the number of cells in level 0 are parameters. The defaults are those of a
//! table.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of a table row's key that the sketch can recover; a longer key is represented by its hash.
pub const KEY_BYTES: usize = 32;
/// Cells per row: each row is added to one cell of each part.
const PARTS: usize = 4;
/// Cells in a level above the first. 4 × 40 cells recover some 100 differences.
const LEVEL_CELLS: usize = 160;
/// Levels; the last one holds one row in 8⁶ (about a quarter of a million).
const LEVELS: usize = 7;
/// log2 of the sampling ratio from level to level.
const LEVEL_BITS: u32 = 3;
const LEVEL_SEED: u64 = 0x636f_6d65_6261_636b;
/// More bytes than the key of any sketch and a digest.
const CHECKED_BYTES: usize = 128;

/// A row as the sketch knows it: its key and the digest of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SketchRow<const K: usize = KEY_BYTES> {
    /// The key, encoded and padded with zeros; see `comeback_model::encode_key`.
    pub key: [u8; K],
    /// The digest of the whole row.
    pub digest: u128,
}

impl<const K: usize> SketchRow<K> {
    #[inline]
    fn check(&self) -> u64 {
        const { assert!(K + 16 <= CHECKED_BYTES && K.is_multiple_of(8)) };
        let mut bytes = [0; CHECKED_BYTES];
        // Arrays of known size, because copying a slice is a call and every row passes here.
        if let Some((key, rest)) = bytes.split_first_chunk_mut::<K>()
            && let Some(digest) = rest.first_chunk_mut::<16>()
        {
            *key = self.key;
            *digest = self.digest.to_le_bytes();
        }
        xxh3_64_with_seed(&bytes[..K + 16], 1)
    }

    /// The deepest level of the row. Only the key decides, so that the old and the new content of a changed row
    /// meet.
    #[inline]
    fn level(&self) -> usize {
        let zeros = xxh3_64_with_seed(&self.key, LEVEL_SEED).trailing_zeros();
        usize::try_from(zeros / LEVEL_BITS).unwrap_or(0).min(LEVELS - 1)
    }

    /// Whether the row belongs to a sample in which each row stands for `sampling` rows.
    pub fn is_in_sample(&self, sampling: u64) -> bool {
        1_u64 << (LEVEL_BITS as usize * self.level()) >= sampling
    }
}

/// Sums of the rows in this cell. All additions wrap, so that removing undoes adding exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cell<const K: usize> {
    count: i64,
    /// Little-endian lanes of eight bytes, summed lane by lane.
    key: [u8; K],
    digest: u128,
    check: u64,
}

impl<const K: usize> Default for Cell<K> {
    fn default() -> Self {
        Self { count: 0, key: [0; K], digest: 0, check: 0 }
    }
}

/// Adds or subtracts the lanes of a key.
#[inline]
fn add_lanes<const K: usize>(sum: &mut [u8; K], key: &[u8; K], sign: i64) {
    let (sums, lanes) = (sum.as_chunks_mut::<8>().0, key.as_chunks::<8>().0);
    // Indexed instead of zipped: this runs some five times per row, and the zip was a call each time.
    for at in 0..K / 8 {
        let (before, lane) = (u64::from_le_bytes(sums[at]), u64::from_le_bytes(lanes[at]));
        let after = if sign > 0 { before.wrapping_add(lane) } else { before.wrapping_sub(lane) };
        sums[at] = after.to_le_bytes();
    }
}

impl<const K: usize> Cell<K> {
    const BYTES: usize = 8 + K + 16 + 8;

    #[inline]
    fn add(&mut self, row: &SketchRow<K>, check: u64, sign: i64) {
        self.combine(&Self { count: 1, key: row.key, digest: row.digest, check }, sign);
    }

    #[inline]
    fn combine(&mut self, other: &Self, sign: i64) {
        add_lanes(&mut self.key, &other.key, sign);
        if sign > 0 {
            self.count = self.count.wrapping_add(other.count);
            self.digest = self.digest.wrapping_add(other.digest);
            self.check = self.check.wrapping_add(other.check);
        } else {
            self.count = self.count.wrapping_sub(other.count);
            self.digest = self.digest.wrapping_sub(other.digest);
            self.check = self.check.wrapping_sub(other.check);
        }
    }

    /// The only row in this cell, and whether it was added or removed; `None` if it holds several.
    fn single(&self) -> Option<(SketchRow<K>, i64)> {
        let sign = self.count;
        if sign != 1 && sign != -1 {
            return None;
        }
        let mut one = Self::default();
        one.combine(self, sign);
        let row = SketchRow { key: one.key, digest: one.digest };
        (row.check() == one.check).then_some((row, sign))
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn write_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.count.to_le_bytes());
        bytes.extend(self.key);
        bytes.extend(self.digest.to_le_bytes());
        bytes.extend(self.check.to_le_bytes());
    }

    fn read_from(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
        let (key, rest) = rest.split_first_chunk()?;
        let (digest, rest) = rest.split_first_chunk()?;
        Some(Self {
            count: i64::from_le_bytes(*count),
            key: *key,
            digest: u128::from_le_bytes(*digest),
            check: u64::from_le_bytes(rest.try_into().ok()?),
        })
    }
}

/// The sketch of a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sketch<const K: usize = KEY_BYTES, const FIRST: usize = LEVEL_CELLS>(Vec<Vec<Cell<K>>>);

/// How two sketches differ.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SketchDifference<const K: usize = KEY_BYTES> {
    /// Rows that only the second holds.
    pub added: Vec<SketchRow<K>>,
    /// Rows that only the first holds.
    pub removed: Vec<SketchRow<K>>,
    /// How many differing rows each row found stands for: 1 if these are all of them, 8ⁿ if they are a sample.
    /// `None` if the sketch could not be read.
    pub sampling: Option<u64>,
}

impl<const K: usize, const FIRST: usize> Default for Sketch<K, FIRST> {
    fn default() -> Self {
        let cells = |level| if level == 0 { FIRST } else { LEVEL_CELLS };
        Self((0..LEVELS).map(|level| vec![Cell::default(); cells(level)]).collect())
    }
}

impl<const K: usize, const FIRST: usize> Sketch<K, FIRST> {
    /// Adds a row. Adding a row twice is not the same as adding it once.
    pub fn add(&mut self, row: &SketchRow<K>) {
        let check = row.check();
        if let Some((first, deeper)) = self.0.split_first_mut() {
            // The sizes are constants here, so the divisions are cheap: there are four of them per row.
            apply(first, FIRST / PARTS, row, check, 1);
            for level in deeper.iter_mut().take(row.level()) {
                apply(level, LEVEL_CELLS / PARTS, row, check, 1);
            }
        }
    }

    /// Adds all rows of another sketch, for the union of two parts of a table.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            mine.combine(theirs, 1);
        }
    }

    /// The rows in which `after` differs from `self`.
    pub fn difference(&self, after: &Self) -> SketchDifference<K> {
        let mut cells = after.clone();
        for (cell, before) in cells.0.iter_mut().flatten().zip(self.0.iter().flatten()) {
            cell.combine(before, -1);
        }
        for (depth, level) in cells.0.iter_mut().enumerate() {
            if let Some(mut difference) = peel(level) {
                difference.sampling = Some(1 << (LEVEL_BITS as usize * depth));
                return difference;
            }
        }
        SketchDifference::default()
    }
}

/// Adds a row to one cell in each part. The check value selects the cells.
#[inline]
fn apply<const K: usize>(
    level: &mut [Cell<K>],
    cells_per_part: usize,
    row: &SketchRow<K>,
    check: u64,
    sign: i64,
) {
    for part in 0..PARTS {
        // Sixteen bits select the cell.
        let named = (check >> (16 * part) & 0xFFFF) as usize % cells_per_part;
        level[part * cells_per_part + named].add(row, check, sign);
    }
}

/// Removes single rows until nothing is left; `None` if something remains.
fn peel<const K: usize>(level: &mut [Cell<K>]) -> Option<SketchDifference<K>> {
    let mut difference = SketchDifference::default();
    while let Some((row, sign)) = level.iter().find_map(Cell::single) {
        apply(level, level.len() / PARTS, &row, row.check(), -sign);
        let rows = if sign > 0 { &mut difference.added } else { &mut difference.removed };
        rows.push(row);
        // A cell can look single by accident of its check value, which would loop for ever.
        if difference.added.len() + difference.removed.len() > level.len() {
            return None;
        }
    }
    level.iter().all(Cell::is_empty).then_some(difference)
}

/// As text: the position (two bytes) and content of each non-empty cell, in base64.
impl<const K: usize, const FIRST: usize> From<Sketch<K, FIRST>> for String {
    fn from(sketch: Sketch<K, FIRST>) -> Self {
        let mut bytes = Vec::new();
        for (position, cell) in (0_u16..).zip(sketch.0.iter().flatten()) {
            if !cell.is_empty() {
                bytes.extend(position.to_le_bytes());
                cell.write_to(&mut bytes);
            }
        }
        BASE64.encode(bytes)
    }
}

impl<const K: usize, const FIRST: usize> TryFrom<String> for Sketch<K, FIRST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let bytes = BASE64.decode(text).map_err(|error| format!("the sketch is not base64: {error}"))?;
        let mut sketch = Self::default();
        let entries = bytes.chunks_exact(Cell::<K>::BYTES + 2);
        if !entries.remainder().is_empty() {
            return Err(format!("the sketch has {} bytes too many", entries.remainder().len()));
        }
        for entry in entries {
            let position = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
            let cell = sketch.0.iter_mut().flatten().nth(position);
            let cell = cell.ok_or_else(|| format!("the sketch has no cell {position}"))?;
            *cell = Cell::read_from(&entry[2..]).ok_or("a cell of the sketch is cut short")?;
        }
        Ok(sketch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(key: u64, content: u64) -> SketchRow {
        let mut bytes = [0; KEY_BYTES];
        bytes[..8].copy_from_slice(&key.to_be_bytes());
        SketchRow { key: bytes, digest: xxhash_rust::xxh3::xxh3_128(&content.to_le_bytes()) }
    }

    fn sketch_of(rows: impl IntoIterator<Item = (u64, u64)>) -> Sketch {
        let mut sketch = Sketch::default();
        rows.into_iter().for_each(|(key, content)| sketch.add(&row(key, content)));
        sketch
    }

    fn sorted(mut rows: Vec<SketchRow>) -> Vec<SketchRow> {
        rows.sort_by_key(|row| (row.key, row.digest));
        rows
    }

    proptest! {
        #[test]
        fn what_is_found_is_so_and_all_of_it_when_it_says_so(
            gone in proptest::collection::btree_set(0_u64..3_000, 0..20),
            changed in proptest::collection::btree_set(3_000_u64..6_000, 0..15),
            new in proptest::collection::btree_set(10_000_u64..20_000, 0..20),
        ) {
            let before = sketch_of((0..6_000).map(|key| (key, key)));
            let after = sketch_of(
                (0..6_000)
                    .filter(|key| !gone.contains(key))
                    .map(|key| (key, if changed.contains(&key) { key + 1 } else { key }))
                    .chain(new.iter().map(|key| (*key, *key))),
            );
            let difference = before.difference(&after);
            let removed = gone.iter().map(|k| row(*k, *k)).chain(changed.iter().map(|k| row(*k, *k)));
            let added = new.iter().map(|k| row(*k, *k)).chain(changed.iter().map(|k| row(*k, *k + 1)));
            let (removed, added) = (sorted(removed.collect()), sorted(added.collect()));
            prop_assert!(difference.removed.iter().all(|row| removed.contains(row)));
            prop_assert!(difference.added.iter().all(|row| added.contains(row)));
            if difference.sampling == Some(1) {
                prop_assert_eq!(sorted(difference.removed), removed);
                prop_assert_eq!(sorted(difference.added), added);
            }
        }

        #[test]
        fn parts_merge_to_the_whole_and_text_keeps_it(cut in 0_u64..500) {
            let whole = sketch_of((0..500).map(|key| (key, key)));
            let mut parts = sketch_of((0..cut).map(|key| (key, key)));
            parts.merge(&sketch_of((cut..500).map(|key| (key, key))));
            prop_assert_eq!(&parts, &whole);
            prop_assert_eq!(Sketch::try_from(String::from(parts)), Ok(whole));
        }

        #[test]
        fn foreign_text_never_panics(text in "[A-Za-z0-9+/=]{0,400}") {
            let _ = Sketch::<32>::try_from(text);
        }
    }

    #[test]
    fn many_differences_give_a_sample_and_an_estimate() {
        let before = sketch_of((0..40_000).map(|key| (key, key)));
        let after = sketch_of((0..40_000).map(|key| (key, key + u64::from(key % 2 == 0))));
        let difference = before.difference(&after);
        let sampling = difference.sampling.expect("a level can be read");
        assert!(sampling > 1);
        assert!(difference.removed.iter().all(|found| (0..40_000).step_by(2).any(|k| *found == row(k, k))));
        let estimate = difference.removed.len() as u64 * sampling;
        assert!((10_000..40_000).contains(&estimate), "{estimate} for 20000");
    }

    #[test]
    fn fifty_differences_are_nearly_always_all_found() {
        let complete = (0_u64..1_000)
            .map(|trial| sketch_of([]).difference(&sketch_of((0..50).map(|key| (trial << 32 | key, key)))))
            .filter(|difference| difference.sampling == Some(1) && difference.added.len() == 50)
            .count();
        assert!(complete >= 995, "{complete} of 1000");
    }

    #[test]
    fn a_row_that_stands_twice_is_found() {
        let difference = sketch_of([(1, 1), (2, 2)]).difference(&sketch_of([(1, 1), (2, 2), (2, 2)]));
        assert_eq!((difference.added, difference.removed.len()), (vec![row(2, 2)], 0));
    }

    #[test]
    fn equal_sketches_differ_in_nothing() {
        let sketch = sketch_of((0..100).map(|key| (key, key)));
        assert_eq!(sketch.difference(&sketch), SketchDifference { sampling: Some(1), ..Default::default() });
    }
}
