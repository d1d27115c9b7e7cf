//! Judge that asks the integrity queries of the runbook and the user.

use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Expectation, Finding, IntegrityQuery, NotLookedAt, ScopeKind, Snapshot};

use super::question::{Answer, Unanswered, ask, complaint, finding, unasked};
use crate::PostgresAddress;
use crate::error::{Error, Result};

/// Asks integrity queries, each in its own read-only transaction with a time limit.
///
/// A query that cannot run says nothing about the data. If there are only such queries and no wrong answers,
/// the judge could not verify. Beside wrong answers, they are listed as not looked at.
pub struct IntegrityQueries<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The database to ask.
    pub database: &'a str,
    /// The queries.
    pub queries: &'a [IntegrityQuery],
    /// The time limit for each query.
    pub timeout: Duration,
    /// Takes the answers of queries that expect a snapshot and have none; without it they cannot be judged.
    pub record: Option<&'a RecordSlot>,
}

#[async_trait]
impl Judge for IntegrityQueries<'_> {
    fn name(&self) -> &'static str {
        "integrity"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Asked { findings, complaints, recorded } = self.ask_all().await?;
        if findings.is_empty() && !complaints.is_empty() {
            let texts: Vec<_> = complaints.iter().map(|(query, what)| complaint(query, what)).collect();
            return Err(unasked(&texts));
        }
        let asked = self.queries.len() - complaints.len() - recorded.len();
        let unasked = match complaints.len() {
            0 => String::new(),
            count => format!("; {count} could not be asked"),
        };
        let summary = format!("asked {asked} questions of the runbook{unasked}");
        let recorded = recorded.into_iter().map(|query| (query, RECORDED.to_owned()));
        let left_out =
            |(query, what): (&IntegrityQuery, String)| NotLookedAt::new(ScopeKind::Query, &query.name, what);
        Ok(Opinion::new(summary, findings)
            .not_looked_at(complaints.into_iter().chain(recorded).map(left_out)))
    }
}

/// The results: wrong answers, and the queries that could not run, with the reason.
struct Asked<'a> {
    findings: Vec<Finding>,
    complaints: Vec<(&'a IntegrityQuery, String)>,
    /// Queries whose answers were recorded, and not judged.
    recorded: Vec<&'a IntegrityQuery>,
}

/// Why an answer is not judged.
const RECORDED: &str = "its answer is recorded, for later restores to be compared with";
const NO_SNAPSHOT: &str = "it has no snapshot, or has changed since that was taken: take one with --record";

impl IntegrityQueries<'_> {
    /// Runs every query on the intact server and ignores the answers: a query that fails before the disaster
    /// is itself at fault.
    pub async fn rehearse(&self) -> Result<()> {
        let asked = self.ask_all().await?;
        let texts: Vec<_> = asked.complaints.iter().map(|(query, what)| complaint(query, what)).collect();
        if texts.is_empty() { Ok(()) } else { Err(unasked(&texts)) }
    }

    async fn ask_all(&self) -> Result<Asked<'_>> {
        if self.queries.is_empty() {
            return Err(Error::could_not_verify("there are no integrity queries to ask")
                .hint("add some to [[postgres.query]] in comeback.toml"));
        }
        let mut connection = self.server.connect(self.database).await?;
        let mut asked = Asked { findings: Vec::new(), complaints: Vec::new(), recorded: Vec::new() };
        for query in self.queries {
            match ask(&mut connection, query, self.timeout).await? {
                Ok(Answer::Rows(rows)) if query.expect == Expectation::Snapshot => match self.record {
                    Some(slot) => {
                        slot.answer(&query.name, Snapshot { asked: query.sql.clone(), rows });
                        asked.recorded.push(query);
                    }
                    None => asked.complaints.push((query, NO_SNAPSHOT.to_owned())),
                },
                Ok(answer) => asked.findings.extend(judge_answer(query, answer)),
                Err(Unanswered::Damage(said)) => {
                    asked.findings.push(finding(query, format!("the server cannot read its data: {said}")));
                }
                Err(Unanswered::Question(what)) => asked.complaints.push((query, what)),
            }
        }
        Ok(asked)
    }
}

fn judge_answer(query: &IntegrityQuery, answer: Answer) -> Option<Finding> {
    let (met, actual) = match answer {
        Answer::Age(Some(age_s)) => (query.expect.is_met_by_age(age_s), format!("an age of {age_s:.0} s")),
        Answer::Rows(rows) => (query.expect.is_met_by_rows(&rows), rows_text(&rows)),
        Answer::Age(None) => (false, "no instant at all".to_owned()),
        Answer::Text(text) => {
            (query.expect.is_met_by(text.as_deref()), text.unwrap_or_else(|| "NULL".to_owned()))
        }
    };
    (!met).then(|| finding(query, actual))
}

/// Rows as they are written in an expectation, the first few of them.
fn rows_text(rows: &[Vec<Option<String>>]) -> String {
    const SHOWN: usize = 5;
    let shown = serde_json::to_string(&rows[..rows.len().min(SHOWN)]).unwrap_or_default();
    if rows.len() > SHOWN { format!("{} rows, beginning with {shown}", rows.len()) } else { shown }
}
