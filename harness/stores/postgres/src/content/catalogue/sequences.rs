//! Reads the positions of a database's sequences.
//!
//! A position belongs to no transaction and no snapshot: it is that of the moment of reading. It is read from
//! the relation, because `pg_sequences.last_value` is NULL until the first value is given out.

use std::collections::BTreeMap;

use comeback_model::{RecordedPosition, SequencePosition};
use sqlx::{PgConnection, Row as _};

use crate::error::{Context as _, Result};

/// The sequences of a database, except those of temporary tables.
const SEQUENCES: &str = "
    select format('%I.%I', n.nspname, c.relname), s.seqincrement, s.seqmin, s.seqmax, s.seqstart, s.seqcache, s.seqcycle,
        c.relpersistence = 'u'
    from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
    where c.relpersistence <> 't' order by 1";

/// How many sequences one statement reads. The server plans each as a query of its own.
const AT_A_TIME: usize = 200;

/// Reads the positions of all sequences of the connected database.
pub(crate) async fn read_sequences(
    connection: &mut PgConnection,
) -> Result<BTreeMap<String, RecordedPosition>> {
    let rows = sqlx::query(SEQUENCES).fetch_all(&mut *connection).await.context("listing the sequences")?;
    let known = rows.iter().map(parse).collect::<sqlx::Result<Vec<_>>>().context("listing the sequences")?;
    let mut positions = BTreeMap::new();
    for some in known.chunks(AT_A_TIME) {
        let reads = some
            .iter()
            .enumerate()
            .map(|(at, (name, _))| format!("select {at}::int8 as number, last_value, is_called from {name}"));
        let sql = format!("{} order by number", reads.collect::<Vec<_>>().join(" union all "));
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false).fetch_all(&mut *connection).await;
        for ((name, position), row) in some.iter().zip(rows.context("reading the sequences")?) {
            let last_value = row.try_get(1).context(format_args!("reading {name}"))?;
            let is_called = row.try_get(2).context(format_args!("reading {name}"))?;
            let position = SequencePosition { last_value, is_called, ..*position };
            positions.insert(name.clone(), RecordedPosition::Whole(position));
        }
    }
    Ok(positions)
}

/// Parses a sequence; its position is set to its start.
fn parse(row: &sqlx::postgres::PgRow) -> sqlx::Result<(String, SequencePosition)> {
    let start = row.try_get(4)?;
    let position = SequencePosition {
        last_value: start,
        is_called: false,
        increment: row.try_get(1)?,
        min_value: row.try_get(2)?,
        max_value: row.try_get(3)?,
        start,
        cache: row.try_get(5)?,
        cycle: row.try_get(6)?,
        unlogged: row.try_get(7)?,
    };
    Ok((row.try_get(0)?, position))
}
