//! Compares the rows that are there with the ledger.
//!
//! Every row carries the number of the transaction and of the operation that wrote it. The operations on a row form
//! a chain in commit order, and the row's content shows its place in the chain.
//!
//! Not detected: damage to columns that the workload does not have, and to rows of other tables.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Expectation, Ledger, Operation, Presence};

/// A row in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedRow {
    /// Its key.
    pub key: i64,
    /// The transaction that wrote it, according to the row.
    pub number: u64,
    /// The operation of that transaction.
    pub op: u32,
    /// Its value.
    pub value: String,
}

/// Everything of one workload in a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedWrites {
    /// The rows.
    pub rows: Vec<ObservedRow>,
    /// The transactions that are prepared, by their number.
    pub prepared: BTreeSet<u64>,
}

/// How a write differs from what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiscrepancyKind {
    /// It must be there, and is missing.
    Lost,
    /// It must not be there, and is there.
    Phantom,
    /// A row that was deleted is back, or has the value from before an update.
    Resurrected,
    /// It is missing, but another write of the same transaction is there; or a row is a mixture of two writes.
    Torn,
}

/// One write that differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// How it differs.
    pub kind: DiscrepancyKind,
    /// The number of the transaction.
    pub number: u64,
    /// The row; `None` for a prepared transaction.
    pub key: Option<i64>,
    /// The expected state.
    pub expected: String,
    /// The actual state.
    pub actual: String,
}

/// The result of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The discrepancies, by transaction and row.
    pub discrepancies: Vec<Discrepancy>,
    /// Acknowledged transactions whose writes are missing, whether they should be there or not: the loss.
    pub missing: BTreeSet<u64>,
}

impl Discrepancy {
    /// The name of the write in reports: `txn=17, key=42`.
    pub fn name(&self) -> String {
        write_name(self.number, self.key)
    }
}

/// The name of a write in reports: `txn=17, key=42`.
pub fn write_name(number: u64, key: Option<i64>) -> String {
    key.map_or_else(|| format!("txn={number}"), |key| format!("txn={number}, key={key}"))
}

impl Ledger {
    /// Compares what is there with what was expected.
    pub fn compare(&self, expectation: &Expectation, observed: &ObservedWrites) -> Comparison {
        let mut chains = self.chains(expectation);
        let mut duplicates = Vec::new();
        for row in &observed.rows {
            let chain = chains.entry(row.key).or_default();
            match chain.observed {
                None => chain.observed = Some(row),
                Some(_) => duplicates.push(row),
            }
        }
        let readings: Vec<_> = chains.iter().map(|(key, chain)| chain.read(*key)).collect();
        let rows: BTreeSet<u64> = readings.iter().filter_map(|reading| reading.shows).collect();
        let deletions = readings.iter().filter_map(|reading| reading.shows_deletion);
        let any: BTreeSet<u64> = rows.iter().copied().chain(deletions).collect();
        let mut discrepancies: Vec<_> =
            readings.iter().filter_map(|reading| reading.discrepancy(&rows)).collect();
        discrepancies.extend(readings.iter().flat_map(|reading| reading.halves(&any)));
        discrepancies.extend(duplicates.into_iter().map(|row| Discrepancy {
            kind: DiscrepancyKind::Phantom,
            number: row.number,
            key: Some(row.key),
            expected: "the row once".to_owned(),
            actual: format!("another one, written by transaction {}", row.number),
        }));
        discrepancies.extend(compare_prepared(expectation, observed));
        discrepancies.sort_by_key(|one| (one.number, one.key, one.kind));
        Comparison { discrepancies, missing: self.missing(expectation, &readings) }
    }

    /// The operations on each row that can have been committed, in commit order.
    fn chains<'a>(&'a self, expectation: &Expectation) -> BTreeMap<i64, Chain<'a>> {
        let mut chains: BTreeMap<i64, Chain<'a>> = BTreeMap::new();
        for transaction in self.transactions.iter().filter(|transaction| transaction.asked_to_commit()) {
            let presence = expectation.of(transaction.number);
            for operation in transaction.effects() {
                let link = Link { number: transaction.number, operation, presence };
                chains.entry(operation.key).or_default().links.push(link);
            }
        }
        for chain in chains.values_mut() {
            chain.links.sort_by_key(|link| link.operation.sequence);
        }
        chains
    }

    fn missing(&self, expectation: &Expectation, readings: &[Reading<'_>]) -> BTreeSet<u64> {
        let mut missing: BTreeSet<u64> =
            readings.iter().flat_map(|reading| reading.absent.iter().copied()).collect();
        missing.extend(
            self.transactions
                .iter()
                .filter(|one| one.operations.is_empty())
                .map(|one| one.number)
                .filter(|number| expectation.of(*number) == Presence::MustNotBeThere),
        );
        missing.retain(|number| self.transaction(*number).is_some_and(|one| one.acknowledged_ms().is_some()));
        missing
    }
}

