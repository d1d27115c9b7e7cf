//! Asks a database one integrity query, and locates the error in a query that cannot run.

use std::time::Duration;

use comeback_model::{AnswerRows, Finding, FindingCode, IntegrityQuery};
use sqlx::postgres::{PgDatabaseError, PgErrorPosition};
use sqlx::{
    AssertSqlSafe, Executor as _, PgConnection, Row as _, SqlSafeStr as _, Statement as _, ValueRef as _,
};

use crate::error::{Context as _, Error, Result};

/// An answer.
pub(super) enum Answer {
    /// One value as text, or NULL.
    Text(Option<String>),
    /// The age of an instant in seconds, or NULL.
    Age(Option<f64>),
    /// All rows.
    Rows(AnswerRows),
}

/// Why there is no answer.
pub(super) enum Unanswered {
    /// The query cannot run. This says nothing about the data.
    Question(String),
    /// The server could not read its own data.
    Damage(String),
}

/// SQLSTATEs for a query that exceeds its limit or returns several rows. Source: PostgreSQL's errcodes.txt.
const TIMED_OUT: &str = "57014";
const SEVERAL_ROWS: &str = "21000";
/// SQLSTATE of a query that no server can parse.
const SYNTAX: &str = "42601";
/// Most rows that are compared with an expected set.
const MOST_ROWS: usize = 1000;

/// Runs one query in its own read-only transaction, with a time limit.
pub(super) async fn ask(
    connection: &mut PgConnection,
    query: &IntegrityQuery,
    timeout: Duration,
) -> Result<Result<Answer, Unanswered>> {
    // Errors are reported here. They must not appear in the server's log as well, where another judge would
    // find them. If we log in as an ordinary role, no judge reads the server's log.
    let begin = format!(
        "begin read only; set local statement_timeout = {}; \
         select set_config('log_min_messages', 'panic', true) from pg_roles where rolname = current_user and rolsuper; \
         set local search_path = default",
        timeout.as_millis()
    );
    sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection).await.context("beginning to read")?;
    let answer = match prepare(connection, query).await {
        Ok(()) => answer(connection, query).await,
        Err(wrong) => Err(wrong),
    };
    let answer = match answer {
        Ok(answer) => Ok(answer),
        Err(Wrong::Shape(what)) => Err(Unanswered::Question(what)),
        Err(Wrong::Server { error, offset }) => {
            Err(explain(query, error, offset, timeout).context(format_args!("asking `{}`", query.name))?)
        }
    };
    sqlx::raw_sql("rollback").execute(connection).await.context("ending the reading")?;
    Ok(answer)
}

/// What went wrong with a query.
enum Wrong {
    /// It does not return exactly one value.
    Shape(String),
    /// The server's error; the query begins `offset` characters into the statement.
    Server { error: sqlx::Error, offset: usize },
}

/// Lets the server parse the query unchanged.
async fn prepare(connection: &mut PgConnection, query: &IntegrityQuery) -> Result<(), Wrong> {
    let prepared = connection.prepare(AssertSqlSafe(query.sql.clone()).into_sql_str()).await;
    let prepared = prepared.map_err(|error| Wrong::Server { error, offset: 0 })?;
    match prepared.columns().len() {
        1.. if query.expect.wants_rows() => Ok(()),
        1 => Ok(()),
        0 => Err(Wrong::Shape("it gives no value".to_owned())),
        several => Err(Wrong::Shape(format!("it gives {several} columns, where one is compared"))),
    }
}

async fn answer(connection: &mut PgConnection, query: &IntegrityQuery) -> Result<Answer, Wrong> {
    let inner = query.sql.trim_end().trim_end_matches(';');
    if query.expect.wants_rows() {
        return rows(connection, inner).await.map(Answer::Rows);
    }
    let wants_age = query.expect.wants_age();
    // The age is measured by the server's clock, because a server wrote the instant.
    let (before, after) = if wants_age {
        ("select extract(epoch from clock_timestamp() - (select * from (", "\n) q)::timestamptz)::float8")
    } else {
        ("select (select * from (", "\n) q)::text")
    };
    let wrong = |error| Wrong::Server { error, offset: before.chars().count() };
    let sql = AssertSqlSafe(format!("{before}{inner}{after}"));
    let row = sqlx::query(sql).fetch_one(connection).await.map_err(wrong)?;
    if wants_age { row.try_get(0).map(Answer::Age) } else { row.try_get(0).map(Answer::Text) }.map_err(wrong)
}

