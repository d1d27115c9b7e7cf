//! Obstacles to restoring a table's earlier rows: its triggers, and constraints that its rows were never
//! checked against.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::error::{Context as _, Result};

/// The triggers of a table that fire in an ordinary session, except those of constraints.
const TRIGGERS: &str = "
    select format('alter table only %s disable trigger %I', $1, tgname),
        format('alter table only %s enable %s trigger %I', $1, case tgenabled when 'A' then 'always' end, tgname)
    from pg_trigger where tgrelid = $1::regclass and not tgisinternal and tgenabled in ('O', 'A')";

const UNCHECKED: &str =
    "select conname::text from pg_constraint where conrelid = $1::regclass and not convalidated";

/// Triggers that are disabled in the current transaction. Other sessions never see them disabled.
pub(super) struct Triggers {
    on: Vec<String>,
}

impl Triggers {
    /// Disables the triggers of a table. A trigger that sets `updated_at` would change the restored rows; one
    /// that writes an audit log would write it twice.
    pub(super) async fn switch_off(connection: &mut PgConnection, table: &str) -> Result<Self> {
        let doing = "switching the table's triggers off";
        let rows = sqlx::query(TRIGGERS).bind(table).fetch_all(&mut *connection).await.context(doing)?;
        let both = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let (off, on): (Vec<String>, Vec<String>) = both.collect::<sqlx::Result<_>>().context(doing)?;
        alter(connection, &off).await.context(doing)?;
        Ok(Self { on })
    }

    /// Enables the triggers again, as they were.
    pub(super) async fn switch_on(self, connection: &mut PgConnection) -> Result<()> {
        alter(connection, &self.on).await.context("switching the table's triggers on again")
    }
}

/// Alters a table without firing the application's event triggers, which do not fire in a session that
/// replicates.
async fn alter(connection: &mut PgConnection, statements: &[String]) -> sqlx::Result<()> {
    if statements.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "set local session_replication_role = replica; {}; set local session_replication_role = origin",
        statements.join("; ")
    );
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(drop)
}

/// The constraints that the table's rows were never checked against.
pub(super) async fn list_unchecked(connection: &mut PgConnection, table: &str) -> Result<Vec<String>> {
    sqlx::query_scalar(UNCHECKED).bind(table).fetch_all(connection).await.context("reading the constraints")
}
