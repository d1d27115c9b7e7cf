//! A session that looks into a restored database, and what a judge gathers over all of them.

use comeback_engine::judge::Opinion;
use comeback_model::{Finding, NotLookedAt, ScopeKind};
use sqlx::postgres::{PgDatabaseError, PgRow};
use sqlx::{AssertSqlSafe, FromRow, PgConnection};

use crate::PostgresAddress;
use crate::cluster::list_databases;
use crate::connection::session::close;
use crate::content::read::list_closed_databases;
use crate::error::{Context as _, Error, Result};

/// Relations `c` in schemas `n` that belong to users, and not to an extension.
pub(super) const OF_USERS: &str = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_' \
    and not exists (select from pg_catalog.pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')";

/// Reads each field of a struct from the column of its name.
macro_rules! read_by_name {
    ($type:ident: $($field:ident),+) => {
        impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for $type {
            fn from_row(row: &'r sqlx::postgres::PgRow) -> sqlx::Result<Self> {
                use sqlx::Row as _;
                Ok(Self { $($field: row.try_get(stringify!($field))?),+ })
            }
        }
    };
}
pub(super) use read_by_name;

/// A read-only transaction in one database, under the search path of the application: constraints and
/// expressions of indexes call its functions.
pub(super) struct Look {
    connection: PgConnection,
    database: String,
}

/// What the server says about a statement that it refused.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    /// The SQLSTATE.
    code: String,
    /// The message, in one sentence.
    pub(super) said: String,
}

impl Refusal {
    /// Whether the server could not read its own data: an internal error or a system error. Source:
    /// PostgreSQL's errcodes.txt.
    pub(super) fn is_damage(&self) -> bool {
        self.code.starts_with("XX") || self.code.starts_with("58")
    }

    /// Whether a value violates a rule of its type: class 23, integrity constraint violation.
    pub(super) fn is_violation(&self) -> bool {
        self.code.starts_with("23")
    }
}

impl Look {
    /// Begins to look.
    pub(super) async fn into(server: &PostgresAddress, database: &str) -> Result<Self> {
        let connection = server.connect_as_application(database).await?;
        let mut look = Self { connection, database: database.to_owned() };
        // What the server refuses is reported here. In its log, another judge would find it a second time.
        look.run(
            "begin isolation level repeatable read read only; set local work_mem = '128MB'; \
             select pg_catalog.set_config('log_min_messages', 'panic', true), pg_catalog.set_config('log_min_error_statement', 'panic', true) \
                from pg_catalog.pg_roles where rolname = current_user and rolsuper",
        )
        .await?;
        Ok(look)
    }

    async fn run(&mut self, sql: &'static str) -> Result<()> {
        let done = sqlx::raw_sql(sql).execute(&mut self.connection).await;
        done.context(format_args!("looking into database {}", self.database)).map(drop)
    }

    /// The rows of a query of ours on the catalogue: an error ends the judge.
    pub(super) async fn list<T>(&mut self, sql: impl Into<String>) -> Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows =
            sqlx::query_as(AssertSqlSafe(sql.into())).persistent(false).fetch_all(&mut self.connection);
        rows.await.context(format_args!("looking into database {}", self.database))
    }

    /// The single row of a query on the user's data, or what the server says against the query.
    pub(super) async fn ask<T>(&mut self, sql: impl Into<String>) -> Result<Result<T, Refusal>>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.run("savepoint look").await?;
        let row =
            sqlx::query_as(AssertSqlSafe(sql.into())).persistent(false).fetch_one(&mut self.connection).await;
        self.run("rollback to look; release look").await?;
        match row {
            Ok(row) => Ok(Ok(row)),
            Err(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default().into_owned();
                let said = error.try_downcast_ref::<PgDatabaseError>().map_or("", |error| error.message());
                Ok(Err(Refusal { code, said: said.to_owned() }))
            }
            Err(error) => Err(error).context(format_args!("looking into database {}", self.database)),
        }
    }

    /// Ends the session.
    pub(super) async fn end(mut self) -> Result<()> {
        self.run("rollback").await?;
        close(self.connection).await;
        Ok(())
    }
}

/// What a judge has gathered.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) findings: Vec<Finding>,
    pub(super) not_looked_at: Vec<NotLookedAt>,
    /// What keeps the judge from an opinion, each with a hint.
    pub(super) doubts: Vec<(String, String)>,
}

impl Gathered {
    /// Begins with the databases that nobody can look into.
    pub(super) async fn of(server: &PostgresAddress) -> Result<(Self, Vec<String>)> {
        let not_looked_at = list_closed_databases(server).await?;
        Ok((Self { not_looked_at, ..Self::default() }, list_databases(server).await?))
    }

    /// Adds what was gathered elsewhere.
    pub(super) fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.not_looked_at.extend(other.not_looked_at);
        self.doubts.extend(other.doubts);
    }

    /// Adds something that was not looked at.
    pub(super) fn leave_out(&mut self, kind: ScopeKind, subject: impl Into<String>, why: impl Into<String>) {
        self.not_looked_at.push(NotLookedAt::new(kind, subject, why));
    }

    /// Adds something that keeps the judge from an opinion.
    pub(super) fn doubt(&mut self, what: impl Into<String>, hint: impl Into<String>) {
        self.doubts.push((what.into(), hint.into()));
    }

    /// The opinion. Findings come before doubts: with a finding, the doubts are things not looked at.
    pub(super) fn into_opinion(mut self, doubts_are: ScopeKind, summary: String) -> Result<Opinion> {
        if self.findings.is_empty() && !self.doubts.is_empty() {
            let told = self.doubts.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>().join("; ");
            let mut hints: Vec<_> = self.doubts.into_iter().map(|(_, hint)| hint).collect();
            hints.dedup();
            return Err(hints.into_iter().fold(Error::could_not_verify(told), Error::hint));
        }
        for (what, hint) in std::mem::take(&mut self.doubts) {
            self.leave_out(doubts_are, what, hint);
        }
        Ok(Opinion::new(summary, self.findings).not_looked_at(self.not_looked_at))
    }
}

/// `1 row`, `2 rows`.
pub(super) fn count(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(0);
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {one}{ending}")
}
