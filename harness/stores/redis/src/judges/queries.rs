//! Judge that asks the user's commands of a restored server.

use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::{
    AnswerRows, Expectation, Finding, FindingCode, NotLookedAt, RedisQuery, ScopeKind, Snapshot,
};
use jiff::Timestamp;
use redis::{Value, cmd};

use crate::{RedisAddress, RedisClient};

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// The flag of commands that write nothing, in the answer to `COMMAND INFO`.
const READ_ONLY: &str = "readonly";
/// Why an answer is not judged.
const RECORDED: &str = "its answer is recorded, for later restores to be compared with";
const NO_SNAPSHOT: &str = "it has no snapshot, or has changed since that was taken: take one with --record";
/// How many rows a finding shows.
const SHOWN: usize = 5;

/// Asks the user's commands, each on the database that it names. A command that the server does not call read-only
/// is not sent.
///
/// A command that cannot run says nothing about the data. If there are only such commands and no wrong answers, the
/// judge could not verify. Beside wrong answers, they are listed as not looked at.
pub struct RedisQueries<'a> {
    /// The restored server.
    pub server: &'a RedisAddress,
    /// The commands.
    pub queries: &'a [RedisQuery],
    /// Takes the answers of commands that expect a snapshot and have none; without it they cannot be judged.
    pub record: Option<&'a RecordSlot>,
}

/// An answer.
enum Answer {
    /// One value, or nothing.
    One(Option<String>),
    /// The elements of a collection, each a row of one value; of a map, a row of field and value.
    Rows(AnswerRows),
}

#[async_trait]
impl Judge for RedisQueries<'_> {
    fn name(&self) -> &'static str {
        "queries"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut findings, mut complaints, mut recorded) = (Vec::new(), Vec::new(), Vec::new());
        for query in self.queries {
            match self.ask(query).await {
                Ok(Answer::Rows(rows)) if query.expect == Expectation::Snapshot => match self.record {
                    Some(slot) => {
                        slot.answer(&query.name, Snapshot { asked: query.asked(), rows });
                        recorded.push(query);
                    }
                    None => complaints.push((query.name.as_str(), NO_SNAPSHOT.to_owned())),
                },
                Ok(answer) => findings.extend(self.compare(query, &answer).await?),
                Err(error) => complaints.push((query.name.as_str(), error.message().to_owned())),
            }
        }
        if findings.is_empty() && !complaints.is_empty() {
            let texts: Vec<_> =
                complaints.iter().map(|(name, what)| format!("query \"{name}\": {what}")).collect();
            return Err(Error::could_not_verify(texts.join("; "))
                .hint("correct it in the settings; a command of one's own must read and give one value"));
        }
        let unasked = complaints.iter().map(|(name, what)| NotLookedAt::new(ScopeKind::Query, *name, what));
        let asked = self.queries.len() - complaints.len() - recorded.len();
        let recorded =
            recorded.into_iter().map(|query| NotLookedAt::new(ScopeKind::Query, &query.name, RECORDED));
        Ok(Opinion::new(
            format!("{asked} commands answered, {} as expected", asked - findings.len()),
            findings,
        )
        .not_looked_at(unasked)
        .not_looked_at(recorded))
    }
}

impl RedisQueries<'_> {
    async fn ask(&self, query: &RedisQuery) -> Result<Answer> {
        let Some((name, arguments)) = query.command.split_first() else {
            return Err(Error::could_not_verify("it is empty"));
        };
        let client = RedisClient::connect(self.server, query.database).await?;
        let info: Value = client.ask(cmd("COMMAND").arg("INFO").arg(name)).await?;
        match flags(&info) {
            None => return Err(Error::could_not_verify(format!("the server knows no command {name}"))),
            Some(flags) if !flags.iter().any(|flag| flag == READ_ONLY) => {
                return Err(Error::could_not_verify(format!("the server does not call {name} read-only")));
            }
            Some(_) => {}
        }
        let mut command = cmd(name);
        for argument in arguments {
            command.arg(argument);
        }
        let asked = wait::at_most("the answer", LIMIT, client.ask::<Value>(&command));
        let answer = asked.await??;
        if query.expect.wants_rows() {
            rows(&answer).map(Answer::Rows)
        } else {
            text(&answer).map(Answer::One)
        }
    }

    async fn compare(&self, query: &RedisQuery, answer: &Answer) -> Result<Option<Finding>> {
        let answer = match answer {
            Answer::One(answer) => answer.as_deref(),
            Answer::Rows(rows) if query.expect.is_met_by_rows(rows) => return Ok(None),
            Answer::Rows(rows) => return Ok(Some(finding(query, &rows_text(rows)))),
        };
        let is_met = if query.expect.wants_age() {
            let now_ms = RedisClient::connect(self.server, query.database).await?.now_ms().await?;
            answer.and_then(|at| age_s(at, now_ms)).is_some_and(|age| query.expect.is_met_by_age(age))
        } else {
            query.expect.is_met_by(answer)
        };
        Ok((!is_met).then(|| finding(query, answer.unwrap_or("nothing"))))
    }
}

