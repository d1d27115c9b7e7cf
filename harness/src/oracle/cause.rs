//! One cause behind many rows that differ: a NULL is not an empty text, and a program in between took it for one.

use futures_util::TryStreamExt as _;
use sqlx::{PgConnection, Row as _};

use crate::error::{Context as _, Result};
use crate::model::{KEY_BYTES, TableFingerprint, encode_key};

/// A field that is NULL, and one that is empty, as a binary `COPY` sends them.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();
const EMPTY: [u8; 4] = 0_i32.to_be_bytes();
/// Types of which there is an empty value that the server knows from NULL.
const TEXTS: &[&str] = &["text", "varchar", "bpchar", "citext"];
/// Rows whose keys are looked at, of 32 bytes each: with more of them no cause is told.
const MOST_KEYS: usize = 2_000_000;

/// What became of the values of a column, and in how many rows.
pub(super) struct Cause {
    column: String,
    rows: usize,
    emptied: bool,
}

impl Cause {
    /// How the values were, and how they are.
    pub(super) fn texts(&self) -> (String, String) {
        let Self { column, rows, emptied } = self;
        let values = if *rows == 1 { "value" } else { "values" };
        let (before, after) = if *emptied { ("NULL", "empty text") } else { ("empty text", "NULL") };
        (format!("{before} in {column}, {rows} {values}"), format!("{after} in {column}"))
    }
}

/// The causes, if they are all that differs: each column that differs has one, and they account for its digest to the
/// last bit. `changed` are the keys of all rows that changed, as far as these are known.
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
        // A key that changed is another row.
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
        // There may be more rows than were named, and others whose value was like that before.
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
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let key: Vec<_> =
        recorded.columns.iter().take(recorded.key_columns).map(|column| quoted(&column.name)).collect();
    let column = quoted(&recorded.columns[at].name);
    // A type of texts need not have an operator.
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

/// Whether a column is of texts, and the server can send the key. Asked beforehand: a query that failed would stand in
/// the server's log, which is judged.
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
