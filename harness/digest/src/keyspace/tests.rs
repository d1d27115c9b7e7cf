//! What a comparison reports for each way in which keyspaces can differ.

use proptest::prelude::*;
use xxhash_rust::xxh3::xxh3_128;

use super::*;

const NOW: u64 = 1_700_000_000_000;

fn key(name: &str) -> KeyRecord {
    let digest = xxh3_128(name.as_bytes());
    let key = name.as_bytes().to_vec();
    KeyRecord {
        database: 0,
        key,
        kind: ValueKind::String,
        expires_at_ms: None,
        fields_expire_at_ms: None,
        digest,
    }
}

fn expiring(name: &str, at: u64) -> KeyRecord {
    KeyRecord { expires_at_ms: Some(at), ..key(name) }
}

fn changing(name: &str, at: u64) -> KeyRecord {
    KeyRecord { kind: ValueKind::Hash, fields_expire_at_ms: Some(at), ..key(name) }
}

fn of(records: impl IntoIterator<Item = KeyRecord>) -> KeyspaceFingerprint {
    let mut builder = KeyspaceFingerprint::builder();
    records.into_iter().for_each(|record| builder.add(&record));
    builder.finish()
}

fn base() -> Vec<KeyRecord> {
    let permanent = (0..500).map(|n| key(&format!("p{n}")));
    let volatile = (0..500).map(|n| expiring(&format!("v{n}"), NOW + 1000 + n * 1_000_000));
    permanent.chain(volatile).collect()
}

/// The findings after one key was replaced.
fn after(name: &str, damaged: Option<KeyRecord>) -> KeyspaceComparison {
    let mut records = base();
    records.retain(|record| record.key != name.as_bytes());
    records.extend(damaged);
    of(base()).compare(&of(records), NOW)
}

fn changes(comparison: &KeyspaceComparison) -> Vec<(String, KeyChange)> {
    comparison.keys.iter().map(|found| (found.key.to_string(), found.change.clone())).collect()
}

fn one(name: &str, change: KeyChange) -> Vec<(String, KeyChange)> {
    vec![(name.to_owned(), change)]
}

#[test]
fn each_difference_has_its_name() {
    let at = NOW + 1000 + 7_000_000;
    assert_eq!(changes(&after("p7", None)), one("p7", KeyChange::Lost));
    assert_eq!(changes(&after("v7", None)), one("v7", KeyChange::Lost));
    assert_eq!(changes(&after("-", Some(key("new")))), one("new", KeyChange::Extra));
    let other = KeyRecord { digest: 1, ..key("p7") };
    assert_eq!(changes(&after("p7", Some(other))), one("p7", KeyChange::ValueChanged));
    let list = KeyRecord { kind: ValueKind::List, ..key("p7") };
    let change = KeyChange::TypeChanged { expected: ValueKind::String, actual: ValueKind::List };
    assert_eq!(changes(&after("p7", Some(list))), one("p7", change));
    assert_eq!(changes(&after("v7", Some(key("v7")))), one("v7", KeyChange::ExpiryLost { expected_ms: at }));
    let change = KeyChange::ExpiryShortened { expected_ms: Some(at), actual_ms: at - 1 };
    assert_eq!(changes(&after("v7", Some(expiring("v7", at - 1)))), one("v7", change));
    let change = KeyChange::ExpiryLengthened { expected_ms: at, actual_ms: at + 1 };
    assert_eq!(changes(&after("v7", Some(expiring("v7", at + 1)))), one("v7", change));
    let change = KeyChange::ExpiryShortened { expected_ms: None, actual_ms: at };
    assert_eq!(changes(&after("p7", Some(expiring("p7", at)))), one("p7", change));
    let moved = KeyRecord { database: 3, ..key("p7") };
    assert_eq!(changes(&after("p7", Some(moved))), one("p7", KeyChange::WrongDatabase { actual: 3 }));
    let both = KeyRecord { digest: 1, ..expiring("v7", at + 1) };
    assert_eq!(after("v7", Some(both)).keys.len(), 2);
    assert!(after("-", None).is_same());
}

