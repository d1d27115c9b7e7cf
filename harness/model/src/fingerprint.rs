//! The order-independent digest of a table's logical content.

use comeback_digest::hex128;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use super::row_key::{encode_key, hashed_key, split_field};
use super::{KEY_BYTES, Sketch, SketchRow};

/// The fingerprint of a table: equal for equal sets of rows, whatever their order and place on disk.
///
/// The digest is the sum of the rows' 128-bit xxh3 hashes. It detects accidents, not forgeries: with chosen content
/// a collision can be constructed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableFingerprint {
    /// The number of rows.
    pub rows: u64,
    /// The sum of the rows' digests, modulo 2¹²⁸.
    #[serde(with = "hex128")]
    pub digest: u128,
    /// The columns, the key's first. Each has its type and a digest that is bound to the row's key.
    pub columns: Vec<ColumnFingerprint>,
    /// How many of the columns, from the first, form the key; 0 if the table has no key.
    pub key_columns: usize,
    /// Which rows were read, as an SQL condition that begins with `WHERE`; `None` for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The sketch from which the differing rows are read.
    pub sketch: Sketch,
}

/// A column's part in a fingerprint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnFingerprint {
    /// The column's name.
    pub name: String,
    /// The type that its bytes were sent as, such as `int8`.
    pub type_name: String,
    /// The sum of the digests of the column's values, each with its row's key, modulo 2⁶⁴.
    pub digest: u64,
    /// The position in the table, from 1. `None` in manifests of versions that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u16>,
    /// Whether the column is inherited from another table: a dump puts such columns first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
}

impl TableFingerprint {
    /// The fingerprint of no rows. The key's columns come first.
    pub fn new(columns: impl IntoIterator<Item = ColumnFingerprint>, key_columns: usize) -> Self {
        Self { columns: columns.into_iter().collect(), key_columns, ..Self::default() }
    }

    /// Adds one row, as the bytes that follow the field count in a binary `COPY` stream: for each column a length
    /// (−1 for NULL) and that many bytes. Returns false if the bytes do not have that form.
    pub fn add_row(&mut self, row: &[u8]) -> bool {
        let Some(key) = encode_key(row, self.key_columns) else { return false };
        let key_hash = xxh3_64(&key);
        let mut rest = row;
        let mut seed = key_hash;
        for column in &mut self.columns {
            let Some((field, after)) = split_field(rest) else { return false };
            // The length is part of the value: it distinguishes NULL from empty.
            let with_length = &rest[..4 + field.map_or(0, <[u8]>::len)];
            column.digest = column.digest.wrapping_add(xxh3_64_with_seed(with_length, seed));
            seed = seed.wrapping_add(1);
            rest = after;
        }
        if !rest.is_empty() {
            return false;
        }
        let digest = xxh3_128(row);
        self.rows += 1;
        self.digest = self.digest.wrapping_add(digest);
        let key = if self.key_columns == 0 { hashed_key(row) } else { key };
        self.sketch.add(&SketchRow { key, digest });
        true
    }

    /// Adds the rows of another part of the same table.
    pub fn merge(&mut self, part: &Self) {
        self.rows += part.rows;
        self.digest = self.digest.wrapping_add(part.digest);
        for (mine, theirs) in self.columns.iter_mut().zip(&part.columns) {
            mine.digest = mine.digest.wrapping_add(theirs.digest);
        }
        self.sketch.merge(&part.sketch);
    }

    /// Whether the rows are the same, as far as digests can show: the same values in the same columns.
    pub fn same_rows(&self, other: &Self) -> bool {
        self.same_columns(other) && self.rows == other.rows && self.digest == other.digest
    }

    /// Whether both have columns of the same names and types, read in the same order.
    pub fn same_columns(&self, other: &Self) -> bool {
        let same = |(one, other): (&ColumnFingerprint, &ColumnFingerprint)| {
            (&one.name, &one.type_name) == (&other.name, &other.type_name)
        };
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(same)
    }

    /// The columns in the order of the table; `None` if it was not recorded.
    fn in_order(&self) -> Option<Vec<&ColumnFingerprint>> {
        let mut columns: Vec<_> = self.columns.iter().collect();
        if columns.iter().any(|column| column.position.is_none()) {
            return None;
        }
        columns.sort_by_key(|column| column.position);
        Some(columns)
    }

    /// The columns as text, in the order of the table if known: `id int8, name text`.
    pub fn columns_text(&self) -> String {
        let columns = self.in_order().unwrap_or_else(|| self.columns.iter().collect());
        let texts = columns.iter().map(|column| format!("{} {}", column.name, column.type_name));
        texts.collect::<Vec<_>>().join(", ")
    }

    /// Whether the columns have the same order in a restored table, which has the same columns. For a manifest that
    /// did not record the order, only the order after the key is known.
    pub fn same_order(&self, restored: &Self) -> bool {
        let Some(there) = restored.in_order() else { return true };
        let known = match self.in_order() {
            Some(known) => known,
            None => self.columns.iter().skip(self.key_columns).collect(),
        };
        let is_known = |column: &ColumnFingerprint| known.iter().any(|one| one.name == column.name);
        let there = there.iter().filter(|column| is_known(column)).map(|column| &column.name);
        there.eq(known.iter().map(|column| &column.name))
    }

