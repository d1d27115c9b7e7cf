//! Jobs in queues: what each of them names in another store.

use std::collections::BTreeMap;

use comeback_error::Result;
use redis::cmd;

use super::fields::text;
use super::{RedisAddress, RedisClient};

/// How many jobs a server is asked for at a time.
const PIECE: usize = 1_000;

/// The entries of a stream.
type Entries = Vec<(String, BTreeMap<String, Vec<u8>>)>;

/// Reads a field of the jobs in a stream, in database 0 of a server that nobody writes to: of the entries that a group of
/// consumers has not acknowledged; of all of them if there is no such group. `None` for an entry without the field.
pub async fn read_stream_jobs(
    server: &RedisAddress,
    stream: &str,
    group: &str,
    field: &str,
) -> Result<Vec<(String, Option<String>)>> {
    let client = RedisClient::connect(server, 0).await?;
    let mut entries = Entries::new();
    let mut from = "-".to_owned();
    if let Some(delivered) = last_delivered(&client, stream, group).await? {
        entries = pending(&client, stream, group).await?;
        from = format!("({delivered}");
    }
    loop {
        let mut range = cmd("XRANGE");
        range.arg(stream).arg(&from).arg("+").arg("COUNT").arg(PIECE);
        let piece: Entries = client.ask(&range).await?;
        let Some((last, _)) = piece.last() else { break };
        from = format!("({last}");
        entries.extend(piece);
    }
    let job = |(id, fields): (String, BTreeMap<String, Vec<u8>>)| {
        (format!("{stream} {id}"), fields.get(field).map(|value| text(value)))
    };
    Ok(entries.into_iter().map(job).collect())
}

/// The last entry that a group was given; `None` if there is no such group.
async fn last_delivered(client: &RedisClient, stream: &str, group: &str) -> Result<Option<String>> {
    if client.ask::<u64>(cmd("EXISTS").arg(stream)).await? == 0 {
        return Ok(None);
    }
    let groups: Vec<BTreeMap<String, redis::Value>> =
        client.ask(cmd("XINFO").arg("GROUPS").arg(stream)).await?;
    let word = |fields: &BTreeMap<String, redis::Value>, name: &str| {
        fields.get(name).and_then(|value| redis::from_redis_value::<String>(value.clone()).ok())
    };
    let own = groups.iter().find(|fields| word(fields, "name").as_deref() == Some(group));
    Ok(own.and_then(|fields| word(fields, "last-delivered-id")))
}

/// The entries that a group was given and has not acknowledged. One that was deleted since is no job.
async fn pending(client: &RedisClient, stream: &str, group: &str) -> Result<Entries> {
    let (mut entries, mut from) = (Entries::new(), "-".to_owned());
    loop {
        let mut range = cmd("XPENDING");
        range.arg(stream).arg(group).arg(&from).arg("+").arg(PIECE);
        let given: Vec<(String, String, u64, u64)> = client.ask(&range).await?;
        let Some((last, ..)) = given.last() else { return Ok(entries) };
        from = format!("({last}");
        let mut pipe = redis::pipe();
        for (id, ..) in &given {
            pipe.cmd("XRANGE").arg(stream).arg(id).arg(id);
        }
        let found: Vec<Entries> = client.ask_all(&format!("reading {stream}"), &pipe).await?;
        entries.extend(found.into_iter().flatten());
    }
}

/// Reads a field of the jobs in a list of JSON objects, in database 0 of a server that nobody writes to. `None` for one
/// without the field.
pub async fn read_list_jobs(
    server: &RedisAddress,
    list: &str,
    field: &str,
) -> Result<Vec<(String, Option<String>)>> {
    let client = RedisClient::connect(server, 0).await?;
    let mut jobs = Vec::new();
    loop {
        let (start, end) = (jobs.len(), jobs.len() + PIECE - 1);
        let piece: Vec<Vec<u8>> = client.ask(cmd("LRANGE").arg(list).arg(start).arg(end)).await?;
        if piece.is_empty() {
            return Ok(jobs);
        }
        let job = |(at, json): (usize, Vec<u8>)| (format!("{list} {at}"), field_of(&json, field));
        jobs.extend((start..).zip(piece).map(job));
    }
}

fn field_of(json: &[u8], field: &str) -> Option<String> {
    let job: serde_json::Value = serde_json::from_slice(json).ok()?;
    match job.get(field)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_job_is_read_as_text() {
        let of = |json: &str| field_of(json.as_bytes(), "to");
        assert_eq!(of(r#"{"to":17,"trip":1}"#).as_deref(), Some("17"));
        assert_eq!(of(r#"{"to":"17"}"#).as_deref(), Some("17"));
        assert_eq!([of(r#"{"to":null}"#), of(r#"{"trip":1}"#), of("to"), of("")], [None, None, None, None]);
    }
}
