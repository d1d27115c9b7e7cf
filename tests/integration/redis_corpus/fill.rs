//! A keyspace with every type.

use crate::kit::rdb_bench::Server;

/// Settings that keep everything in its plainest encoding, and settings that pack everything.
pub(crate) const SMALL: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "1"),
    ("zset-max-listpack-entries", "1"),
    ("set-max-listpack-entries", "1"),
    ("set-max-intset-entries", "2"),
    ("list-max-listpack-size", "2"),
    ("list-compress-depth", "1"),
    ("stream-node-max-entries", "2"),
    ("rdbcompression", "no"),
    ("maxmemory-policy", "allkeys-lru"),
];
pub(crate) const LARGE: &[(&str, &str)] = &[
    ("hash-max-listpack-entries", "100000"),
    ("hash-max-listpack-value", "100000"),
    ("zset-max-listpack-entries", "100000"),
    ("zset-max-listpack-value", "100000"),
    ("set-max-listpack-entries", "100000"),
    ("set-max-listpack-value", "100000"),
    ("set-max-intset-entries", "100000"),
    ("list-max-listpack-size", "-5"),
    ("stream-node-max-entries", "10000"),
    ("stream-node-max-bytes", "1000000"),
    ("maxmemory-policy", "allkeys-lfu"),
];
pub(crate) const USUAL: &[(&str, &str)] = &[];
/// Settings that a server accepts only at its start.
pub(crate) const UNCHECKED: &[(&str, &str)] = &[("rdbchecksum", "no")];

/// Instants in 2096, which no test reaches.
const EXPIRY: u64 = 4_000_000_000_000;

/// Words of every length with its own encoding, compressible and not.
fn word(seed: usize, length: usize) -> Vec<u8> {
    let bytes = (0..length).map(|at| match seed % 3 {
        0 => b"abc"[at % 3],
        1 => ((seed * 31 + at * at * 7919 + at / 3 * 104_729) >> 3).to_le_bytes()[0],
        _ => b"0123456789"[(seed + at) % 10],
    });
    bytes.collect()
}

/// Integers at the limits of every encoding, as text, and texts that only look like numbers.
fn odd_words() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    for bits in [0, 4, 6, 7, 8, 12, 13, 15, 16, 23, 24, 31, 32, 62, 63] {
        for around in -1..=1 {
            let number = (1_i128 << bits) + around;
            words.push(number.to_string().into_bytes());
            words.push((-number).to_string().into_bytes());
        }
    }
    words.extend(["", "-0", "00", "+1", " 1", "1.0", "1e3", "9223372036854775808"].map(Into::into));
    words.sort();
    words.dedup();
    words
}

/// Words of growing length. The caller decides the order of insertion.
fn long_words() -> Vec<Vec<u8>> {
    let lengths =
        [1, 5, 20, 21, 63, 64, 65, 127, 128, 253, 254, 255, 300, 4_095, 4_096, 16_383, 16_384, 70_000];
    lengths.iter().enumerate().map(|(seed, length)| word(seed, *length)).collect()
}

/// Fills the server. `reversed` inserts everything whose order does not matter in the opposite order.
pub(crate) async fn fill(server: &mut Server<'_>, reversed: bool) {
    let turn = |mut words: Vec<Vec<u8>>| {
        if reversed {
            words.reverse();
        }
        words
    };
    for database in if reversed { [11, 1, 0] } else { [0, 1, 11] } {
        server.run(&format!("SELECT {database}")).await;
        for (number, words) in
            [odd_words(), long_words(), [odd_words(), long_words()].concat()].into_iter().enumerate()
        {
            let words = turn(words);
            collections(server, number, &words, reversed).await;
        }
        let words = turn([odd_words(), long_words(), vec![word(0, 3_000_000), word(1, 200_000)]].concat());
        for value in &words {
            let key =
                [b"string:", &value[..value.len().min(300)], value.len().to_string().as_bytes()].concat();
            server.ask::<()>(&[b"SET", &key, value]).await;
        }
        let numbers = turn((0..2_000).map(|n: i64| (n * n * n - 7).to_string().into_bytes()).collect());
        let add: Vec<&[u8]> =
            [&b"SADD"[..], b"set:numbers"].into_iter().chain(numbers.iter().map(|n| &n[..])).collect();
        server.ask::<()>(&add).await;
        streams(server).await;
        expiries(server).await;
    }
    server.run("SELECT 0").await;
    for library in ["one", "two"] {
        let code =
            format!("#!lua name={library}\nredis.register_function('{library}_f', function() return 1 end)");
        server.ask::<()>(&[b"FUNCTION", b"LOAD", code.as_bytes()]).await;
    }
}

/// A keyspace of some tens of kilobytes, with every type.
pub(crate) async fn fill_little(server: &mut Server<'_>) {
    let words: Vec<_> =
        [odd_words(), long_words()].concat().into_iter().filter(|word| word.len() < 400).collect();
    collections(server, 0, &words, false).await;
    collections(server, 1, &words[..5], false).await;
    for (number, value) in words.iter().enumerate() {
        server.ask::<()>(&[b"SET", format!("string:{number}").as_bytes(), value]).await;
    }
    for number in 0..300 {
        server.run(&format!("SADD set:numbers {}", number * number * 31)).await;
    }
    streams(server).await;
    expiries(server).await;
    server.run("SELECT 7").await;
    expiries(server).await;
    server.run("SELECT 0").await;
    let code = "#!lua name=one\nredis.register_function('one_f', function() return 1 end)";
    server.ask::<()>(&[b"FUNCTION", b"LOAD", code.as_bytes()]).await;
}