    /// Whether the order is the one that a dump gives to an inheriting table: inherited columns come first, then
    /// its own columns in their old order. PostgreSQL has no other way to create such a table.
    pub fn is_in_order_of_inheritance(&self, recorded: &Self) -> bool {
        let Some(there) = self.in_order() else { return false };
        let inherited = there.iter().take_while(|column| column.inherited).count();
        let own = &there[inherited..];
        let is_own = |column: &&&ColumnFingerprint| own.iter().any(|one| one.name == column.name);
        let order = recorded.in_order().unwrap_or_else(|| recorded.columns.iter().collect());
        let before = order.iter().filter(is_own).map(|column| &column.name);
        inherited > 0
            && own.iter().all(|column| !column.inherited)
            && before.eq(own.iter().map(|column| &column.name))
    }

    /// Whether this change alone explains the difference of a column in `other`: in the rows with these keys the
    /// value `before` became `after`, each given with its length.
    pub fn is_explained_by(
        &self,
        other: &Self,
        column: usize,
        keys: &[[u8; KEY_BYTES]],
        before: &[u8],
        after: &[u8],
    ) -> bool {
        let (Some(mine), Some(theirs)) = (self.columns.get(column), other.columns.get(column)) else {
            return false;
        };
        let digest = keys.iter().fold(mine.digest, |digest, key| {
            let seed = xxh3_64(key).wrapping_add(column as u64);
            digest.wrapping_sub(xxh3_64_with_seed(before, seed)).wrapping_add(xxh3_64_with_seed(after, seed))
        });
        !keys.is_empty() && digest == theirs.digest
    }

