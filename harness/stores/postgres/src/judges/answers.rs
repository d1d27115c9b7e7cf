//! Judge of the user's own queries on a restored backup.

use async_trait::async_trait;
use comeback_engine::artefact::RecordSlot;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::wait;
use comeback_model::IntegrityQuery;

use super::integrity::IntegrityQueries;
use super::only::the_database;
use super::question::{complaint, misspelt, unasked};
use crate::PostgresAddress;
use crate::connection::session::close;
use crate::error::{Context as _, Result};

/// Asks the user's queries in the database that the user named, or else in the only one that holds tables.
pub struct AnswerJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The database that the user named.
    pub database: Option<&'a str>,
    /// The queries.
    pub queries: &'a [IntegrityQuery],
    /// Takes the answers of queries that expect a snapshot and have none.
    pub record: Option<&'a RecordSlot>,
}

#[async_trait]
impl Judge for AnswerJudge<'_> {
    fn name(&self) -> &'static str {
        "queries"
    }

    async fn judge(&self) -> Result<Opinion> {
        let database = the_database(self.server, self.database).await?;
        let timeout = wait::limits().query.min(LONGEST);
        let Self { server, queries, record, .. } = *self;
        let asked = IntegrityQueries { server, database: &database, queries, timeout, record };
        let opinion = asked.judge().await?;
        let summary = opinion.summary.replace("questions of the runbook", "queries of yours");
        Ok(Opinion { summary: format!("{summary}, in database {database}"), ..opinion })
    }
}

/// How long one query may take: it runs beside judges of the backup, and must not hold them up for ever.
const LONGEST: std::time::Duration = std::time::Duration::from_mins(15);

/// Fails for queries that no server can parse, before the time of a restore is spent. The server may be empty:
/// tables that are not there yet are no fault.
pub(crate) async fn check_queries(server: &PostgresAddress, queries: &[IntegrityQuery]) -> Result<()> {
    if queries.is_empty() {
        return Ok(());
    }
    let mut connection = server.connect_to_cluster().await?;
    // Another judge would find the errors in the server's log.
    let quiet = sqlx::raw_sql("set log_min_messages = panic").execute(&mut connection).await;
    quiet.context("parsing the queries")?;
    let mut complaints = Vec::new();
    for query in queries {
        complaints.extend(misspelt(&mut connection, query).await?.map(|what| complaint(query, &what)));
    }
    close(connection).await;
    if complaints.is_empty() { Ok(()) } else { Err(unasked(&complaints)) }
}
