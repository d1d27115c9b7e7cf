//! Event triggers of a restored database: code of somebody else, which a definition of ours must not run.
//!
//! From PostgreSQL 17 on a setting of the session turns them off (`session.rs`). Before, an event trigger fires in every
//! session that defines something, unless the session replicates; one that is enabled `always` fires there as well.

use sqlx::{AssertSqlSafe, PgConnection};

/// Keeps event triggers out of the current transaction. Those that fire always are disabled in it: a definition of an
/// event trigger fires none. The caller rolls back.
pub(crate) async fn turn_off(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *connection).await?;
    let always: Vec<String> = sqlx::query_scalar(
        "select pg_catalog.quote_ident(evtname) from pg_catalog.pg_event_trigger where evtenabled = 'A'",
    )
    .fetch_all(&mut *connection)
    .await?;
    for name in always {
        let disable = format!("alter event trigger {name} disable");
        sqlx::raw_sql(AssertSqlSafe(disable)).execute(&mut *connection).await?;
    }
    Ok(())
}