/// All rows of a query as text. The simple protocol sends every value in that form.
async fn rows(connection: &mut PgConnection, inner: &str) -> Result<AnswerRows, Wrong> {
    let (before, after) = ("select * from (", "\n) q");
    let wrong = |error| Wrong::Server { error, offset: before.chars().count() };
    let sql = AssertSqlSafe(format!("{before}{inner}{after} limit {}", MOST_ROWS + 1));
    let rows = sqlx::raw_sql(sql).fetch_all(connection).await.map_err(wrong)?;
    if rows.len() > MOST_ROWS {
        return Err(Wrong::Shape(format!("it gives more than {MOST_ROWS} rows")));
    }
    let value = |row: &sqlx::postgres::PgRow, at: usize| {
        let value = row.try_get_raw(at)?;
        if value.is_null() {
            return Ok(None);
        }
        let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
        Ok(Some(String::from_utf8_lossy(bytes).into_owned()))
    };
    let rows = rows.iter().map(|row| (0..row.len()).map(|at| value(row, at)).collect());
    rows.collect::<sqlx::Result<_>>().map_err(wrong)
}

/// What no server could parse in a query, and where; `None` if it can be parsed. The database may lack
/// everything that the query names.
pub(super) async fn misspelt(
    connection: &mut PgConnection,
    query: &IntegrityQuery,
) -> Result<Option<String>> {
    let prepared = connection.prepare(AssertSqlSafe(query.sql.clone()).into_sql_str()).await;
    let Err(error) = prepared else { return Ok(None) };
    let is_misspelt = error.as_database_error().is_some_and(|said| said.code().as_deref() == Some(SYNTAX));
    if !is_misspelt {
        return Ok(None);
    }
    match explain(query, error, 0, Duration::ZERO).context("parsing the queries")? {
        Unanswered::Question(what) | Unanswered::Damage(what) => Ok(Some(what)),
    }
}

/// What an error of the server means for the query. An error of the connection is returned as it is.
fn explain(
    query: &IntegrityQuery,
    error: sqlx::Error,
    offset: usize,
    timeout: Duration,
) -> Result<Unanswered, sqlx::Error> {
    let sqlx::Error::Database(said) = error else { return Err(error) };
    let Some(said) = said.try_downcast_ref::<PgDatabaseError>() else {
        return Err(sqlx::Error::Database(said));
    };
    // Internal error and system error: the server could not read a page or a file.
    if said.code().starts_with("XX") || said.code().starts_with("58") {
        return Ok(Unanswered::Damage(said.message().to_owned()));
    }
    let what = match said.code() {
        TIMED_OUT => format!("no answer within {} ms", timeout.as_millis()),
        SEVERAL_ROWS => "it gives more than one row, where one value is compared".to_owned(),
        _ => said.message().to_owned(),
    };
    let place = match said.position() {
        Some(PgErrorPosition::Original(position)) => place(&query.sql, position, offset),
        _ => None,
    };
    let place = place.map_or_else(String::new, |(line, column)| format!(", line {line}, column {column}"));
    Ok(Unanswered::Question(format!("{what}{place}")))
}

/// The line and column, both from 1, in the text of a query, for a position in the statement that contains
/// it. `None` if the position is outside of the query.
fn place(sql: &str, position: usize, offset: usize) -> Option<(usize, usize)> {
    let within = position.checked_sub(offset + 1)?;
    if within > sql.chars().count() {
        return None;
    }
    let before: String = sql.chars().take(within).collect();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((before.matches('\n').count() + 1, column))
}

/// The complaint about a query that cannot run.
pub(super) fn complaint(query: &IntegrityQuery, what: &str) -> String {
    format!("query `{}` cannot be asked: {what}", query.name)
}

/// The finding for an answer that differs from the expectation.
pub(super) fn finding(query: &IntegrityQuery, actual: String) -> Finding {
    Finding::new(FindingCode::IntegrityQuery, &query.name, &query.expect_text, actual)
        .remedy(format!("ask it yourself: {}", query.sql.split_whitespace().collect::<Vec<_>>().join(" ")))
}

/// The error for queries that cannot run.
pub(super) fn unasked(complaints: &[String]) -> Error {
    let first = complaints.first().map_or("", String::as_str);
    let more = complaints.len().saturating_sub(1);
    let sentence = if more == 0 { first.to_owned() } else { format!("{first} (and {more} more)") };
    let error = Error::could_not_verify(sentence)
        .hint("correct the query: what it gives has to be one value of one row, within its time limit");
    complaints.iter().skip(1).fold(error, |error, complaint| error.hint(complaint.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_in_the_questions_own_text() {
        let sql = "select ä,\n  * frm t";
        assert_eq!(place(sql, 1, 0), Some((1, 1)));
        assert_eq!(place(sql, 13, 0), Some((2, 3)));
        assert_eq!(place(sql, 13 + 23, 23), Some((2, 3)));
        // The end of the text.
        assert_eq!(place(sql, 20, 0), Some((2, 10)));
        assert_eq!(place(sql, 99, 0), None);
        assert_eq!(place(sql, 20, 23), None);
    }
}