#[test]
fn functions_are_compared_by_name() {
    let with = |libraries: &[(&str, u128)]| {
        let mut builder = KeyspaceFingerprint::builder();
        for (name, digest) in libraries {
            builder.add_function(name, *digest);
        }
        builder.finish()
    };
    let comparison =
        with(&[("a", 1), ("b", 2), ("c", 3)]).compare(&with(&[("a", 1), ("b", 9), ("d", 3)]), NOW);
    let found: Vec<_> =
        comparison.functions.iter().map(|found| (found.library.as_str(), found.change)).collect();
    let expected =
        [("b", FunctionChange::Changed), ("c", FunctionChange::Lost), ("d", FunctionChange::Extra)];
    assert_eq!(found, expected);
}

#[test]
fn an_expiry_that_passed_is_no_finding_and_one_that_did_not_is() {
    let before: Vec<_> = (0..40).map(|n| expiring(&format!("v{n}"), NOW - 20 + n)).collect();
    let alive = of(before.iter().filter(|record| record.expires_at_ms > Some(NOW)).cloned());
    let comparison = of(before.clone()).compare(&alive, NOW);
    assert!(comparison.is_same(), "{comparison:?}");
    assert_eq!(comparison.expired, 21);
    assert_eq!(of(before.clone()).compare(&alive, NOW - 2).keys.len(), 2);
    // The server has not removed the key yet: this is not a finding either.
    assert!(of(before.clone()).compare(&of(before.clone()), NOW).is_same());
    assert!(alive.compare(&of(before), NOW).is_same());
}

#[test]
fn an_expired_key_that_became_permanent_is_a_finding() {
    let comparison = of([expiring("a", NOW - 5)]).compare(&of([key("a")]), NOW);
    assert_eq!(changes(&comparison), one("a", KeyChange::ExpiryLost { expected_ms: NOW - 5 }));
}

/// A day of sessions: 100,000, half of which expired since the backup.
fn sessions() -> impl Iterator<Item = KeyRecord> {
    (0..100_000).map(|n| expiring(&format!("session:{n}"), NOW - 43_200_000 + n * 864))
}

fn alive(records: impl Iterator<Item = KeyRecord>) -> impl Iterator<Item = KeyRecord> {
    records.filter(|record| record.expires_at_ms.is_none_or(|at| at > NOW))
}

#[test]
fn too_many_expired_to_be_named_are_no_finding() {
    let comparison = of(sessions().chain(base())).compare(&of(alive(sessions()).chain(base())), NOW);
    assert!(!comparison.differs(), "{comparison:?}");
    let unverified: u64 = comparison.unverified.iter().map(|one| one.keys).sum();
    assert!(unverified < 200, "{comparison:?}");
    assert!((49_000..=50_001).contains(&comparison.expired), "{comparison:?}");
}

#[test]
fn among_many_expired_a_damage_is_found() {
    let expected = of(sessions().chain(base()));
    let without = |name: &'static str| {
        let records = alive(sessions()).chain(base());
        expected.compare(&of(records.filter(move |record| record.key != name.as_bytes())), NOW)
    };
    assert_eq!(changes(&without("p9")), one("p9", KeyChange::Lost));
    let comparison = without("session:80000");
    assert!(comparison.differs(), "{comparison:?}");
    assert!(comparison.databases[0].expected_keys > comparison.databases[0].actual_keys, "{comparison:?}");
    let stays = alive(sessions()).chain(base()).chain([key("session:1")]);
    assert_eq!(changes(&expected.compare(&of(stays), NOW)), one("session:1", KeyChange::Extra));
}

#[test]
fn many_differences_give_a_sample_and_an_estimate() {
    let records = |changed: bool| {
        (0..20_000)
            .map(move |n| KeyRecord { digest: u128::from(changed && n % 2 == 0), ..key(&format!("{n}")) })
    };
    let comparison = of(records(false)).compare(&of(records(true)), NOW);
    let database = &comparison.databases[0];
    assert!((5_000..20_000).contains(&database.estimate.unwrap()), "{database:?}");
    assert!(!comparison.keys.is_empty());
    assert!(comparison.keys.iter().all(|found| found.change == KeyChange::ValueChanged));
}

#[test]
fn two_hundred_changed_keys_are_all_named() {
    let records = |from: u64| {
        (0..1_000).map(move |n| KeyRecord { digest: u128::from(n < from), ..key(&format!("{n}")) })
    };
    let comparison = of(records(0)).compare(&of(records(200)), NOW);
    assert_eq!((comparison.keys.len(), comparison.databases.len()), (200, 0));
}