/// A list, a set, a sorted set and a hash of words.
async fn collections(server: &mut Server<'_>, number: usize, words: &[Vec<u8>], reversed: bool) {
    let key = |kind: &str| format!("{kind}:{number}").into_bytes();
    let push: &[u8] = if reversed { b"LPUSH" } else { b"RPUSH" };
    for word in words {
        server.ask::<()>(&[push, &key("list"), word]).await;
        server.ask::<()>(&[b"SADD", &key("set"), word]).await;
        server.ask::<()>(&[b"HSET", &key("hash"), word, word]).await;
        server.ask::<()>(&[b"ZADD", &key("ranks"), score(word).as_bytes(), word]).await;
    }
}

/// Scores of every kind: integers, fractions that need all their digits, infinities, zeros of both signs.
fn score(word: &[u8]) -> String {
    let sum = word.iter().map(|byte| u64::from(*byte)).sum::<u64>() + word.len() as u64;
    match sum % 8 {
        0 => "inf".to_owned(),
        1 => "-inf".to_owned(),
        2 => "-0.0".to_owned(),
        3 => format!("{}", sum as f64 / 7.0),
        4 => format!("{:e}", 1e300 / sum as f64),
        5 => (sum << 44).to_string(),
        6 => format!("-{sum}"),
        _ => format!("{}", 0.1 + sum as f64),
    }
}

async fn streams(server: &mut Server<'_>) {
    for key in ["stream:same", "stream:other"] {
        for number in 1..=30_u32 {
            let fields = if key == "stream:same" || number % 3 == 0 {
                format!("user u{number} at {}", number * 1000)
            } else {
                format!("f{number} {} g -{number} h {}", "long".repeat(30), u64::MAX)
            };
            server.run(&format!("XADD {key} {}-{} {fields}", number / 4 + 1, number)).await;
        }
    }
    server.run("XDEL stream:same 1-2 3-8 8-30").await;
    server.run("XTRIM stream:other MAXLEN 25").await;
    for group in ["g1", "g2", "g3"] {
        server.run(&format!("XGROUP CREATE stream:same {group} 0")).await;
    }
    server.run("XGROUP CREATE stream:other gone 3-9 ENTRIESREAD 9").await;
    server.run("XREADGROUP GROUP g1 alice COUNT 5 STREAMS stream:same >").await;
    server.run("XREADGROUP GROUP g1 bob COUNT 7 STREAMS stream:same >").await;
    server.run("XREADGROUP GROUP g1 alice COUNT 2 STREAMS stream:same 0").await;
    server.run("XREADGROUP GROUP g2 carol COUNT 100 STREAMS stream:same >").await;
    server.run("XACK stream:same g1 1-3 3-9").await;
    server.run("XGROUP CREATECONSUMER stream:same g3 idle").await;
    for group in ["g1", "g2"] {
        pin_deliveries(server, "stream:same", group).await;
    }
    // Pending, and no longer there.
    server.run("XDEL stream:same 2-7").await;
    server.run("XGROUP CREATE stream:empty g $ MKSTREAM").await;
    server.run("XADD stream:drained 5-1 a b").await;
    server.run("XDEL stream:drained 5-1").await;
}

/// Gives each delivery its own time, the same one on every server.
async fn pin_deliveries(server: &mut Server<'_>, key: &str, group: &str) {
    let range: [&[u8]; 6] = [b"XPENDING", key.as_bytes(), group.as_bytes(), b"-", b"+", b"1000"];
    let pending: Vec<(String, String, u64, u64)> = server.ask(&range).await;
    for (number, (at, consumer, _, _)) in pending.into_iter().enumerate() {
        let time = 1_600_000_000_000 + number * 1_000;
        server.run(&format!("XCLAIM {key} {group} {consumer} 0 {at} TIME {time} JUSTID")).await;
    }
}

async fn expiries(server: &mut Server<'_>) {
    for number in 0..50_u64 {
        let at = EXPIRY + number * 86_400_000;
        server.run(&format!("SET session:{number} v{number} PXAT {at}")).await;
    }
    server.run("HSET hash:expires a 1 b 2").await;
    server.run(&format!("PEXPIREAT hash:expires {EXPIRY}")).await;
}

/// Fields with their own expiry. Returns false if the server does not support it.
pub(crate) async fn fill_expiring_fields(server: &mut Server<'_>) -> bool {
    for size in [2, 300] {
        for field in 0..size {
            server.run(&format!("HSET fields:{size} f{field} {field}")).await;
        }
        for field in (0..size).step_by(2) {
            let (at, key) = (EXPIRY + field * 1_000, format!("fields:{size}"));
            let line = format!("HPEXPIREAT {key} {at} FIELDS 1 f{field}");
            let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
            if server.try_ask::<redis::Value>(&words).await.is_err() {
                server.run("DEL fields:2 fields:300").await;
                return false;
            }
        }
    }
    true
}
