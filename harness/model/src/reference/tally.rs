//! Counts what a profile holds of a table, row by row.

use super::{ColumnProfile, DistinctSketch, TableProfile};
use crate::row_key::split_field;

/// The figures of a table while its rows are read.
#[derive(Debug, Clone)]
pub struct TableTally {
    names: Vec<String>,
    rows: u64,
    columns: Vec<(u64, DistinctSketch)>,
}

impl TableTally {
    /// Before the first row of a table with these columns.
    pub fn new(names: Vec<String>) -> Self {
        let columns = vec![(0, DistinctSketch::default()); names.len()];
        Self { names, rows: 0, columns }
    }

    /// Adds one row, as the bytes that follow the field count in a binary `COPY` stream: for each column a length
    /// (−1 for NULL) and that many bytes. Returns false if the bytes do not have that form.
    pub fn add_row(&mut self, row: &[u8]) -> bool {
        let mut rest = row;
        for (nulls, distinct) in &mut self.columns {
            let Some((field, after)) = split_field(rest) else { return false };
            match field {
                None => *nulls += 1,
                Some(value) => distinct.add(value),
            }
            rest = after;
        }
        self.rows += 1;
        rest.is_empty()
    }

    /// The figures of the table.
    pub fn profile(self, bytes: u64, partition_of: Option<String>) -> TableProfile {
        let Self { names, rows, columns } = self;
        let profile = |(nulls, distinct): (u64, DistinctSketch)| ColumnProfile {
            nulls,
            distinct: Some(distinct.estimate()),
        };
        let columns = names.into_iter().zip(columns.into_iter().map(profile)).collect();
        TableProfile { rows, bytes, partition_of, columns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_and_distinct_values_are_counted() {
        let mut tally = TableTally::new(vec!["a".to_owned(), "b".to_owned()]);
        let field = |value: Option<&[u8]>| match value {
            None => (-1_i32).to_be_bytes().to_vec(),
            Some(bytes) => [&i32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat(),
        };
        for (a, b) in [(Some(&b"x"[..]), None), (Some(b"y"), None), (Some(b"x"), Some(&b""[..]))] {
            assert!(tally.add_row(&[field(a), field(b)].concat()));
        }
        assert!(!tally.add_row(&field(Some(b"x"))) && !tally.clone().add_row(b"junk"));
        let profile = tally.profile(8, None);
        assert_eq!((profile.rows, profile.bytes), (3, 8));
        assert_eq!(profile.columns["a"], ColumnProfile { nulls: 0, distinct: Some(2) });
        assert_eq!(profile.columns["b"], ColumnProfile { nulls: 2, distinct: Some(1) });
    }
}
