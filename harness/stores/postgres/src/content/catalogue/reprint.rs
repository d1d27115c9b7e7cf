//! What PostgreSQL prints for a definition after loading it.
//!
//! The server into which `check (s in ('a', 'b'))` was typed prints it in one way; a server that loaded that
//! printed text prints it in another. So a text that differs is loaded once more, in a transaction that is
//! rolled back, into the session's temporary schema, beside an empty copy of its table.

use comeback_model::Catalogue;
use sqlx::{Connection as _, PgConnection, Row as _};

use super::kind::Kind;
use super::retarget::{Copied, NAME, split_partition_key, split_state};
use super::{database_kinds, major};
use crate::connection::address::PostgresAddress;
use crate::connection::event_triggers;
use crate::error::{Context as _, Result};

/// Kinds whose definitions contain expressions or queries.
const EXPRESSIVE: &[&str] = &[
    "constraint",
    "default",
    "domain constraint",
    "function",
    "index",
    "policy",
    "rule",
    "statistics",
    "table",
    "trigger",
    "type",
    "view",
];

/// Failures of the session must not reach the server's log, which is judged.
const SESSION: &str = "set log_min_messages = fatal; set log_min_error_statement = fatal; set lock_timeout = '10s'; \
    set default_transaction_read_only = off";

/// Replaces each recorded text that differs from the actual one by what the server prints after loading it. A
/// text that the server refuses is left unchanged.
pub async fn reprint(
    server: &PostgresAddress,
    database: &str,
    recorded: &mut Catalogue,
    actual: &Catalogue,
) -> Result<()> {
    let differences = recorded.differences(actual);
    let differences = differences.iter().filter(|difference| EXPRESSIVE.contains(&difference.kind));
    let changed: Vec<_> = differences
        .filter_map(|difference| {
            let before = difference.before.filter(|_| difference.after.is_some())?;
            Some((difference.kind.to_owned(), difference.identity.to_owned(), before.to_owned()))
        })
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let mut connection = server.connect(database).await?;
    sqlx::raw_sql(SESSION).execute(&mut connection).await.context("setting up the session")?;
    let mut scratch = Scratch { major: major(&mut connection).await?, connection };
    for (kind, identity, text) in changed {
        if let Some(printed) = scratch.reprint(&kind, &identity, &text).await? {
            recorded.objects.entry(kind).or_default().insert(identity, printed);
        }
    }
    scratch.connection.close().await.context("closing the connection")
}

/// A session that loads definitions and rolls them back.
struct Scratch {
    connection: PgConnection,
    major: u32,
}

impl Scratch {
    /// What the server prints for the definition after loading it; `None` if it refuses the definition.
    async fn reprint(&mut self, kind: &str, identity: &str, text: &str) -> Result<Option<String>> {
        self.begin().await.context("beginning to load a definition")?;
        let printed = self.load(kind, identity, text).await;
        sqlx::raw_sql("rollback").execute(&mut self.connection).await.context("rolling back a definition")?;
        match printed {
            Ok(printed) => Ok(printed),
            // The text is compared unchanged.
            Err(sqlx::Error::Database(_)) => Ok(None),
            Err(error) => Err(error).context(format_args!("loading {kind} {identity}")),
        }
    }

    /// Begins the transaction and checks that the server accepts writes, so that a read-only server is not
    /// mistaken for a failing definition.
    async fn begin(&mut self) -> sqlx::Result<()> {
        sqlx::raw_sql("begin").execute(&mut self.connection).await?;
        event_triggers::turn_off(&mut self.connection).await?;
        sqlx::raw_sql("create temporary table comeback_probe ()")
            .execute(&mut self.connection)
            .await
            .map(drop)
    }

    async fn load(&mut self, kind: &str, identity: &str, text: &str) -> sqlx::Result<Option<String>> {
        let (statement, state) = split_state(text);
        match kind {
            "view" => self.run(format!("create temporary view {NAME} as {text}")).await?,
            "function" => {
                self.run(text.to_owned()).await?;
                return self.printed_of_user(kind, identity).await;
            }
            "type" => {
                let Some(domain) = text.strip_prefix("domain ") else { return Ok(None) };
                self.run(format!("create domain pg_temp.{NAME} as {domain}")).await?;
            }
            "domain constraint" => {
                let Some(base) = self.base_of_domain(identity).await? else { return Ok(None) };
                self.run(format!("create domain pg_temp.{NAME} as {base}")).await?;
                self.run(format!("alter domain pg_temp.{NAME} add constraint {NAME} {text}")).await?;
            }
            "constraint" | "policy" => {
                let Some(Copied { copy, .. }) = self.copy_table(kind, identity).await? else {
                    return Ok(None);
                };
                self.run(match kind {
                    "policy" => format!("create policy {NAME} on {copy} {text}"),
                    _ => format!("alter table {copy} add constraint {NAME} {text}"),
                })
                .await?;
            }
            "default" => {
                let Some(Copied { copy, .. }) = self.copy_table(kind, identity).await? else {
                    return Ok(None);
                };
                let Some(column_type) = self.type_of_column(identity).await? else { return Ok(None) };
                self.run(format!("alter table {copy} add column {NAME} {column_type} {text}")).await?;
            }
            "index" | "trigger" | "rule" | "statistics" => {
                let Some(copied) = self.copy_table(kind, identity).await? else { return Ok(None) };
                self.run(copied.onto_copy(kind, identity, statement)).await?;
                let printed = self.printed(kind).await?;
                return Ok(
                    printed.map(|printed| copied.back(kind, identity, split_state(&printed).0) + state)
                );
            }
            "table" => return self.reprint_partitioned(identity, text).await,
            _ => return Ok(None),
        }
        self.printed(kind).await
    }

