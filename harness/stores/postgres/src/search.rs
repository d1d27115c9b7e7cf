//! Searches the rows of a database for addresses.

use comeback_engine::judge::{Search, Trace};
use comeback_model::{NotLookedAt, ScopeKind};
use sqlx::PgConnection;

use super::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// How many places of a table are told.
const MOST_TRACES: usize = 100;

/// The user's tables, each with an expression that prints the key of a row: `id=17`, or its place on disk.
const TABLES: &str = "select format('%I.%I', n.nspname, c.relname), \
        coalesce((select string_agg(format('%L || comeback_row.%I::text', a.attname || '=', a.attname), ' || '', '' || ' order by k.place) \
                from pg_catalog.pg_index x cross join unnest(x.indkey) with ordinality k(n, place) \
                join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = k.n \
                where x.indrelid = c.oid and x.indisprimary), \
            '''ctid='' || comeback_row.ctid::text') \
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
    where c.relkind = 'r' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' order by 1";

/// Searches every column of every table of a database: a row is searched as the text of all its values. Bytes are text in
/// hexadecimal there, so an address in a column of bytes is not seen. Nothing but rows of tables is searched.
pub async fn find_addresses(
    server: &PostgresAddress,
    database: &str,
    addresses: &[String],
) -> Result<Search> {
    let mut connection = server.connect(database).await?;
    let tables: Vec<(String, String)> =
        sqlx::query_as(TABLES).fetch_all(&mut connection).await.context("listing tables to search")?;
    let (mut search, mut rows) = (Search::default(), 0);
    for (table, key) in &tables {
        let (searched, traces) = search_table(&mut connection, table, key, addresses).await?;
        rows += searched;
        if traces.len() > MOST_TRACES {
            let reason = format!("it names addresses in more than {MOST_TRACES} places: these are the first");
            search.not_looked_at.push(NotLookedAt::new(ScopeKind::RowValues, table, reason));
        }
        search.traces.extend(traces.into_iter().take(MOST_TRACES));
    }
    search.searched = format!("{} tables of PostgreSQL, {rows} rows", tables.len());
    search.not_looked_at.push(NotLookedAt::new(
        ScopeKind::RowValues,
        "columns of bytes",
        "an address is searched for as text",
    ));
    search.not_looked_at.push(NotLookedAt::new(
        ScopeKind::ObjectKind,
        "definitions, settings, materialised views and large objects",
        "only rows of tables are searched for addresses",
    ));
    Ok(search)
}

async fn search_table(
    connection: &mut PgConnection,
    table: &str,
    key: &str,
    addresses: &[String],
) -> Result<(i64, Vec<Trace>)> {
    let doing = format!("searching {table}");
    let count = format!("select count(*) from only {table}");
    let rows: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut *connection).await.context(&doing)?;
    // One more than are told shows that there are more.
    let limit = MOST_TRACES + 1;
    // The row is printed once, and its columns are told apart only where it holds an address.
    let patterns: Vec<_> = addresses.iter().map(|address| pattern(address)).collect();
    let sql = format!(
        "with found as materialized ( \
            select {key} as comeback_key, pg_catalog.to_jsonb(comeback_row) as fields from only {table} as comeback_row \
                cross join lateral (select comeback_row::text collate \"C\" as comeback_line offset 0) as printed \
            where exists (select from unnest($1::text[]) as a (address) where strpos(printed.comeback_line, a.address) > 0)) \
        select comeback_key || ' ' || field.name, a.address from found \
            cross join lateral pg_catalog.jsonb_each_text(found.fields) as field (name, value) \
            join unnest($1::text[], $2::text[]) as a (address, pattern) on field.value collate \"C\" ~ a.pattern \
        order by 1, 2 limit {limit}"
    );
    let found: Vec<(String, String)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(addresses)
        .bind(patterns)
        .fetch_all(connection)
        .await
        .context(&doing)?;
    let trace = |(key, address)| Trace { subject: table.to_owned(), key: Some(key), address };
    Ok((rows, found.into_iter().map(trace).collect()))
}

/// A regular expression for an address between characters that are neither letters nor digits.
fn pattern(address: &str) -> String {
    let mut literal = String::with_capacity(2 * address.len());
    for letter in address.chars() {
        if letter.is_ascii_punctuation() {
            literal.push('\\');
        }
        literal.push(letter);
    }
    format!("(^|[^[:alnum:]]){literal}($|[^[:alnum:]])")
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_address_is_no_expression() {
        let pattern = super::pattern("/run/a.b");
        assert_eq!(pattern, r"(^|[^[:alnum:]])\/run\/a\.b($|[^[:alnum:]])");
    }
}