#[test]
fn hashes_with_expiring_fields_are_judged_until_the_first_expires() {
    let before = of([changing("h", NOW + 10), key("p")]);
    let other = KeyRecord { digest: 1, ..changing("h", NOW + 10) };
    let comparison = before.compare(&of([other.clone(), key("p")]), NOW);
    assert_eq!(changes(&comparison), one("h", KeyChange::ValueChanged));
    let plain = KeyRecord { kind: ValueKind::Hash, digest: 1, ..key("h") };
    for now_has in [vec![other], vec![plain], vec![]] {
        let comparison = before.compare(&of(now_has.into_iter().chain([key("p")])), NOW + 10);
        assert!(!comparison.differs() && !comparison.is_same(), "{comparison:?}");
    }
    assert_eq!(changes(&before.compare(&of([changing("h", NOW + 10)]), NOW + 10)), one("p", KeyChange::Lost));
}

#[test]
fn hashes_that_lost_their_last_field_in_thousands_are_no_finding() {
    let hash = |n: u64| KeyRecord { kind: ValueKind::Hash, digest: 1, ..key(&format!("h{n}")) };
    let before = of((0..5_000).map(|n| changing(&format!("h{n}"), NOW - 5)).chain(base()));
    let comparison = before.compare(&of((0..5_000).map(hash).chain(base())), NOW);
    assert!(!comparison.differs() && !comparison.is_same(), "{:?}", comparison.databases);
}

#[test]
fn a_fingerprint_survives_json() {
    let fingerprint = of(base().into_iter().chain([changing("h", NOW)]));
    let text = serde_json::to_string(&fingerprint).unwrap();
    assert_eq!(serde_json::from_str::<KeyspaceFingerprint>(&text).unwrap(), fingerprint);
}

#[derive(Debug, Clone)]
struct Damage {
    at: prop::sample::Index,
    what: u8,
    by: u64,
}

/// The records, damaged, and whether the live records differ.
fn damage(mut records: Vec<KeyRecord>, damages: &[Damage], now: u64) -> (Vec<KeyRecord>, bool) {
    let live = |records: &[KeyRecord]| {
        let mut live: Vec<_> = records
            .iter()
            .filter(|record| record.expires_at_ms.is_none_or(|at| at > now))
            .map(|record| {
                (record.database, record.key.clone(), record.kind, record.expires_at_ms, record.digest)
            })
            .collect();
        live.sort();
        live
    };
    let before = live(&records);
    for (number, Damage { at, what, by }) in damages.iter().enumerate() {
        if records.is_empty() {
            break;
        }
        let at = at.index(records.len());
        match what % 6 {
            0 => drop(records.swap_remove(at)),
            1 => records.push(key(&format!("extra{number}"))),
            2 => records[at].digest ^= 1,
            3 => records[at].kind = ValueKind::List,
            4 => records[at].expires_at_ms = None,
            _ => records[at].expires_at_ms = records[at].expires_at_ms.map(|before| before + by),
        }
    }
    let differs = live(&records) != before;
    (records, differs)
}

proptest! {
    /// The judgement is exact, or says that it could not verify.
    #[test]
    fn never_a_false_alarm_and_never_a_miss(
        volatile in 0_u64..3_000,
        spread in prop::sample::select(vec![1_u64, 50, 5_000, 900_000]),
        damages in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1_u64..5_000_000), 0..4),
        later in 0_u64..2_000_000_000,
    ) {
        let permanent = (0..200).map(|n| key(&format!("p{n}")));
        let records: Vec<_> =
            permanent.chain((0..volatile).map(|n| expiring(&format!("v{n}"), NOW + n * spread))).collect();
        let now = NOW + later;
        let damages: Vec<_> =
            damages.into_iter().map(|(at, what, by)| Damage { at, what, by }).collect();
        let expected = of(records.clone());
        let (mut after, differs) = damage(records, &damages, now);
        // Some of the expired keys are still there.
        after.retain(|record| {
            record.expires_at_ms.is_none_or(|at| at > now) || record.digest.is_multiple_of(4)
        });
        let comparison = expected.compare(&of(after), now);
        prop_assert!(!comparison.differs() || differs, "a false alarm: {:?}", comparison);
        prop_assert!(comparison.is_same() != differs || !comparison.unverified.is_empty(), "missed");
    }
}
