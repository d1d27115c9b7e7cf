//! Judge that asks the questions of the runbook and of the user.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{PgConnection, Row as _};

use super::{Expectation, Opinion, Oracle};
use crate::error::{Context as _, Result};
use crate::model::{Finding, FindingCode};
use crate::stores::postgres::PostgresServer;

/// A question to the restored database, with the answer that it must give.
#[derive(Debug, Clone)]
pub struct IntegrityQuery {
    /// Its name in reports.
    pub name: String,
    /// A query of one row and one column.
    pub sql: String,
    /// The answer.
    pub expect: Expectation,
    /// The expectation as it was written, for reports.
    pub expect_text: String,
}

/// Asks integrity queries, each in a read-only transaction of its own with a time limit.
pub struct IntegrityQueries<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
    /// The database to ask.
    pub database: &'a str,
    /// The questions.
    pub queries: &'a [IntegrityQuery],
    /// How long each may take.
    pub timeout: Duration,
}

#[async_trait]
impl Oracle for IntegrityQueries<'_> {
    fn name(&self) -> &'static str {
        "integrity"
    }

    async fn judge(&self) -> Result<Opinion> {
        if self.queries.is_empty() {
            return Err(crate::Error::could_not_verify("there are no integrity queries to ask")
                .hint("add some to [[postgres.query]] in comeback.toml"));
        }
        let mut connection = self.server.connect(self.database).await?;
        let mut findings = Vec::new();
        for query in self.queries {
            findings.extend(self.ask(&mut connection, query).await?);
        }
        Ok(Opinion::new(format!("asked {} questions of the runbook", self.queries.len()), findings))
    }
}

impl IntegrityQueries<'_> {
    /// A question that cannot be answered is a finding too: it could be, before the disaster.
    async fn ask(&self, connection: &mut PgConnection, query: &IntegrityQuery) -> Result<Option<Finding>> {
        // Its error is what the server will complain about in its log: that complaint is explained by this finding.
        let begin = format!(
            "begin read only; set local search_path = default; set local statement_timeout = {}; \
             set local log_min_messages = 'panic'",
            self.timeout.as_millis()
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(begin))
            .execute(&mut *connection)
            .await
            .context("beginning to read")?;
        let answer = answer(connection, query).await;
        sqlx::raw_sql("rollback").execute(connection).await.context("ending the reading")?;
        let (met, actual) = match answer {
            Err(error) => (false, format!("an error: {error}")),
            Ok(Answer::Age(Some(age_s))) => {
                (query.expect.is_met_by_age(age_s), format!("an age of {age_s:.0} s"))
            }
            Ok(Answer::Age(None)) => (false, "no instant at all".to_owned()),
            Ok(Answer::Text(text)) => {
                (query.expect.is_met_by(text.as_deref()), text.unwrap_or("NULL".to_owned()))
            }
        };
        let finding = || {
            Finding::new(FindingCode::IntegrityQuery, &query.name, &query.expect_text, actual).remedy(
                format!("ask it yourself: {}", query.sql.split_whitespace().collect::<Vec<_>>().join(" ")),
            )
        };
        Ok((!met).then(finding))
    }
}

enum Answer {
    Text(Option<String>),
    Age(Option<f64>),
}

async fn answer(connection: &mut PgConnection, query: &IntegrityQuery) -> sqlx::Result<Answer> {
    let inner = query.sql.trim().trim_end_matches(';');
    if query.expect.wants_age() {
        // Against the server's own clock: the answer was written by a server, too.
        let sql = format!(
            "select extract(epoch from clock_timestamp() - (select * from ({inner}\n) q)::timestamptz)::float8"
        );
        return Ok(Answer::Age(
            sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)?,
        ));
    }
    let sql = format!("select (select * from ({inner}\n) q)::text");
    Ok(Answer::Text(sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(connection).await?.try_get(0)?))
}
