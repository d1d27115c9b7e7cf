//! The content of a running server, read with commands.

use std::collections::{BTreeMap, BTreeSet};

use redis::{FromRedisValue, Value};

use super::content::{Content, Group, Id, Keyspace, Pending, Stream};
use crate::kit::rdb_bench::Server;

type Bytes = Vec<u8>;

fn id(text: &[u8]) -> Id {
    let text = std::str::from_utf8(text).unwrap();
    let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
    (ms.parse().unwrap(), seq.parse().unwrap())
}

fn to<T: FromRedisValue>(value: &Value) -> T {
    T::from_redis_value(value.clone()).unwrap_or_else(|error| panic!("{value:?}: {error:?}"))
}

/// Alternating names and values, as `XINFO` answers.
fn fields(value: &Value) -> BTreeMap<String, Value> {
    let items: Vec<Value> = to(value);
    items.chunks_exact(2).map(|pair| (to(&pair[0]), pair[1].clone())).collect()
}

/// All databases that hold keys.
pub(crate) async fn read_keyspace(server: &mut Server<'_>) -> Keyspace {
    let mut keyspace = Keyspace::new();
    for database in 0..20_u32 {
        server.run(&format!("SELECT {database}")).await;
        for key in server.ask::<Vec<Bytes>>(&[b"KEYS", b"*"]).await {
            let expiry: i64 = server.ask(&[b"PEXPIRETIME", &key]).await;
            let content = read_key(server, &key).await;
            keyspace.insert((database, key), (u64::try_from(expiry).ok(), content));
        }
    }
    server.run("SELECT 0").await;
    keyspace
}

/// Function libraries, as name and code.
pub(crate) async fn read_functions(server: &mut Server<'_>) -> Vec<(String, String)> {
    let libraries: Vec<Value> = server.ask(&[b"FUNCTION", b"LIST", b"WITHCODE"]).await;
    let libraries = libraries.iter().map(fields);
    libraries.map(|library| (to(&library["library_name"]), to(&library["library_code"]))).collect()
}

async fn read_key(server: &mut Server<'_>, key: &[u8]) -> Content {
    let kind: String = server.ask(&[b"TYPE", key]).await;
    match kind.as_str() {
        "string" => Content::String(server.ask(&[b"GET", key]).await),
        "list" => Content::List(server.ask(&[b"LRANGE", key, b"0", b"-1"]).await),
        "set" => Content::Set(server.ask(&[b"SMEMBERS", key]).await),
        "zset" => {
            let items: Vec<(Bytes, Bytes)> = server.ask(&[b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"]).await;
            let score = |text: Bytes| String::from_utf8(text).unwrap().parse().unwrap();
            Content::SortedSet(items.into_iter().map(|(item, text)| (item, score(text))).collect())
        }
        "hash" => read_hash(server, key).await,
        "stream" => Content::Stream(read_stream(server, key).await),
        other => panic!("{other}"),
    }
}

async fn read_hash(server: &mut Server<'_>, key: &[u8]) -> Content {
    let found: BTreeMap<Bytes, Bytes> = server.ask(&[b"HGETALL", key]).await;
    // Redis before 7.4 and Valkey before 9 do not know that fields can expire.
    let command: Vec<Value> = server.ask(&[b"COMMAND", b"INFO", b"HPEXPIRETIME"]).await;
    let fields_expire = command != [Value::Nil];
    let mut fields = BTreeMap::new();
    for (name, value) in found {
        let mut expiry = None;
        if fields_expire {
            let at: Vec<i64> = server.ask(&[b"HPEXPIRETIME", key, b"FIELDS", b"1", &name]).await;
            expiry = u64::try_from(at[0]).ok();
        }
        fields.insert(name, (value, expiry));
    }
    Content::Hash(fields)
}

async fn read_stream(server: &mut Server<'_>, key: &[u8]) -> Stream {
    let entries: Vec<(Bytes, Vec<Bytes>)> = server.ask(&[b"XRANGE", key, b"-", b"+"]).await;
    let pairs = |flat: Vec<Bytes>| flat.chunks_exact(2).map(|two| (two[0].clone(), two[1].clone())).collect();
    let info = fields(&server.ask(&[b"XINFO", b"STREAM", key]).await);
    let mut stream = Stream {
        entries: entries.into_iter().map(|(at, flat)| (id(&at), pairs(flat))).collect(),
        last: id(&to::<Bytes>(&info["last-generated-id"])),
        first: id(&to::<Bytes>(&info["recorded-first-entry-id"])),
        max_deleted: id(&to::<Bytes>(&info["max-deleted-entry-id"])),
        added: to(&info["entries-added"]),
        groups: BTreeMap::new(),
    };
    for group in server.ask::<Vec<Value>>(&[b"XINFO", b"GROUPS", key]).await {
        let info = fields(&group);
        let name: Bytes = to(&info["name"]);
        let consumers: Vec<Value> = server.ask(&[b"XINFO", b"CONSUMERS", key, &name]).await;
        let consumers: BTreeSet<Bytes> = consumers.iter().map(|one| to(&fields(one)["name"])).collect();
        let found = Group {
            last: id(&to::<Bytes>(&info["last-delivered-id"])),
            read: to(&info["entries-read"]),
            pending: pending(server, key, &name).await,
            consumers,
        };
        stream.groups.insert(name, found);
    }
    stream
}

/// Entries delivered to a group and not acknowledged.
pub(crate) async fn pending(server: &mut Server<'_>, key: &[u8], group: &[u8]) -> BTreeMap<Id, Pending> {
    let full: Value = server.ask(&[b"XINFO", b"STREAM", key, b"FULL", b"COUNT", b"0"]).await;
    let groups: Vec<Value> = to(&fields(&full)["groups"]);
    let group = groups.iter().map(fields).find(|one| to::<Bytes>(&one["name"]) == group).unwrap();
    let pending: Vec<(Bytes, Bytes, u64, u64)> = to(&group["pending"]);
    let one = |(at, consumer, delivered_at_ms, deliveries): (Bytes, Bytes, u64, u64)| {
        (id(&at), Pending { consumer, deliveries, delivered_at_ms })
    };
    pending.into_iter().map(one).collect()
}

/// The entries that the only group of a stream is said to have read.
pub(crate) async fn entries_read(server: &mut Server<'_>, key: &[u8]) -> Option<u64> {
    let groups: Vec<Value> = server.ask(&[b"XINFO", b"GROUPS", key]).await;
    to(&fields(&groups[0])["entries-read"])
}
