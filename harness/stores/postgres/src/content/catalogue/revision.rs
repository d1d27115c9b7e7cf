//! Detects changes of the system catalogues without reading all definitions again.

use sqlx::PgConnection;

use crate::error::{Context as _, Result};

/// System catalogues that hold no definitions: statistics, large objects, replication progress.
const DATA: &str = "'pg_statistic', 'pg_statistic_ext_data', 'pg_largeobject', 'pg_largeobject_metadata', \
    'pg_subscription_rel', 'pg_replication_origin'";

/// For each system catalogue, its number of rows and the sum of the transaction numbers that wrote them.
/// Equal results mean equal rows: a changed row is a new row version, written by a later transaction.
pub(crate) async fn read_revision(connection: &mut PgConnection) -> Result<String> {
    let doing = "asking whether the definitions have changed";
    let list = format!(
        "select string_agg(format('select %L || count(*) || '' '' || coalesce(sum(xmin::text::int8), 0) from %s', \
            relname || ' ', oid::regclass), ' union all ' order by relname) \
         from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' and relname not in ({DATA})"
    );
    let each: String =
        sqlx::query_scalar(sqlx::AssertSqlSafe(list)).fetch_one(&mut *connection).await.context(doing)?;
    let all = format!("select string_agg(told, e'\\n' order by told) from ({each}) revision(told)");
    sqlx::query_scalar(sqlx::AssertSqlSafe(all)).persistent(false).fetch_one(connection).await.context(doing)
}
