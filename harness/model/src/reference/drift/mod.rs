//! Compares the figures of two restores. Ordinary growth is no finding.

use std::collections::BTreeMap;

use super::{ColumnProfile, DatabaseProfile, TableProfile};
use crate::{Finding, FindingCode};

mod count;

pub(super) use count::{Counted, count, slack};

/// How far figures may move before it is a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// The part of its rows that a table may lose: 0.2 for a fifth.
    pub shrink: f64,
    /// How many times its rows a table may have.
    pub growth: f64,
    /// How far the share of NULLs may move: 0.1 for ten points of a hundred.
    pub nulls: f64,
    /// How many times more or fewer distinct values there may be than rows let expect.
    pub distinct: f64,
}

impl Default for Tolerance {
    /// For backups that are some weeks apart at most.
    fn default() -> Self {
        Self { shrink: 0.2, growth: 10.0, nulls: 0.1, distinct: 2.0 }
    }
}

/// Fewest rows of a table whose columns are compared: shares of fewer rows say nothing.
pub(super) const FEWEST_ROWS: u64 = 20;

/// What two restores differ in.
#[derive(Debug, Default)]
pub struct Drift {
    /// What is off.
    pub findings: Vec<Finding>,
    /// How many tables and columns were compared.
    pub tables: usize,
    /// How many columns were compared.
    pub columns: usize,
}

impl Drift {
    /// Compares the figures of a table with later ones.
    pub fn add(&mut self, name: &str, before: &TableProfile, after: &TableProfile, tolerance: &Tolerance) {
        self.tables += 1;
        let finding = count(name, before.rows, after.rows, Counted::ROWS, tolerance);
        // A table that lost rows has other shares as well: one cause, one finding.
        if let Some(finding) = finding {
            self.findings.push(finding);
            return;
        }
        for (column, before_it) in &before.columns {
            let Some(after_it) = after.columns.get(column) else { continue };
            if before.rows.min(after.rows) < FEWEST_ROWS {
                continue;
            }
            self.columns += 1;
            let subject = format!("{name}.{column}");
            let rows = (before.rows, after.rows);
            self.findings.extend(nulls(&subject, rows, before_it, after_it, tolerance));
            self.findings.extend(distinct(&subject, rows, before_it, after_it, tolerance));
        }
    }
}

impl DatabaseProfile {
    /// Compares the figures of a later restore with these. A partition that is gone is no finding by itself: its
    /// rows count for the partitioned table. Tables that are gone are the catalogue's matter.
    pub fn drift(&self, later: &Self, tolerance: &Tolerance) -> Drift {
        let mut drift = Drift::default();
        let (before, after) = (self.whole_tables(), later.whole_tables());
        for (name, before) in &before {
            // A table that is gone, or a view that nobody filled, has another definition.
            let Some(after) = after.get(name) else { continue };
            drift.add(name, before, after, tolerance);
        }
        drift
    }

    /// Whether a table was a partition of one that is still there later.
    pub fn was_part_of_what_stays(&self, table: &str, later: &Self) -> bool {
        let root = self.tables.get(table).and_then(|table| table.partition_of.as_ref());
        root.is_some_and(|root| later.defines(root))
    }

    fn defines(&self, name: &str) -> bool {
        self.catalogue.objects.get("table").is_some_and(|objects| objects.contains_key(name))
    }

    /// The tables, with partitions added up under the name of their partitioned table.
    fn whole_tables(&self) -> BTreeMap<String, TableProfile> {
        let mut whole = BTreeMap::<String, TableProfile>::new();
        for (name, table) in &self.tables {
            let Some(root) = &table.partition_of else {
                whole.insert(name.clone(), table.clone());
                continue;
            };
            let sum = whole.entry(root.clone()).or_default();
            sum.rows += table.rows;
            sum.bytes += table.bytes;
            for (column, profile) in &table.columns {
                sum.columns.entry(column.clone()).or_default().nulls += profile.nulls;
            }
        }
        whole
    }
}

fn nulls(
    subject: &str,
    (rows_before, rows_after): (u64, u64),
    before: &ColumnProfile,
    after: &ColumnProfile,
    tolerance: &Tolerance,
) -> Option<Finding> {
    let share = |column: &ColumnProfile, rows: u64| column.nulls as f64 / rows as f64;
    let (was, is) = (share(before, rows_before), share(after, rows_after));
    // Chance moves the share of a small table; ten points are four standard deviations of 400 rows.
    let chance = 2.0 / (rows_before.min(rows_after) as f64).sqrt();
    let percent = |share: f64| format!("{:.0} % NULL", share * 100.0);
    ((was - is).abs() > tolerance.nulls.max(chance)).then(|| {
        Finding::new(FindingCode::ValuesDiffer, subject, format!("about {}", percent(was)), percent(is))
            .remedy("find out what emptied or filled the column; if it was meant, accept it in the reference")
    })
}

fn distinct(
    subject: &str,
    (rows_before, rows_after): (u64, u64),
    before: &ColumnProfile,
    after: &ColumnProfile,
    tolerance: &Tolerance,
) -> Option<Finding> {
    let (was, is) = (before.distinct? as f64, after.distinct? as f64);
    let filled_before = rows_before.saturating_sub(before.nulls);
    let filled_after = rows_after.saturating_sub(after.nulls);
    if filled_before.min(filled_after) < FEWEST_ROWS {
        return None;
    }
    let ratio = filled_after as f64 / filled_before as f64;
    // A key has as many values as rows, a status has as many as ever: all between the two is ordinary.
    let fewest = was * ratio.min(1.0) / tolerance.distinct;
    let most = was * ratio.max(1.0) * tolerance.distinct + slack(was) + 10.0;
    (is < fewest || is > most).then(|| {
        let text = format!("about {was:.0} different values in {rows_before} rows");
        Finding::new(FindingCode::ValuesDiffer, subject, text, format!("{is:.0} in {rows_after} rows"))
            .remedy("find out what overwrote the column; if it was meant, accept it in the reference")
    })
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "the figures of the tests are small and positive"
)]
mod tests;
