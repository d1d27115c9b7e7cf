//! Which database of a restored cluster is meant, if the user does not say.

use crate::PostgresAddress;
use crate::cluster::list_databases;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

/// Whether a user has created tables or views.
const HAS_TABLES: &str = "select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'v', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not exists \
        (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'))";

/// The database that the user named, or the only one with tables of a user.
pub(super) async fn the_database(server: &PostgresAddress, named: Option<&str>) -> Result<String> {
    match named {
        Some(name) => Ok(name.to_owned()),
        None => only(with_tables(server).await?),
    }
}

/// The database that the user named, or the only one with tables of a user, or that of several with this name.
pub(super) async fn the_counterpart(
    server: &PostgresAddress,
    named: Option<&str>,
    of: &str,
) -> Result<String> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let found = with_tables(server).await?;
    if found.len() > 1 && found.iter().any(|name| name == of) { Ok(of.to_owned()) } else { only(found) }
}

async fn with_tables(server: &PostgresAddress) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for database in list_databases(server).await? {
        let mut connection = server.connect(&database).await?;
        let has_tables = sqlx::query_scalar(HAS_TABLES).fetch_one(&mut connection).await;
        close(connection).await;
        if has_tables.context(format_args!("looking for tables in database {database}"))? {
            found.push(database);
        }
    }
    Ok(found)
}

fn only(mut found: Vec<String>) -> Result<String> {
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(Error::could_not_verify("no database holds a table")),
        _ => Err(Error::could_not_verify(format!("several databases hold tables: {}", found.join(", ")))
            .hint("name the one that you mean with --database NAME")),
    }
}
