//! Judgements that are off by one are detected.

use jiff::SignedDuration;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use super::cases::{World, cases};
use crate::ledger::Expectation;
use crate::{Ledger, Lsn, RecoveryPoint};

/// A wrong judgement, as a change to the input of the right one.
type Mutant = fn(&World) -> Expectation;

fn with_point(world: &World, change: impl Fn(&RecoveryPoint) -> RecoveryPoint) -> Expectation {
    let mut target = world.target.clone();
    target.point = change(&target.point);
    world.ledger.expectation(&target, &world.replay)
}

fn with_log(world: &World, change: impl Fn(&mut Ledger)) -> Expectation {
    let mut ledger = world.ledger.clone();
    change(&mut ledger);
    ledger.expectation(&world.target, &world.replay)
}

fn shifted_time(world: &World, micros: i64) -> Expectation {
    with_point(world, |point| match point {
        RecoveryPoint::Time(time) => RecoveryPoint::Time(*time + SignedDuration::from_micros(micros)),
        other => other.clone(),
    })
}

fn shifted_lsn(world: &World, bytes: i64) -> Expectation {
    with_point(world, |point| match point {
        RecoveryPoint::Lsn(lsn) => RecoveryPoint::Lsn(Lsn(lsn.0.saturating_add_signed(bytes))),
        other => other.clone(),
    })
}

/// Limits the mutation to one kind of target, so that each is detected separately.
fn flipped(world: &World, kind: fn(&RecoveryPoint) -> bool) -> Expectation {
    let mut target = world.target.clone();
    target.inclusive ^= kind(&target.point);
    world.ledger.expectation(&target, &world.replay)
}

fn by_time_alone(world: &World) -> Expectation {
    with_log(world, |ledger| {
        // Moves each record to where its time would put it.
        for extract in &mut ledger.log {
            let mut places: Vec<_> =
                extract.records.iter().map(|record| (record.prev, record.lsn, record.end)).collect();
            places.sort_by_key(|place| place.1);
            extract.records.sort_by_key(|record| record.at);
            for (record, (prev, lsn, end)) in extract.records.iter_mut().zip(places) {
                (record.prev, record.lsn, record.end) = (prev, lsn, end);
            }
        }
    })
}

const MUTANTS: [(&str, Mutant); 11] = [
    ("inclusive and exclusive times exchanged", |w| flipped(w, |p| matches!(p, RecoveryPoint::Time(_)))),
    ("inclusive and exclusive transactions exchanged", |w| {
        flipped(w, |p| matches!(p, RecoveryPoint::Xid(_)))
    }),
    ("inclusive and exclusive positions exchanged", |w| flipped(w, |p| matches!(p, RecoveryPoint::Lsn(_)))),
    ("a microsecond late", |w| shifted_time(w, 1)),
    ("a microsecond early", |w| shifted_time(w, -1)),
    ("a byte late", |w| shifted_lsn(w, 1)),
    ("a byte early", |w| shifted_lsn(w, -1)),
    ("the order of times instead of positions", by_time_alone),
    ("the next number instead of this one", |w| {
        with_point(w, |point| match point {
            RecoveryPoint::Xid(xid) => RecoveryPoint::Xid(xid + 1),
            other => other.clone(),
        })
    }),
    ("the end of a record instead of its beginning", |w| {
        with_log(w, |ledger| {
            ledger.log.iter_mut().flat_map(|one| &mut one.records).for_each(|record| record.lsn = record.end);
        })
    }),
    ("no look at the record before", |w| {
        with_log(w, |ledger| {
            ledger.log.iter_mut().flat_map(|one| &mut one.records).for_each(|record| record.prev = Lsn(0));
        })
    }),
];

#[test]
fn every_judgement_that_is_off_by_one_is_noticed() {
    let mut runner = TestRunner::deterministic();
    let strategy = cases();
    let worlds: Vec<_> = (0..700)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current().world())
        .filter(|world| world.exact)
        .collect();
    assert!(worlds.len() > 200);
    for world in &worlds {
        assert_eq!(world.check(&world.expectation()), Ok(()), "{:?} with {:?}", world.target, world.replay);
    }
    for (name, mutant) in MUTANTS {
        let caught = worlds.iter().filter(|world| world.check(&mutant(world)).is_err()).count();
        assert!(caught > 0, "{name}: nobody noticed in {} cases", worlds.len());
    }
}