    /// Reprints the partition key in a partitioned table's definition.
    async fn reprint_partitioned(&mut self, table: &str, text: &str) -> sqlx::Result<Option<String>> {
        let Some((before, key, after)) = split_partition_key(text) else { return Ok(None) };
        self.run(format!("create temporary table {NAME} (like {table}) partition by {key}")).await?;
        let printed: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select pg_get_partkeydef('pg_temp.{NAME}'::regclass)"
        )))
        .fetch_one(&mut self.connection)
        .await?;
        Ok(printed.map(|printed| format!("{before}{printed}{after}")))
    }

    /// Runs a single statement: a manifest's text cannot add a second one.
    async fn run(&mut self, statement: String) -> sqlx::Result<()> {
        let query = sqlx::query(sqlx::AssertSqlSafe(statement)).persistent(false);
        query.execute(&mut self.connection).await.map(drop)
    }

    /// Reads what the catalogue prints for the new object.
    async fn printed(&mut self, kind: &str) -> sqlx::Result<Option<String>> {
        let Some(kind) = kind_named(kind) else { return Ok(None) };
        let sql = kind.sql_in(self.major, "n.oid = pg_my_temp_schema()");
        let rows =
            sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false).fetch_all(&mut self.connection).await?;
        let is_ours = |row: &&sqlx::postgres::PgRow| {
            row.try_get::<String, _>(0).is_ok_and(|identity| identity.ends_with(&format!(".{NAME}")))
        };
        // Indexes, triggers and rules keep their own names, and there is only one.
        rows.iter().find(is_ours).or(rows.first()).map_or(Ok(None), |row| row.try_get(1))
    }

    async fn printed_of_user(&mut self, kind: &str, identity: &str) -> sqlx::Result<Option<String>> {
        let Some(kind) = kind_named(kind) else { return Ok(None) };
        let sql = format!(
            "select definition from ({}) x(identity, definition) where identity = $1",
            kind.sql(self.major)
        );
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(identity).fetch_optional(&mut self.connection).await
    }

    async fn base_of_domain(&mut self, constraint: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar(
            "select format_type(t.typbasetype, t.typtypmod) || coalesce(' collate ' || nullif(t.typcollation, 0)::regcollation, '')
             from pg_type t join pg_namespace n on n.oid = t.typnamespace
             where t.typtype = 'd' and starts_with($1, format('%I.%I.', n.nspname, t.typname))",
        )
        .bind(constraint)
        .fetch_optional(&mut self.connection)
        .await
    }

    async fn type_of_column(&mut self, column: &str) -> sqlx::Result<Option<String>> {
        sqlx::query_scalar(
            "select format_type(a.atttypid, a.atttypmod) || coalesce(' collate ' || nullif(a.attcollation, 0)::regcollation, '')
             from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
             where a.attnum > 0 and format('%I.%I.%I', n.nspname, c.relname, a.attname) = $1",
        )
        .bind(column)
        .fetch_optional(&mut self.connection)
        .await
    }

    /// Makes an empty copy of the object's table, without the table's other objects.
    async fn copy_table(&mut self, kind: &str, identity: &str) -> sqlx::Result<Option<Copied>> {
        let condition = match kind {
            "index" => "c.oid = (select indrelid from pg_index where indexrelid = to_regclass($1))",
            "statistics" => {
                "c.oid = (select s.stxrelid from pg_statistic_ext s join pg_namespace m on m.oid = s.stxnamespace
                    where format('%I.%I', m.nspname, s.stxname) = $1)"
            }
            _ => {
                "c.relkind in ('r', 'p', 'v', 'm', 'f') and starts_with($1, format('%I.%I.', n.nspname, c.relname))
                    order by length(c.relname) desc limit 1"
            }
        };
        let sql = format!(
            "select format('%I.%I', n.nspname, c.relname), format('pg_temp.%I', c.relname)
             from pg_class c join pg_namespace n on n.oid = c.relnamespace where {condition}"
        );
        let found =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(identity).fetch_optional(&mut self.connection).await?;
        let Some(row) = found else { return Ok(None) };
        let copied = Copied { table: row.try_get(0)?, copy: row.try_get(1)? };
        self.run(format!("create temporary table {} (like {})", copied.copy, copied.table)).await?;
        Ok(Some(copied))
    }
}

fn kind_named(name: &str) -> Option<&'static Kind> {
    database_kinds().find(|kind| kind.name == name)
}
