//! Finds one cause of many differing rows: a program in between confused NULL with the empty text.

use comeback_model::{KEY_BYTES, TableFingerprint, encode_key};
use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, Row as _};

use crate::error::{Context as _, Result};
use crate::quote_identifier;

/// A NULL field and an empty field, as a binary `COPY` sends them.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const EMPTY: [u8; 4] = 0_i32.to_be_bytes();
/// Types whose empty value differs from NULL.
const TEXTS: &[&str] = &["text", "varchar", "bpchar", "citext"];
/// At most this many keys, of 32 bytes each, are held in memory. With more rows, no cause is reported.
const MOST_KEYS: usize = 2_000_000;

/// A change of the values of a column, and the number of rows with it.
pub(super) struct Cause {
    column: String,
    rows: usize,
    emptied: bool,
}

impl Cause {
    /// The values before and after, as texts.
    pub(super) fn texts(&self) -> (String, String) {
        let Self { column, rows, emptied } = self;
        let values = if *rows == 1 { "value" } else { "values" };
        let (before, after) = if *emptied { ("NULL", "empty text") } else { ("empty text", "NULL") };
        (format!("{before} in {column}, {rows} {values}"), format!("{after} in {column}"))
    }
}

/// The causes, if they explain the whole difference: every differing column has one, and the column's digest
/// follows from it exactly. `changed` holds the keys of all changed rows; `None` if some are unknown.
pub(super) async fn causes(
    mut connection: Option<&mut PgConnection>,
    table: &str,
    expected: &TableFingerprint,
    actual: &TableFingerprint,
    changed: Option<&[[u8; KEY_BYTES]]>,
) -> Result<Option<Vec<Cause>>> {
    let mut causes = Vec::new();
    if expected.rows != actual.rows {
        return Ok(None);
    }
    for (at, (before, after)) in expected.columns.iter().zip(&actual.columns).enumerate() {
        if before.digest == after.digest {
            continue;
        }
        // A row with another key counts as another row.
        if at < expected.key_columns || !TEXTS.contains(&before.type_name.as_str()) {
            return Ok(None);
        }
        let Some(cause) = cause(connection.as_deref_mut(), table, expected, actual, at, changed).await?
        else {
            return Ok(None);
        };
        causes.push(cause);
    }
    Ok((!causes.is_empty()).then_some(causes))
}

async fn cause(
    mut connection: Option<&mut PgConnection>,
    table: &str,
    expected: &TableFingerprint,
    actual: &TableFingerprint,
    at: usize,
    changed: Option<&[[u8; KEY_BYTES]]>,
) -> Result<Option<Cause>> {
    for emptied in [true, false] {
        let (before, after) = if emptied { (NULL, EMPTY) } else { (EMPTY, NULL) };
        let explains = |keys: &[[u8; KEY_BYTES]]| expected.is_explained_by(actual, at, keys, &before, &after);
        let found = |keys: &[[u8; KEY_BYTES]]| {
            let column = expected.columns[at].name.clone();
            explains(keys).then_some(Cause { column, rows: keys.len(), emptied })
        };
        if let Some(cause) = changed.and_then(found) {
            return Ok(Some(cause));
        }
        // Not all changed rows may be known, and unchanged rows may hold the same value.
        let Some(connection) = connection.as_deref_mut() else { continue };
        let mut keys = keys_of(connection, table, expected, at, emptied).await?;
        if let Some(changed) = changed {
            keys.retain(|key| changed.contains(key));
        }
        if let Some(cause) = found(&keys) {
            return Ok(Some(cause));
        }
    }
    Ok(None)
}

/// The keys of the restored rows whose value is empty, or NULL.
async fn keys_of(
    connection: &mut PgConnection,
    table: &str,
    recorded: &TableFingerprint,
    at: usize,
    empty: bool,
) -> Result<Vec<[u8; KEY_BYTES]>> {
    let doing = format!("reading the keys of {table}");
    if !are_texts_with_keys(connection, table, recorded, at).await.context(&doing)? {
        return Ok(Vec::new());
    }
    let key: Vec<_> = recorded
        .columns
        .iter()
        .take(recorded.key_columns)
        .map(|column| quote_identifier(&column.name))
        .collect();
    let column = quote_identifier(&recorded.columns[at].name);
    // A user-defined text type may lack the operator `=`.
    let is_empty = if empty { format!(" and format('%s', {column}) = ''") } else { String::new() };
    let condition = format!("{column} is {}null{is_empty}", if empty { "not " } else { "" });
    let sql = format!("select {} from only {table} where {condition}", key.join(", "));
    let mut rows = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false).fetch(connection);
    let (mut keys, mut fields) = (Vec::new(), Vec::new());
    while let Some(row) = rows.try_next().await.context(&doing)? {
        if keys.len() == MOST_KEYS {
            return Ok(Vec::new());
        }
        fields.clear();
        for place in 0..key.len() {
            let value = row.try_get_raw(place).context(&doing)?;
            let bytes = value.as_bytes().map_err(sqlx::Error::Decode).context(&doing)?;
            fields.extend(u32::try_from(bytes.len()).context(&doing)?.to_be_bytes());
            fields.extend(bytes);
        }
        keys.extend(encode_key(&fields, recorded.key_columns));
    }
    Ok(keys)
}

/// Whether the column has a text type, and the key has a binary form. Checked first, because a failing query would
/// leave an error in the server's log, which is judged too.
async fn are_texts_with_keys(
    connection: &mut PgConnection,
    table: &str,
    recorded: &TableFingerprint,
    at: usize,
) -> sqlx::Result<bool> {
    let key: Vec<_> =
        recorded.columns.iter().take(recorded.key_columns).map(|column| column.name.clone()).collect();
    let are_there: Option<bool> = sqlx::query_scalar(
        "select bool_and(case when a.attname = $2::text then t.typcategory = 'S' else t.typsend <> 0 end)
             and count(*) = 1 + cardinality($3::text[])
         from pg_attribute a join pg_type t on t.oid = a.atttypid
         where a.attrelid = $1::regclass and a.attname::text = any ($2::text || $3::text[])",
    )
    .bind(table)
    .bind(&recorded.columns[at].name)
    .bind(&key)
    .fetch_one(connection)
    .await?;
    Ok(are_there.unwrap_or_default() && !key.is_empty())
}
