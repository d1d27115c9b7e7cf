//! Keys of a kind: what is there, and what they say of something in another store.

use std::collections::BTreeMap;

use comeback_error::Result;
use redis::cmd;

use super::{RedisAddress, RedisClient};

/// How many keys a server is asked for at a time.
const PIECE: usize = 1_000;

/// Reads a field of every hash whose key begins with `prefix`, in database 0 of a server that nobody writes to. `None`
/// for a hash without the field. Keys that are no text are shown with stand-ins.
pub async fn read_hash_field(
    server: &RedisAddress,
    prefix: &str,
    field: &str,
) -> Result<Vec<(String, Option<String>)>> {
    let client = RedisClient::connect(server, 0).await?;
    let pattern = format!("{prefix}*");
    let keys = scan(&client, &pattern, Some("hash")).await?;
    let mut fields = Vec::with_capacity(keys.len());
    for piece in keys.chunks(PIECE) {
        let mut pipe = redis::pipe();
        for key in piece {
            pipe.cmd("HGET").arg(key).arg(field);
        }
        let values: Vec<Option<Vec<u8>>> =
            client.ask_all(&format!("reading {field} of {pattern}"), &pipe).await?;
        fields.extend(piece.iter().zip(values).map(|(key, value)| (text(key), value.as_deref().map(text))));
    }
    Ok(fields)
}

/// The names of the keys that begin with `prefix`, sorted, in database 0 of a server that nobody writes to. Names that
/// are no text are shown with stand-ins.
pub async fn read_key_names(server: &RedisAddress, prefix: &str) -> Result<Vec<String>> {
    let client = RedisClient::connect(server, 0).await?;
    let keys = scan(&client, &format!("{prefix}*"), None).await?;
    Ok(keys.iter().map(|key| text(key)).collect())
}

/// How many keys there are of each kind, in all databases. The kind of a key is the word before its first colon; keys
/// without one are counted together, under an empty name.
pub async fn count_kinds(server: &RedisAddress) -> Result<BTreeMap<String, u64>> {
    let mut kinds = BTreeMap::new();
    for database in RedisClient::connect(server, 0).await?.key_counts().await?.into_keys() {
        let client = RedisClient::connect(server, database).await?;
        for key in scan(&client, "*", None).await? {
            *kinds.entry(kind_of(&key).to_owned()).or_default() += 1;
        }
    }
    Ok(kinds)
}

fn kind_of(key: &[u8]) -> &str {
    let text = key.split(|byte| *byte == b':').next().and_then(|start| std::str::from_utf8(start).ok());
    let is_word = |word: &&str| word.len() < key.len() && word.chars().all(char::is_alphanumeric);
    text.filter(is_word).unwrap_or_default()
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The keys of a kind whose names match a pattern, sorted.
async fn scan(client: &RedisClient, pattern: &str, kind: Option<&str>) -> Result<Vec<Vec<u8>>> {
    let (mut cursor, mut keys) = (0_u64, Vec::<Vec<u8>>::new());
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PIECE);
        if let Some(kind) = kind {
            scan.arg("TYPE").arg(kind);
        }
        let (next, found): (u64, Vec<Vec<u8>>) = client.ask(&scan).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_a_key_is_the_word_before_its_first_colon() {
        for (key, kind) in [("session:1", "session"), ("cache:page:7", "cache"), ("Fährte:x", "Fährte")] {
            assert_eq!(kind_of(key.as_bytes()), kind);
        }
        for key in [&b"session"[..], b"a b:c", b":c", b"", b"\xff:c"] {
            assert_eq!(kind_of(key), "", "{key:?}");
        }
    }
}
