//! Random keyspaces, written to a real server, saved and read: the file holds the model's content.
//!
//! `COMEBACK_REDIS_CASES` sets the number; the default is small.

use std::collections::{BTreeMap, BTreeSet};

use comeback_redis::rdb::fingerprint_rdb;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::content::{Content, Group, Keyspace, Pending, Stream, fingerprint};
use super::fill::{LARGE, SMALL, USUAL};
use super::live::read_keyspace;
use crate::kit::rdb_bench::{MAKES, RdbBench, Server};

type Bytes = Vec<u8>;

const USUAL_CASES: u32 = 24;
/// Instants in 2096.
const EXPIRY: u64 = 4_000_000_000_000;

/// How a stream is made: the entries added, the ones deleted, and the readers.
#[derive(Debug, Clone)]
struct StreamPlan {
    entries: Vec<Vec<(Bytes, Bytes)>>,
    deleted: BTreeSet<usize>,
    /// Consumers and the number of entries that each reads, one after another.
    reads: Vec<(u8, usize)>,
    acknowledged: BTreeSet<usize>,
}

#[derive(Debug, Clone)]
enum Plan {
    Plain(Content),
    Stream(StreamPlan),
}

/// Bytes as applications store them: numbers, short and long texts, and arbitrary bytes.
fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        4 => any::<i16>().prop_map(|number| number.to_string().into_bytes()),
        4 => proptest::collection::vec(any::<u8>(), 0..20),
        2 => proptest::collection::vec(any::<u8>(), 20..300),
        2 => ("[ab]{1,4}", 1_usize..200).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        1 => proptest::collection::vec(0_u8..4, 1_000..20_000),
    ]
}

fn score() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<i16>().prop_map(f64::from),
        any::<f64>().prop_filter("no server keeps it", |score| !score.is_nan()),
        Just(f64::INFINITY),
        Just(-0.0),
    ]
}

fn plain() -> impl Strategy<Value = Content> {
    let several = || proptest::collection::btree_set(bytes(), 1..40);
    let integers = proptest::collection::btree_set(any::<i32>(), 1..40);
    prop_oneof![
        3 => bytes().prop_map(Content::String),
        2 => proptest::collection::vec(bytes(), 1..40).prop_map(Content::List),
        1 => several().prop_map(Content::Set),
        1 => integers.prop_map(|all| Content::Set(all.iter().map(|one| one.to_string().into_bytes()).collect())),
        2 => proptest::collection::btree_map(bytes(), score(), 1..40).prop_map(Content::SortedSet),
        2 => proptest::collection::btree_map(bytes(), bytes().prop_map(|value| (value, None)), 1..40)
            .prop_map(Content::Hash),
    ]
}

fn stream() -> impl Strategy<Value = StreamPlan> {
    let entry = proptest::collection::vec((bytes(), bytes()), 1..4);
    let same = proptest::collection::vec(Just(vec![(b"f".to_vec(), b"1".to_vec())]), 1..4);
    let entries = proptest::collection::vec(prop_oneof![entry.prop_map(|one| vec![one]), same], 1..12);
    let places = || proptest::collection::btree_set(0_usize..20, 0..6);
    (entries, places(), proptest::collection::vec((0_u8..3, 1_usize..5), 0..4), places()).prop_map(
        |(entries, deleted, reads, acknowledged)| StreamPlan {
            entries: entries.concat(),
            deleted,
            reads,
            acknowledged,
        },
    )
}

type Plans = BTreeMap<(u32, Bytes), (Option<u64>, Plan)>;

fn keyspace() -> impl Strategy<Value = Plans> {
    let plan = prop_oneof![5 => plain().prop_map(Plan::Plain), 1 => stream().prop_map(Plan::Stream)];
    let expiry = proptest::option::of((0_u64..1 << 40).prop_map(|after| EXPIRY + after));
    proptest::collection::btree_map((0_u32..3, bytes()), (expiry, plan), 0..25)
}

#[test]
fn random_keyspaces_come_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let Some(bench) = runtime.block_on(RdbBench::new(MAKES[0])) else { return };
    let server = tokio::sync::Mutex::new(runtime.block_on(bench.start(USUAL, None)));
    let cases = std::env::var("COMEBACK_REDIS_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config { failure_persistence: None, ..Config::with_cases(cases.unwrap_or(USUAL_CASES)) };
    let strategy = (keyspace(), prop::sample::select(vec![USUAL, SMALL, LARGE]));
    let outcome = TestRunner::new(config).run(&strategy, |(plans, settings)| {
        let (expected, live, file) = runtime.block_on(async {
            let mut server = server.lock().await;
            server.run("FLUSHALL").await;
            server.set(settings).await;
            let expected = write(&mut server, &plans).await;
            let live = read_keyspace(&mut server).await;
            (expected, live, server.save().await)
        });
        prop_assert_eq!(&expected, &live, "the server does not what the model says");
        let expected = fingerprint(&expected, &[]);
        let read = fingerprint_rdb(&file[..]).unwrap().fingerprint;
        prop_assert!(expected.is_same(&read), "{:#?}", expected.compare(&read, 0));
        Ok(())
    });
    runtime.block_on(server.into_inner().stop());
    runtime.block_on(bench.clear());
    outcome.unwrap();
}

