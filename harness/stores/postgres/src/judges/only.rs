//! Which database of a restored cluster is meant, if the user does not say.

use crate::PostgresAddress;
use crate::cluster::list_databases;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

/// The database that the user named, or the only one with tables of a user.
pub(super) async fn the_database(server: &PostgresAddress, named: Option<&str>) -> Result<String> {
    const HAS_TABLES: &str = "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace \
        where c.relkind in ('r', 'p', 'v', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_')";
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let mut found = Vec::new();
    for database in list_databases(server).await? {
        let mut connection = server.connect(&database).await?;
        let has_tables = sqlx::query_scalar(HAS_TABLES).fetch_one(&mut connection).await;
        close(connection).await;
        if has_tables.context(format_args!("looking for tables in database {database}"))? {
            found.push(database);
        }
    }
    match &found[..] {
        [only] => Ok(only.clone()),
        [] => Err(Error::could_not_verify("no database holds a table")),
        several => {
            Err(Error::could_not_verify(format!("several databases hold tables: {}", several.join(", ")))
                .hint("name the one that you mean with --database NAME"))
        }
    }
}