fn compare_prepared(expectation: &Expectation, observed: &ObservedWrites) -> Vec<Discrepancy> {
    let wrong = |number: u64, kind, expected: &str, actual: &str| Discrepancy {
        kind,
        number,
        key: None,
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    };
    let must = |number: &u64| expectation.prepared.get(number).copied();
    let numbers: BTreeSet<_> = expectation.prepared.keys().chain(&observed.prepared).copied().collect();
    let judged = numbers.into_iter().filter_map(|number| {
        let there = observed.prepared.contains(&number);
        match must(&number).unwrap_or(Presence::MustNotBeThere) {
            Presence::MustBeThere if !there => {
                Some(wrong(number, DiscrepancyKind::Lost, "a prepared transaction", "no such transaction"))
            }
            Presence::MustNotBeThere if there => {
                Some(wrong(number, DiscrepancyKind::Phantom, "no such transaction", "a prepared transaction"))
            }
            _ => None,
        }
    });
    judged.collect()
}

struct Link<'a> {
    number: u64,
    operation: &'a Operation,
    presence: Presence,
}

/// The operations on one row, and its observed state.
#[derive(Default)]
struct Chain<'a> {
    links: Vec<Link<'a>>,
    observed: Option<&'a ObservedRow>,
}

/// The conclusions from the state of one row.
struct Reading<'a> {
    key: i64,
    /// The transaction that wrote the observed row.
    shows: Option<u64>,
    /// The transaction that deleted the row, if all others that must be there are.
    shows_deletion: Option<u64>,
    /// Transactions that may be there and are certainly missing on this row.
    lacks: Vec<u64>,
    /// The transactions whose writes are missing: those further along the chain.
    absent: Vec<u64>,
    fault: Option<Fault<'a>>,
    observed: Option<&'a ObservedRow>,
}

enum Fault<'a> {
    /// The row was never written with these values, or by a transaction that must not be there.
    Foreign,
    /// The row names its writer, and does not have the value that it wrote.
    Mixed { link: &'a Link<'a> },
    /// The last write that must be there is not visible. If a transaction that must not be there deletes the row,
    /// that may be the reason.
    Behind { link: &'a Link<'a>, deleted_by: Option<u64> },
}

