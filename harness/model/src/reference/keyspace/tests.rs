use proptest::prelude::*;

use super::*;

fn group(keys: u64, expiring: u64, bytes: u64) -> KeyGroup {
    KeyGroup { keys, expiring, bytes: keys * bytes }
}

/// A shop: sessions that expire, carts that do not, queues, counters, and one library of functions.
fn shop() -> KeyspaceProfile {
    let groups = [
        (ValueKind::Hash, "session:", group(5_000, 5_000, 200)),
        (ValueKind::Hash, "cart:", group(800, 0, 400)),
        (ValueKind::List, "queue:", group(12, 0, 9_000)),
        (ValueKind::String, "", group(300, 20, 30)),
        (ValueKind::String, "flag:", group(40, 0, 10)),
    ];
    keyspace(&groups, true)
}

fn keyspace(groups: &[(ValueKind, &str, KeyGroup)], has_expired: bool) -> KeyspaceProfile {
    let mut all = KeyGroups::new();
    for (kind, prefix, group) in groups {
        let of_kind = all.entry(0).or_default().entry(*kind).or_default();
        of_kind.insert((*prefix).to_owned(), *group);
    }
    KeyspaceProfile::new(all, [("lib".to_owned(), "aa".to_owned())].into(), has_expired)
}

type Change = fn(&mut KeyspaceProfile);

fn of<'a>(profile: &'a mut KeyspaceProfile, kind: ValueKind, prefix: &str) -> &'a mut KeyGroup {
    profile.groups.entry(0).or_default().entry(kind).or_default().entry(prefix.to_owned()).or_default()
}

fn found(later: &KeyspaceProfile) -> Vec<(FindingCode, String)> {
    let drift = shop().into_record().drift(later, &Tolerance::default());
    drift.findings.into_iter().map(|finding| (finding.code, finding.subject)).collect()
}

use FindingCode::{ExpiryLost, ExpiryShortened, FunctionChanged, FunctionMissing, KeyCount, ValuesDiffer};

/// Each damage, and the only finding of it.
const DAMAGES: &[(&str, Change, FindingCode, &str)] = &[
    (
        "carts lost",
        |shop| *of(shop, ValueKind::Hash, "cart:") = group(500, 0, 400),
        KeyCount,
        "database 0: cart:* (hash)",
    ),
    (
        "a type lost",
        |shop| {
            shop.groups.get_mut(&0).unwrap().remove(&ValueKind::Hash);
        },
        KeyCount,
        "database 0: cart:* (hash)",
    ),
    (
        "sessions lost",
        |shop| *of(shop, ValueKind::Hash, "session:") = group(100, 100, 200),
        KeyCount,
        "database 0: session:* (hash)",
    ),
    (
        "every expiry lost",
        |shop| of(shop, ValueKind::Hash, "session:").expiring = 0,
        ExpiryLost,
        "database 0: session:* (hash)",
    ),
    (
        "carts expire",
        |shop| of(shop, ValueKind::Hash, "cart:").expiring = 800,
        ExpiryShortened,
        "database 0: cart:* (hash)",
    ),
    (
        "values emptied",
        |shop| of(shop, ValueKind::Hash, "cart:").bytes = 800 * 20,
        ValuesDiffer,
        "database 0: cart:* (hash)",
    ),
    (
        "keys without a common beginning lost",
        |shop| *of(shop, ValueKind::String, "") = group(120, 20, 30),
        KeyCount,
        "database 0: other keys (string)",
    ),
    (
        "another type",
        |shop| {
            let flags = std::mem::take(of(shop, ValueKind::String, "flag:"));
            *of(shop, ValueKind::Set, "flag:") = flags;
        },
        KeyCount,
        "database 0: flag:* (string)",
    ),
    (
        "loaded several times",
        |shop| *of(shop, ValueKind::Hash, "cart:") = group(20_000, 0, 400),
        KeyCount,
        "database 0: cart:* (hash)",
    ),
    ("library lost", |shop| shop.functions.clear(), FunctionMissing, "function library lib"),
    (
        "library changed",
        |shop| {
            shop.functions.insert("lib".to_owned(), "bb".to_owned());
        },
        FunctionChanged,
        "function library lib",
    ),
];