fn finding(query: &RedisQuery, actual: &str) -> Finding {
    Finding::new(FindingCode::IntegrityQuery, &query.name, &query.expect_text, actual)
        .remedy("find out whether the source has the same fault, or the backup alone")
}

/// Rows as they are written in an expectation, the first few of them.
fn rows_text(rows: &[Vec<Option<String>>]) -> String {
    let shown = serde_json::json!(rows[..rows.len().min(SHOWN)]);
    if rows.len() > SHOWN {
        format!("{} rows, beginning with {shown}", rows.len())
    } else {
        shown.to_string()
    }
}

/// The flags of the command in an answer to `COMMAND INFO`; `None` if the server does not know it.
fn flags(info: &Value) -> Option<Vec<String>> {
    let Value::Array(commands) = info else { return None };
    let Some(Value::Array(first)) = commands.first() else { return None };
    let (Value::Array(flags) | Value::Set(flags)) = first.get(2)? else { return None };
    let text = |flag: &Value| match flag {
        Value::SimpleString(text) => Some(text.clone()),
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    Some(flags.iter().filter_map(text).collect())
}

/// An answer of one value as text; `None` for nothing.
fn text(answer: &Value) -> Result<Option<String>> {
    Ok(Some(match answer {
        Value::Nil => return Ok(None),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Boolean(is_so) => u8::from(*is_so).to_string(),
        Value::SimpleString(text) => text.clone(),
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Array(values) | Value::Set(values) => {
            return Err(Error::could_not_verify(format!("it gave {} values and not one", values.len())));
        }
        _ => return Err(Error::could_not_verify("it gave no single value")),
    }))
}

/// An answer as rows.
fn rows(answer: &Value) -> Result<AnswerRows> {
    match answer {
        Value::Nil => Ok(Vec::new()),
        Value::Array(values) | Value::Set(values) => values.iter().map(row).collect(),
        Value::Map(pairs) => {
            pairs.iter().map(|(field, value)| Ok(vec![text(field)?, text(value)?])).collect()
        }
        one => Ok(vec![vec![text(one)?]]),
    }
}

fn row(value: &Value) -> Result<Vec<Option<String>>> {
    match value {
        Value::Array(values) | Value::Set(values) => values.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

/// The age of a time: seconds or milliseconds since 1970, or as RFC 3339 writes it.
fn age_s(at: &str, now_ms: u64) -> Option<f64> {
    /// The year 5138 in seconds, and 1973 in milliseconds.
    const LATEST_SECONDS: f64 = 1e11;
    let at_ms = match at.trim().parse::<f64>() {
        Ok(seconds) if seconds < LATEST_SECONDS => seconds * 1_000.0,
        Ok(millis) => millis,
        Err(_) => at.trim().parse::<Timestamp>().ok()?.as_millisecond() as f64,
    };
    Some((now_ms as f64 - at_ms) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_rows_in_every_form() {
        let bytes = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let of = |rows: &[&[&str]]| -> AnswerRows {
            rows.iter().map(|row| row.iter().map(|value| Some((*value).to_owned())).collect()).collect()
        };
        for (answer, wanted) in [
            (Value::Nil, of(&[])),
            (Value::Int(7), of(&[&["7"]])),
            (Value::Set(vec![bytes("a"), bytes("b")]), of(&[&["a"], &["b"]])),
            (Value::Map(vec![(bytes("f"), Value::Double(1.5))]), of(&[&["f", "1.5"]])),
            (Value::Array(vec![Value::Array(vec![bytes("a"), Value::Int(1)])]), of(&[&["a", "1"]])),
        ] {
            assert_eq!(rows(&answer).unwrap(), wanted, "{answer:?}");
        }
        let nested = Value::Array(vec![Value::Array(vec![Value::Array(Vec::new())])]);
        assert!(rows(&nested).is_err());
    }

    #[test]
    fn a_time_is_read_in_every_form() {
        let now_ms = 1_700_000_060_000;
        for at in ["1700000000", "1700000000000", "2023-11-14T22:13:20Z"] {
            assert_eq!(age_s(at, now_ms), Some(60.0), "{at}");
        }
        assert_eq!(age_s("yesterday", now_ms), None);
    }
}
