//! The table of a workload, and its content.

use comeback_model::Ledger;
use comeback_model::ledger::{Change, ObservedRow, ObservedWrites};
use sqlx::Row as _;

use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// The table, in every database that a workload writes to.
pub const TABLE: &str = "comeback_workload.rows";

const CREATE: &str = "create schema if not exists comeback_workload;
    create table if not exists comeback_workload.rows (
        ledger bigint not null, key bigint not null, txn bigint not null, op bigint not null, value text not null,
        primary key (ledger, key)
    )";

/// Creates the table if it is not there.
pub(super) async fn create(server: &PostgresAddress, database: &str) -> Result<()> {
    let mut connection = server.connect(database).await?;
    sqlx::raw_sql(CREATE).execute(&mut connection).await.context("creating the table of the workload")?;
    crate::connection::session::close(connection).await;
    Ok(())
}

/// The statement of a change: `$1` is the ledger, `$2` the key, `$3` the transaction, `$4` the operation,
/// `$5` the value.
pub(super) fn statement(change: &Change) -> &'static str {
    match change {
        Change::Insert(_) => {
            "insert into comeback_workload.rows (ledger, key, txn, op, value) values ($1, $2, $3, $4, $5)"
        }
        Change::Update(_) => {
            "update comeback_workload.rows set txn = $3, op = $4, value = $5 where ledger = $1 and key = $2"
        }
        Change::Delete => "delete from comeback_workload.rows where ledger = $1 and key = $2",
    }
}

/// Reads everything of a workload in a database. Without the table, the result is empty.
pub async fn read_writes(
    server: &PostgresAddress,
    database: &str,
    ledger: &Ledger,
) -> Result<ObservedWrites> {
    let doing = "reading what is there of the workload";
    let mut connection = server.connect(database).await?;
    // Rows must be found even if an index lacks them.
    sqlx::raw_sql("set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off")
        .execute(&mut connection)
        .await
        .context("setting up the session")?;
    let names: Vec<String> = sqlx::query_scalar("select gid from pg_prepared_xacts")
        .fetch_all(&mut connection)
        .await
        .context("listing the prepared transactions")?;
    let prepared = names.iter().filter_map(|name| ledger.number_of_prepared(name)).collect();
    let exists: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(TABLE)
        .fetch_one(&mut connection)
        .await
        .context(doing)?;
    let rows = if exists {
        sqlx::query("select key, txn, op, value from comeback_workload.rows where ledger = $1")
            .bind(ledger.id)
            .fetch_all(&mut connection)
            .await
            .context(doing)?
    } else {
        Vec::new()
    };
    let rows = rows.iter().map(read_row).collect::<sqlx::Result<_>>().context(doing)?;
    Ok(ObservedWrites { rows, prepared })
}

fn read_row(row: &sqlx::postgres::PgRow) -> sqlx::Result<ObservedRow> {
    let (number, op): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
    Ok(ObservedRow {
        key: row.try_get(0)?,
        number: number.cast_unsigned(),
        // A number that is out of range belongs to no operation.
        op: u32::try_from(op).unwrap_or(u32::MAX),
        value: row.try_get(3)?,
    })
}
