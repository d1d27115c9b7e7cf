//! A field of many hashes: what keys of a kind say of something in another store.

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
    let (mut cursor, mut keys) = (0_u64, Vec::<Vec<u8>>::new());
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(PIECE).arg("TYPE").arg("hash");
        let (next, found): (u64, Vec<Vec<u8>>) = client.ask(&scan).await?;
        keys.extend(found);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    keys.sort();
    keys.dedup();
    let mut fields = Vec::with_capacity(keys.len());
    for piece in keys.chunks(PIECE) {
        let mut pipe = redis::pipe();
        for key in piece {
            pipe.cmd("HGET").arg(key).arg(field);
        }
        let values: Vec<Option<Vec<u8>>> =
            client.ask_all(&format!("reading {field} of {pattern}"), &pipe).await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        fields.extend(piece.iter().zip(values).map(|(key, value)| (text(key), value.as_deref().map(text))));
    }
    Ok(fields)
}