    /// The columns whose values differ, if both tables have the same columns.
    pub fn differing_columns(&self, other: &Self) -> Vec<&str> {
        self.columns
            .iter()
            .zip(&other.columns)
            .filter(|(mine, theirs)| mine.name == theirs.name && mine.digest != theirs.digest)
            .map(|(mine, _)| mine.name.as_str())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode_key;
    use proptest::prelude::*;

    fn encode(fields: &[Option<Vec<u8>>]) -> Vec<u8> {
        let mut row = Vec::new();
        for field in fields {
            match field {
                None => row.extend((-1_i32).to_be_bytes()),
                Some(bytes) => {
                    row.extend(i32::try_from(bytes.len()).expect("short").to_be_bytes());
                    row.extend(bytes);
                }
            }
        }
        row
    }

    fn of(rows: &[Vec<Option<Vec<u8>>>], key_columns: usize) -> TableFingerprint {
        let mut fingerprint = TableFingerprint::new(columns(["id", "a", "b"]), key_columns);
        for row in rows {
            assert!(fingerprint.add_row(&encode(row)));
        }
        fingerprint
    }

    /// Columns of type `bytea`, in this order.
    fn columns<const N: usize>(names: [&str; N]) -> Vec<ColumnFingerprint> {
        let column = |(at, name): (u16, &str)| ColumnFingerprint {
            name: name.to_owned(),
            type_name: "bytea".to_owned(),
            position: Some(at),
            ..Default::default()
        };
        (1..).zip(names).map(column).collect()
    }

    fn any_rows() -> impl Strategy<Value = Vec<Vec<Option<Vec<u8>>>>> {
        let field = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40));
        proptest::collection::vec(proptest::collection::vec(field, 3), 1..20)
    }

    proptest! {
        #[test]
        fn order_does_not_matter_and_content_does(rows in any_rows(), at: prop::sample::Index, bit in 0_u8..8) {
            let fingerprint = of(&rows, 1);
            let mut other = rows.clone();
            other.reverse();
            prop_assert_eq!(&of(&other, 1), &fingerprint);
            let damaged = at.index(other.len());
            match &mut other[damaged][2] {
                Some(bytes) if !bytes.is_empty() => bytes[0] ^= 1 << bit,
                empty => *empty = if empty.is_none() { Some(Vec::new()) } else { None },
            }
            let after = of(&other, 1);
            prop_assert!(!after.same_rows(&fingerprint));
            prop_assert_eq!(fingerprint.differing_columns(&after), vec!["b"]);
        }

        #[test]
        fn a_column_is_explained_by_what_was_done_and_by_nothing_else(rows in any_rows(), count in 1_usize..9) {
            let (null, empty) = ((-1_i32).to_be_bytes(), 0_i32.to_be_bytes());
            let (mut before, mut after) = (rows.clone(), rows);
            let count = count.min(before.len());
            for (row, now) in before.iter_mut().zip(&mut after).take(count) {
                (row[2], now[2]) = (None, Some(Vec::new()));
            }
            let keys: Vec<_> = before.iter().filter_map(|row| encode_key(&encode(row), 1)).collect();
            let (before, after) = (of(&before, 1), of(&after, 1));
            prop_assert!(before.is_explained_by(&after, 2, &keys[..count], &null, &empty));
            prop_assert!(after.is_explained_by(&before, 2, &keys[..count], &empty, &null));
            prop_assert!(!before.is_explained_by(&after, 2, &keys[..count - 1], &null, &empty));
            prop_assert!(!before.is_explained_by(&after, 2, &keys[..count], &empty, &null));
            prop_assert!(!before.is_explained_by(&after, 1, &keys[..count], &null, &empty));
        }

        #[test]
        fn parts_merge_to_the_whole(rows in any_rows(), at: prop::sample::Index) {
            let (left, right) = rows.split_at(at.index(rows.len()));
            let mut merged = of(left, 1);
            merged.merge(&of(right, 1));
            prop_assert_eq!(merged, of(&rows, 1));
        }

        #[test]
        fn a_short_key_comes_back_out_of_the_sketch(key in proptest::collection::vec(any::<u8>(), 0..31), rest in any_rows()) {
            let row = vec![Some(key.clone()), rest[0][1].clone(), rest[0][2].clone()];
            let difference = of(&[], 1).sketch.difference(&of(&[row], 1).sketch);
            prop_assert_eq!(decode_key(&difference.added[0].key, 1), Some(vec![key.as_slice()]));
        }

        #[test]
        fn a_key_is_kept_in_the_same_way_whatever_follows_it(
            key in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            rest in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let column = encode(std::slice::from_ref(&key));
            let bytes = key.unwrap_or_default();
            let kept = match u8::try_from(bytes.len()) {
                Ok(length) if bytes.len() < KEY_BYTES => {
                    let mut kept = [0; KEY_BYTES];
                    kept[0] = length;
                    kept[1..=bytes.len()].copy_from_slice(&bytes);
                    kept
                }
                _ => hashed_key(&column),
            };
            prop_assert_eq!(encode_key(&[column, rest].concat(), 1), Some(kept));
        }

        #[test]
        fn bytes_that_are_no_row_are_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut fingerprint = TableFingerprint::new(columns(["a"]), 1);
            let taken = fingerprint.add_row(&bytes);
            prop_assert_eq!(taken, fingerprint.rows == 1);
        }
    }

    #[test]
    fn values_swapped_between_rows_are_seen_in_their_column() {
        let cell = |text: &str| Some(text.as_bytes().to_vec());
        let before = of(&[vec![cell("1"), cell("x"), cell("p")], vec![cell("2"), cell("y"), cell("p")]], 1);
        let after = of(&[vec![cell("1"), cell("y"), cell("p")], vec![cell("2"), cell("x"), cell("p")]], 1);
        assert!(!after.same_rows(&before));
        assert_eq!(before.differing_columns(&after), ["a"]);
    }

    #[test]
    fn the_same_bytes_under_other_names_are_other_rows() {
        let row = encode(&[Some(b"1".to_vec()), Some(b"x".to_vec()), Some(b"y".to_vec())]);
        let with = |names: [&str; 3]| {
            let mut table = TableFingerprint::new(columns(names), 1);
            assert!(table.add_row(&row));
            table
        };
        let before = with(["id", "first", "last"]);
        assert!(before.same_rows(&with(["id", "first", "last"])));
        assert!(!before.same_rows(&with(["id", "last", "first"])));
        let mut other = before.clone();
        other.columns[2].type_name = "text".to_owned();
        assert!(!before.same_rows(&other));
    }

    #[test]
    fn the_order_of_columns_is_a_matter_of_its_own() {
        let with = |names: [&str; 3], places: [u16; 3]| {
            let mut table = TableFingerprint::new(columns(names), 1);
            table.columns.iter_mut().zip(places).for_each(|(column, at)| column.position = Some(at));
            table
        };
        let before = with(["id", "a", "b"], [1, 2, 3]);
        assert!(before.same_order(&with(["id", "a", "b"], [1, 2, 3])));
        let mut other = with(["id", "a", "b"], [1, 3, 2]);
        assert!(before.same_rows(&other) && !before.same_order(&other));
        assert_eq!(other.columns_text(), "id bytea, b bytea, a bytea");
        assert!(!other.is_in_order_of_inheritance(&before));
        // The table inherits `id` and `b`; `b` was added to the parent when `a` already existed.
        other.columns.iter_mut().for_each(|column| column.inherited = column.name != "a");
        assert!(other.is_in_order_of_inheritance(&before));
        // A manifest without positions knows the order after the key.
        let mut old = before.clone();
        old.columns.iter_mut().for_each(|column| column.position = None);
        assert!(!old.same_order(&other) && old.same_order(&with(["id", "a", "b"], [3, 1, 2])));
    }

    #[test]
    fn a_table_of_an_older_manifest_reads() {
        let mut table = TableFingerprint::new(columns(["a"]), 1);
        table.columns[0].position = None;
        let text = serde_json::to_string(&table).unwrap();
        assert!(!text.contains("position") && !text.contains("inherited") && !text.contains("condition"));
        assert_eq!(serde_json::from_str::<TableFingerprint>(&text).unwrap(), table);
    }
}
