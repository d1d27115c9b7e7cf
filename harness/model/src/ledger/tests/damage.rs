//! Each way in which a write can be wrong is told apart from the others.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::cases::{World, cases};
use super::reference::replay;
use crate::ledger::{
    Change, DiscrepancyKind, Expectation, ObservedRow, ObservedWrites, Operation, Presence, Reach,
    Transaction,
};

/// A world whose recovery reached its target, with the restored content.
struct Recovered {
    world: World,
    expectation: Expectation,
    content: ObservedWrites,
}

/// Created once for all tests.
static RECOVERED: LazyLock<Vec<Recovered>> = LazyLock::new(recovered);

fn recovered() -> Vec<Recovered> {
    let mut runner = TestRunner::deterministic();
    let strategy = cases();
    let worlds = (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current().world());
    worlds
        .filter(|world| world.exact)
        .filter_map(|world| {
            let replayed = replay(&world.history.wal, &world.target, &world.replay);
            let content = replayed.content(&world.history);
            let expectation = world.expectation();
            (replayed.reach == Some(Reach::Reached)).then_some(Recovered { world, expectation, content })
        })
        .collect()
}

impl Recovered {
    /// The transactions that must be there, each with its rows that are there.
    fn there(&self) -> impl Iterator<Item = (&Transaction, Vec<&ObservedRow>)> {
        self.world.ledger.transactions.iter().filter_map(|transaction| {
            let rows: Vec<_> =
                self.content.rows.iter().filter(|row| row.number == transaction.number).collect();
            let must = self.expectation.of(transaction.number) == Presence::MustBeThere;
            (must && !rows.is_empty()).then_some((transaction, rows))
        })
    }

    fn found(&self, content: &ObservedWrites) -> Vec<(DiscrepancyKind, u64)> {
        let found = self.world.ledger.compare(&self.expectation, content).discrepancies;
        found.iter().map(|one| (one.kind, one.number)).collect()
    }

    fn without(&self, gone: &[&ObservedRow]) -> ObservedWrites {
        let mut content = self.content.clone();
        content.rows.retain(|row| !gone.contains(&row));
        content
    }
}

#[test]
fn a_transaction_that_is_gone_is_lost() {
    let mut cases = 0;
    for recovered in &*RECOVERED {
        let whole = recovered.there().find(|(transaction, rows)| rows.len() == transaction.effects().count());
        let Some((transaction, rows)) = whole else { continue };
        let found = recovered.found(&recovered.without(&rows));
        assert_eq!(found, vec![(DiscrepancyKind::Lost, transaction.number); rows.len()]);
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
}

#[test]
fn half_a_transaction_is_torn() {
    let mut cases = 0;
    for recovered in &*RECOVERED {
        let Some((transaction, rows)) = recovered.there().find(|(_, rows)| rows.len() > 1) else { continue };
        let found = recovered.found(&recovered.without(&rows[..1]));
        assert_eq!(found, [(DiscrepancyKind::Torn, transaction.number)]);
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
}

#[test]
fn a_row_as_it_was_before_is_resurrected() {
    let mut cases = 0;
    for recovered in &*RECOVERED {
        let must = |one: &&Transaction| recovered.expectation.of(one.number) == Presence::MustBeThere;
        let mut chains: BTreeMap<i64, Vec<(&Transaction, &Operation)>> = BTreeMap::new();
        for transaction in recovered.world.ledger.transactions.iter().filter(must) {
            for operation in transaction.effects() {
                chains.entry(operation.key).or_default().push((transaction, operation));
            }
        }
        let victim = chains.values_mut().find_map(|chain| {
            chain.sort_by_key(|(_, operation)| operation.sequence);
            let [.., (earlier, before), (last, _)] = chain[..] else { return None };
            let value = before.change.value()?.to_owned();
            let row = ObservedRow { key: before.key, number: earlier.number, op: before.op, value };
            (last.effects().count() == 1).then_some((last.number, row))
        });
        let Some((number, row)) = victim else { continue };
        let mut content = recovered.content.clone();
        content.rows.retain(|other| other.key != row.key);
        content.rows.push(row);
        assert_eq!(recovered.found(&content), [(DiscrepancyKind::Resurrected, number)]);
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
}

#[test]
fn a_write_that_must_not_be_there_is_a_phantom() {
    let mut cases = 0;
    for recovered in &*RECOVERED {
        let not = |one: &&Transaction| {
            let wrote = one.operations.iter().any(|operation| operation.change != Change::Delete);
            wrote && recovered.expectation.of(one.number) == Presence::MustNotBeThere
        };
        let Some(transaction) = recovered.world.ledger.transactions.iter().find(not) else { continue };
        let wrote = |operation: &&Operation| operation.change != Change::Delete;
        let operation = transaction.operations.iter().find(wrote).unwrap();
        let value = operation.change.value().unwrap().to_owned();
        let number = transaction.number;
        let row = ObservedRow { key: operation.key, number, op: operation.op, value };
        let mut content = recovered.content.clone();
        content.rows.retain(|other| other.key != row.key);
        content.rows.push(row);
        assert_eq!(recovered.found(&content), [(DiscrepancyKind::Phantom, number)]);
        cases += 1;
    }
    assert!(cases > 10, "{cases}");
}

#[test]
fn a_value_that_is_not_what_its_mark_says_is_torn() {
    for recovered in &*RECOVERED {
        let mut content = recovered.content.clone();
        let Some(row) = content.rows.first_mut() else { continue };
        row.value.push('!');
        let number = row.number;
        assert_eq!(recovered.found(&content), [(DiscrepancyKind::Torn, number)]);
    }
}

#[test]
fn a_row_that_stands_twice_and_a_preparation_that_is_gone_are_found() {
    let mut cases = 0;
    for recovered in &*RECOVERED {
        let mut content = recovered.content.clone();
        if let Some(row) = content.rows.first().cloned() {
            let number = row.number;
            content.rows.push(row);
            assert_eq!(recovered.found(&content), [(DiscrepancyKind::Phantom, number)]);
        }
        let mut content = recovered.content.clone();
        if let Some(number) = content.prepared.pop_first() {
            assert_eq!(recovered.found(&content), [(DiscrepancyKind::Lost, number)]);
            cases += 1;
        }
    }
    assert!(cases > 10, "{cases}");
}