async fn write(server: &mut Server<'_>, plans: &Plans) -> Keyspace {
    let mut keyspace = Keyspace::new();
    for ((database, key), (expiry, plan)) in plans {
        server.run(&format!("SELECT {database}")).await;
        let content = match plan {
            Plan::Plain(content) => {
                write_plain(server, key, content).await;
                content.clone()
            }
            Plan::Stream(plan) => Content::Stream(write_stream(server, key, plan).await),
        };
        if let Some(at_ms) = expiry {
            server.ask::<()>(&[b"PEXPIREAT", key, at_ms.to_string().as_bytes()]).await;
        }
        keyspace.insert((*database, key.clone()), (*expiry, content));
    }
    keyspace
}

async fn write_plain(server: &mut Server<'_>, key: &[u8], content: &Content) {
    match content {
        Content::String(value) => server.ask::<()>(&[b"SET", key, value]).await,
        Content::List(items) => {
            for item in items {
                server.ask::<()>(&[b"RPUSH", key, item]).await;
            }
        }
        Content::Set(items) => {
            for item in items {
                server.ask::<()>(&[b"SADD", key, item]).await;
            }
        }
        Content::SortedSet(items) => {
            for (item, score) in items {
                server.ask::<()>(&[b"ZADD", key, format!("{score:e}").as_bytes(), item]).await;
            }
        }
        Content::Hash(fields) => {
            for (name, (value, _)) in fields {
                server.ask::<()>(&[b"HSET", key, name, value]).await;
            }
        }
        Content::Stream(_) => unreachable!("streams are made by their plan"),
    }
}

/// Entry number `at` has the identifier `at / 3 + 1`-`at + 1`.
fn id_of(at: usize) -> (u64, u64) {
    (at as u64 / 3 + 1, at as u64 + 1)
}

fn text_of(at: usize) -> Bytes {
    let (ms, seq) = id_of(at);
    format!("{ms}-{seq}").into_bytes()
}

async fn write_stream(server: &mut Server<'_>, key: &[u8], plan: &StreamPlan) -> Stream {
    for (at, fields) in plan.entries.iter().enumerate() {
        let id = text_of(at);
        let mut words: Vec<&[u8]> = vec![b"XADD", key, &id];
        words.extend(fields.iter().flat_map(|(name, value)| [&name[..], value]));
        server.ask::<()>(&words).await;
    }
    server.ask::<()>(&[b"XGROUP", b"CREATE", key, b"g", b"0"]).await;
    let mut group = Group::default();
    let mut next = 0;
    for (consumer, count) in &plan.reads {
        let (name, count_text) = (format!("c{consumer}").into_bytes(), count.to_string());
        // Versions differ in whether one that gets nothing comes into being.
        server.ask::<()>(&[b"XGROUP", b"CREATECONSUMER", key, b"g", &name]).await;
        let words: [&[u8]; 9] =
            [b"XREADGROUP", b"GROUP", b"g", &name, b"COUNT", count_text.as_bytes(), b"STREAMS", key, b">"];
        server.ask::<redis::Value>(&words).await;
        for at in (next..plan.entries.len()).take(*count) {
            let one = Pending { consumer: name.clone(), deliveries: 1, ..Pending::default() };
            group.pending.insert(id_of(at), one);
            group.last = id_of(at);
            next = at + 1;
        }
        group.consumers.insert(name);
    }
    for at in plan.acknowledged.iter().filter(|at| **at < plan.entries.len()) {
        server.ask::<()>(&[b"XACK", key, b"g", &text_of(*at)]).await;
        group.pending.remove(&id_of(*at));
    }
    let last = plan.entries.len() - 1;
    let mut stream = Stream { last: id_of(last), added: plan.entries.len() as u64, ..Stream::default() };
    let mut entries: BTreeMap<_, _> = plan.entries.iter().cloned().enumerate().collect();
    for at in plan.deleted.iter().filter(|at| **at <= last) {
        server.ask::<()>(&[b"XDEL", key, &text_of(*at)]).await;
        entries.remove(at);
        stream.max_deleted = stream.max_deleted.max(id_of(*at));
    }
    stream.first = entries.keys().next().map_or((0, 0), |at| id_of(*at));
    stream.entries = entries.into_iter().map(|(at, fields)| (id_of(at), fields)).collect();
    // Only the server knows when it delivered.
    for (at, found) in super::live::pending(server, key, b"g").await {
        if let Some(one) = group.pending.get_mut(&at) {
            one.delivered_at_ms = found.delivered_at_ms;
        }
    }
    // The server's rules for this counter are its own: it is asked.
    group.read = super::live::entries_read(server, key).await;
    stream.groups.insert(b"g".to_vec(), group);
    stream
}
