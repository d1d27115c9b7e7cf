//! A keyspace compared with an earlier one: a month of use is silent, each loss is found for its own reason.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use comeback_engine::artefact::RecordSlot;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;
use comeback_model::{REFERENCE_VERSION, Reference};
use comeback_redis::judges::KeyspaceReference;
use comeback_redis::load_commands;
use comeback_redis::rdb::{RdbSummary, fingerprint_rdb_with_groups};

use crate::kit::redis_bench::{RedisBench, ask};

/// What is done to each of these keys, of which `@` is the number: the database, the command, from which number to which.
type Doing = (u32, &'static str, std::ops::Range<u32>);

const APPLICATION: [Doing; 6] = [
    (0, "SET keep:@ 1", 0..200),
    (0, "SET login:@ 1 EX 900000", 0..200),
    (0, "HSET basket:@ first @ second 2", 0..200),
    (0, "SADD label:@ a b", 0..200),
    (0, "SETRANGE paper:@ 900 x", 0..50),
    (5, "SET rare:@ 1", 0..60),
];

/// Growth, other encodings, keys whose time has passed, a new kind of key.
const MONTH: [Doing; 5] = [
    (0, "HSET basket:@ first @ second 2", 0..260),
    (0, "SET keep:@ 2", 190..230),
    (0, "DEL login:@", 0..120),
    (0, "RPUSH news:@ 1", 0..40),
    (5, "DEL rare:@", 0..8),
];

/// Each loss, the code of the only finding, and its subject.
const LOSSES: [(Doing, &str, &str); 6] = [
    ((0, "DEL basket:@", 0..130), "key-count", "database 0: basket:* (hash)"),
    ((0, "PERSIST login:@", 0..200), "expiry-lost", "database 0: login:* (string)"),
    ((0, "EXPIRE keep:@ 900000", 0..230), "expiry-shortened", "database 0: keep:* (string)"),
    ((0, "SET paper:@ x", 0..50), "values-differ", "database 0: paper:* (string)"),
    ((0, "DEL label:@", 0..200), "key-count", "database 0: label:* (set)"),
    ((5, "DEL rare:@", 0..60), "key-count", "database 5: rare:* (string)"),
];

async fn carry_out(bench: &RedisBench, doings: &[Doing]) {
    let commands = doings.iter().flat_map(|(database, text, numbers)| {
        numbers.clone().map(move |number| {
            let words = text.split(' ').map(|word| word.replace('@', &number.to_string()).into_bytes());
            (*database, words.collect::<Vec<_>>())
        })
    });
    load_commands(&bench.primary.address(), commands).await.unwrap();
}

/// The file that the server writes now, as a verification reads it.
async fn saved(bench: &RedisBench) -> RdbSummary {
    // The process that wrote the copy which a judge has read may not have ended yet.
    wait::until("the end of a background save", Duration::from_mins(1), async || {
        let told: String = ask(&bench.primary, &["INFO", "persistence"]).await;
        if told.contains("rdb_bgsave_in_progress:0") { Ok(()) } else { Err(told) }
    })
    .await
    .unwrap();
    ask::<()>(&bench.primary, &["SAVE"]).await;
    let read = Command::new("cat").arg(bench.primary.rdb_path());
    let file = bench.primary.node().exec(&read, Io::default()).await.unwrap();
    fingerprint_rdb_with_groups(&file.success("reading a file").unwrap().stdout[..]).unwrap()
}

async fn judge(
    bench: &RedisBench,
    file: Option<&RdbSummary>,
    reference: Option<&Reference>,
    record: Option<&RecordSlot>,
) -> Opinion {
    let server = bench.primary.address();
    KeyspaceReference { server: &server, file, reference, record }.judge().await.unwrap()
}

fn told(opinion: &Opinion) -> BTreeSet<(String, String)> {
    opinion.findings.iter().map(|finding| (finding.code.to_string(), finding.subject.clone())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_use_is_silent_and_each_loss_is_found() {
    let Some(bench) = RedisBench::local().await else { return };
    carry_out(&bench, &APPLICATION).await;
    let slot = RecordSlot::default();
    let opinion = judge(&bench, Some(&saved(&bench).await), None, Some(&slot)).await;
    assert!(opinion.findings.is_empty() && opinion.summary.ends_with("keys, to record"), "{opinion:?}");
    let reference = Reference {
        version: REFERENCE_VERSION,
        recorded_at: "2026-11-01T00:00:00Z".parse().unwrap(),
        source: "dump.rdb".to_owned(),
        run: "17".to_owned(),
        profile: slot.take().profile.unwrap(),
        answers: BTreeMap::new(),
        accepted: Vec::new(),
    };
    let text = reference.to_json().unwrap();
    assert_eq!(Reference::from_json(&text).as_ref(), Ok(&reference));
    assert!(text.contains("basket:") && !text.contains("basket:1"), "no name of a key is kept");

    ask::<()>(&bench.primary, &["CONFIG", "SET", "hash-max-listpack-entries", "0"]).await;
    carry_out(&bench, &MONTH).await;
    let file = saved(&bench).await;
    let opinion = judge(&bench, Some(&file), Some(&reference), None).await;
    assert_eq!(told(&opinion), BTreeSet::new());
    // What a server alone has read, such as an append-only file: it has dropped what expired.
    let opinion = judge(&bench, None, Some(&reference), None).await;
    assert_eq!(told(&opinion), BTreeSet::new());
    assert_eq!(opinion.not_looked_at[0].subject, "the number of keys with an expiry");

    carry_out(&bench, &LOSSES.map(|(doing, ..)| doing)).await;
    ask::<()>(&bench.primary, &["FUNCTION", "DELETE", "roadtrip"]).await;
    let opinion = judge(&bench, Some(&saved(&bench).await), Some(&reference), None).await;
    let mut wanted: BTreeSet<_> =
        LOSSES.iter().map(|(_, code, subject)| ((*code).to_owned(), (*subject).to_owned())).collect();
    wanted.insert(("function-missing".to_owned(), "function library roadtrip".to_owned()));
    assert_eq!(told(&opinion), wanted);
    assert!(opinion.findings.iter().all(|finding| finding.remedy.contains("accept")), "{opinion:#?}");
    bench.end().await;
}