#[test]
fn each_damage_is_found_once_and_for_its_own_reason() {
    for (name, damage, code, subject) in DAMAGES {
        let mut later = shop();
        damage(&mut later);
        let drift = found(&later);
        let lost_a_type = *name == "a type lost";
        assert!(drift.contains(&(*code, (*subject).to_owned())), "{name}: {drift:?}");
        assert_eq!(drift.len(), if lost_a_type { 2 } else { 1 }, "{name}: {drift:?}");
    }
    // A whole database.
    assert_eq!(found(&KeyspaceProfile::new(KeyGroups::new(), shop().functions, true)).len(), 5);
}

#[test]
fn benign_changes_are_silent() {
    let changes: [(&str, Change); 7] = [
        ("nothing", |_| {}),
        ("another encoding", |shop| of(shop, ValueKind::Hash, "cart:").bytes /= 2),
        ("a night", |shop| *of(shop, ValueKind::Hash, "session:") = group(700, 700, 200)),
        ("queues worked off", |shop| *of(shop, ValueKind::List, "queue:") = group(9, 0, 10)),
        ("more of everything", |shop| *of(shop, ValueKind::Hash, "cart:") = group(2_000, 30, 500)),
        ("a new kind of keys", |shop| *of(shop, ValueKind::Stream, "log:") = group(9, 0, 10)),
        ("some flags removed", |shop| *of(shop, ValueKind::String, "flag:") = group(33, 0, 10)),
    ];
    for (name, change) in changes {
        let mut later = shop();
        change(&mut later);
        assert_eq!(found(&later), [], "{name}");
    }
    // A server has dropped what expired: nothing is said of such keys.
    let mut later = shop();
    later.has_expired = false;
    *of(&mut later, ValueKind::Hash, "session:") = KeyGroup::default();
    let drift = shop().drift(&later, &Tolerance::default());
    assert_eq!((drift.findings.len(), drift.volatile), (0, 2));
}

#[test]
fn beginnings_of_few_keys_are_not_kept() {
    let profile = keyspace(
        &[
            (ValueKind::String, "joe@example.org:", group(3, 0, 10)),
            (ValueKind::String, "page:", group(90, 0, 10)),
            (ValueKind::String, "", group(5, 0, 10)),
        ],
        true,
    );
    let kept = profile.clone().into_record();
    let names: Vec<_> = kept.groups[&0][&ValueKind::String].keys().map(String::as_str).collect();
    assert_eq!(names, ["", "page:"]);
    assert_eq!((kept.keys(), kept.groups[&0][&ValueKind::String][""].keys), (98, 8));
    assert_eq!(kept.drift(&profile, &Tolerance::default()).findings.len(), 0);
}

proptest! {
    /// Keys grow a little each day, sessions follow the hour, values are encoded in another way.
    #[test]
    fn a_month_of_ordinary_use_is_silent(
        keys in 0_u64..100_000,
        daily in 0.0_f64..0.03,
        hours in proptest::collection::vec(0.2_f64..1.0, 31),
        packing in 0.5_f64..1.5,
    ) {
        let day = |day: i32, hour: f64| {
            let now = |number: u64| (number as f64 * (1.0 + daily).powi(day)) as u64;
            let sessions = (now(keys) as f64 * hour) as u64;
            let bytes = if day == 0 { 100 } else { (100.0 * packing) as u64 };
            keyspace(
                &[
                    (ValueKind::Hash, "session:", group(sessions, sessions, bytes)),
                    (ValueKind::Hash, "cart:", group(now(keys), 0, bytes)),
                    (ValueKind::String, "", group(now(keys / 3), now(keys / 9), bytes)),
                ],
                true,
            )
        };
        let before = day(0, 1.0).into_record();
        for (number, hour) in (1..).zip(hours) {
            let drift = before.drift(&day(number, hour), &Tolerance::default());
            prop_assert!(drift.findings.is_empty(), "day {}: {:?}", number, drift.findings);
        }
    }

    #[test]
    fn three_of_ten_permanent_keys_lost_are_found(keys in 50_u64..1_000_000) {
        let shop = |keys| keyspace(&[(ValueKind::Set, "tag:", group(keys, 0, 10))], true);
        let drift = shop(keys).drift(&shop(keys * 7 / 10), &Tolerance::default());
        prop_assert_eq!(drift.findings.len(), 1);
    }
}
