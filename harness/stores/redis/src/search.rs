//! Searches keys and values for addresses.

use comeback_engine::judge::{Search, Trace, named_in};
use comeback_error::Result;
use comeback_model::{NotLookedAt, ScopeKind};
use redis::{Cmd, Value, cmd};

use super::{RedisAddress, RedisClient};

/// How many keys are read at a time.
const PIECE: usize = 500;

/// Searches every database of a server that nobody writes to: the names of the keys, and the values of strings, hashes,
/// lists, sets, sorted sets and streams.
pub async fn find_addresses(server: &RedisAddress, addresses: &[String]) -> Result<Search> {
    let (mut search, mut keys, mut databases) = (Search::default(), 0, 0_u64);
    let client = RedisClient::connect(server, 0).await?;
    for database in client.key_counts().await?.into_keys() {
        let client = RedisClient::connect(server, database).await?;
        let mut cursor = 0_u64;
        databases += 1;
        loop {
            let (next, found): (u64, Vec<Vec<u8>>) =
                client.ask(cmd("SCAN").arg(cursor).arg("COUNT").arg(PIECE)).await?;
            keys += found.len();
            search_keys(&client, database, &found, addresses, &mut search).await?;
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
    }
    search.searched = format!("{keys} keys of {databases} databases of Redis");
    search.not_looked_at.push(NotLookedAt::new(
        ScopeKind::ObjectKind,
        "functions, users and settings of Redis",
        "only keys and their values are searched for addresses",
    ));
    // A scan may give a key twice.
    let place = |one: &Trace| (one.subject.clone(), one.key.clone(), one.address.clone());
    search.traces.sort_by_cached_key(place);
    search.traces.dedup();
    Ok(search)
}

async fn search_keys(
    client: &RedisClient,
    database: u32,
    keys: &[Vec<u8>],
    addresses: &[String],
    search: &mut Search,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let mut ask = redis::pipe();
    for key in keys {
        ask.cmd("TYPE").arg(key);
    }
    let kinds: Vec<String> = client.ask_all("reading the types of keys", &ask).await?;
    let mut ask = redis::pipe();
    let mut read = Vec::with_capacity(keys.len());
    for (key, kind) in keys.iter().zip(&kinds) {
        match reading(kind, key) {
            Some(command) => {
                ask.add_command(command);
                read.push(key);
            }
            // It expired since it was listed.
            None if kind == "none" => {}
            None => search.not_looked_at.push(NotLookedAt::new(
                ScopeKind::ModuleData,
                format!("database {database} {}", String::from_utf8_lossy(key)),
                "its values were not searched for addresses",
            )),
        }
    }
    let values: Vec<Value> = client.ask_all("reading keys", &ask).await?;
    for (key, value) in read.into_iter().zip(&values) {
        let found: Vec<_> = addresses
            .iter()
            .filter(|address| {
                holds(value, address) || named_in(key, std::slice::from_ref(address)).next().is_some()
            })
            .collect();
        search.traces.extend(found.into_iter().map(|address| Trace {
            subject: format!("database {database}"),
            key: Some(format!("key={}", String::from_utf8_lossy(key))),
            address: address.clone(),
        }));
    }
    Ok(())
}

/// The command that reads the whole value of a key.
fn reading(kind: &str, key: &[u8]) -> Option<Cmd> {
    let of = |name: &str, rest: &[&str]| {
        let mut command = cmd(name);
        command.arg(key).arg(rest);
        Some(command)
    };
    match kind {
        "string" => of("GET", &[]),
        "hash" => of("HGETALL", &[]),
        "list" => of("LRANGE", &["0", "-1"]),
        "set" => of("SMEMBERS", &[]),
        "zset" => of("ZRANGE", &["0", "-1"]),
        "stream" => of("XRANGE", &["-", "+"]),
        _ => None,
    }
}

/// Whether a text in an answer contains an address.
fn holds(value: &Value, address: &String) -> bool {
    match value {
        Value::BulkString(bytes) => named_in(bytes, std::slice::from_ref(address)).next().is_some(),
        Value::Array(parts) | Value::Set(parts) => parts.iter().any(|part| holds(part, address)),
        Value::Map(pairs) => pairs.iter().any(|(key, part)| holds(key, address) || holds(part, address)),
        _ => false,
    }
}