impl<'a> Chain<'a> {
    /// The places in the chain at which a row looks like this: 0 is before the first link.
    fn candidates(&self) -> Vec<usize> {
        let matches = |link: &Link<'_>| match self.observed {
            None => link.operation.change == Change::Delete,
            Some(row) => (link.number, link.operation.op) == (row.number, row.op),
        };
        let start = self.observed.is_none().then_some(0);
        start
            .into_iter()
            .chain((1..=self.links.len()).filter(|place| matches(&self.links[place - 1])))
            .collect()
    }

    fn presence(&self, place: usize) -> Presence {
        place.checked_sub(1).map_or(Presence::MustBeThere, |at| self.links[at].presence)
    }

    /// Whether the row may be at this place: its last write may be there, and no write that must be there is
    /// missing.
    fn allowed(&self, place: usize) -> bool {
        self.presence(place) != Presence::MustNotBeThere
            && self.links[place..].iter().all(|link| link.presence != Presence::MustBeThere)
    }

    fn read(&'a self, key: i64) -> Reading<'a> {
        let candidates = self.candidates();
        let allowed: Vec<_> = candidates.iter().copied().filter(|place| self.allowed(*place)).collect();
        let plausible = candidates
            .iter()
            .copied()
            .filter(|place| self.presence(*place) != Presence::MustNotBeThere)
            .max();
        let place = allowed.last().copied().or(plausible).or(candidates.last().copied());
        let mut reading = Reading::new(key, self.observed);
        let Some(place) = place else {
            // No transaction in the ledger wrote this row, so its expected state is unknown.
            reading.fault = self.observed.map(|_| Fault::Foreign);
            return reading;
        };
        let link = place.checked_sub(1).map(|at| &self.links[at]);
        let (number, beyond) = (link.map(|link| link.number), &self.links[place..]);
        reading.shows = number.filter(|_| self.observed.is_some());
        // If the row is absent, several places look alike: it is evidence for none of them.
        if self.observed.is_some() || allowed.len() == 1 {
            reading.shows_deletion = number.filter(|_| self.observed.is_none());
            let open = beyond.iter().filter(|link| link.presence == Presence::MayBeThere);
            reading.lacks = open.map(|link| link.number).collect();
        }
        reading.absent = beyond.iter().map(|link| link.number).collect();
        reading.fault = if allowed.is_empty() { Some(self.fault(place)) } else { self.mixed(link) };
        reading
    }

    fn mixed(&self, link: Option<&'a Link<'a>>) -> Option<Fault<'a>> {
        let (row, link) = (self.observed?, link?);
        (link.operation.change.value() != Some(&*row.value)).then_some(Fault::Mixed { link })
    }

    /// What is wrong if the row is at a forbidden place.
    fn fault(&'a self, place: usize) -> Fault<'a> {
        let due = self.links[place..].iter().rfind(|link| link.presence == Presence::MustBeThere);
        let Some(link) = due.filter(|_| self.presence(place) != Presence::MustNotBeThere) else {
            return Fault::Foreign;
        };
        let deletes = |link: &&Link<'_>| {
            link.presence == Presence::MustNotBeThere && link.operation.change == Change::Delete
        };
        let deleted_by = self.observed.is_none().then(|| self.links.iter().rfind(deletes)).flatten();
        Fault::Behind { link, deleted_by: deleted_by.map(|link| link.number) }
    }
}

impl<'a> Reading<'a> {
    fn new(key: i64, observed: Option<&'a ObservedRow>) -> Self {
        let (shows, shows_deletion, fault) = (None, None, None);
        Self { key, shows, shows_deletion, lacks: Vec::new(), absent: Vec::new(), fault, observed }
    }

    /// Transactions that may be there as a whole, and are there in part. `evidence` are the transactions seen in
    /// any row.
    fn halves(&self, evidence: &BTreeSet<u64>) -> Vec<Discrepancy> {
        let torn = self.lacks.iter().filter(|number| evidence.contains(number));
        torn.map(|number| Discrepancy {
            kind: DiscrepancyKind::Torn,
            number: *number,
            key: Some(self.key),
            expected: format!("all of transaction {number}, as other rows show it"),
            actual: self.sight(),
        })
        .collect()
    }

    fn sight(&self) -> String {
        self.observed.map_or_else(
            || "no such row".to_owned(),
            |row| format!("the row that transaction {} wrote in its operation {}", row.number, row.op),
        )
    }

    /// What is wrong with the row. `evidence` are the transactions whose rows are seen anywhere.
    fn discrepancy(&self, evidence: &BTreeSet<u64>) -> Option<Discrepancy> {
        let (kind, number, expected) = match self.fault.as_ref()? {
            Fault::Foreign => {
                let (number, op) = self.observed.map_or((0, 0), |row| (row.number, row.op));
                let expected = format!("nothing that transaction {number} wrote in its operation {op}");
                (DiscrepancyKind::Phantom, number, expected)
            }
            Fault::Mixed { link } => {
                (DiscrepancyKind::Torn, link.number, "the value that it wrote".to_owned())
            }
            Fault::Behind { deleted_by: Some(number), .. } if evidence.contains(number) => {
                (DiscrepancyKind::Phantom, *number, format!("nothing of transaction {number}"))
            }
            Fault::Behind { link, .. } => {
                let kind = if evidence.contains(&link.number) {
                    DiscrepancyKind::Torn
                } else if self.observed.is_some() {
                    DiscrepancyKind::Resurrected
                } else {
                    DiscrepancyKind::Lost
                };
                let operation = link.operation;
                let verb = operation.change.verb();
                let expected = format!(
                    "the row as transaction {} {verb} it in its operation {}",
                    link.number, operation.op
                );
                (kind, link.number, expected)
            }
        };
        Some(Discrepancy { kind, number, key: Some(self.key), expected, actual: self.sight() })
    }
}
