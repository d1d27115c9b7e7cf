//! A session that checks relations of one database.

use sqlx::{AssertSqlSafe, PgConnection};

use super::plan::{Job, Relation, Target};
use crate::base_backup::checks::Complaint;
use crate::connection::address::PostgresAddress;
use crate::connection::event_triggers;
use crate::connection::session::close;
use crate::error::{Context as _, Error, Result};

/// How many complaints to report for one relation.
pub(super) const COMPLAINTS: usize = 3;

/// What `amcheck` reports becomes a finding; without the first setting the server's log would report it a second time.
/// The filter that a walk of an index fills takes memory for maintenance.
const BEGIN: &str = "begin; set local log_min_messages = panic; set local maintenance_work_mem = '64MB'";

/// Functions of `amcheck`, for this session alone. A version with further arguments has defaults for them. Source:
/// `verify_nbtree.c` and `verify_heapam.c`.
const INDEX_CHECK: &str = "create function pg_temp.comeback_index_check(regclass, boolean) returns void \
    language c as '$libdir/amcheck', 'bt_index_check'";
const TABLE_CHECK: &str = "create function pg_temp.comeback_table_check(regclass, boolean, boolean, text, bigint, bigint, \
        out blkno bigint, out offnum integer, out attnum integer, out msg text) returns setof record \
    language c as '$libdir/amcheck', 'verify_heapam'";

/// A complaint about an index or a table.
pub(super) struct Broken {
    pub(super) is_index: bool,
    pub(super) complaint: Complaint,
}

/// A session in one database. Everything that it creates is rolled back.
pub(super) struct Session {
    connection: PgConnection,
    database: String,
    /// Whether the functions for tables are there.
    checks_tables: bool,
}

impl Session {
    /// Begins under the search path of the application: comparing an index evaluates its expressions, which may call
    /// the application's functions.
    pub(super) async fn begin(server: &PostgresAddress, database: &str) -> Result<Self> {
        let connection = server.connect_as_application(database).await?;
        let mut session = Self { connection, database: database.to_owned(), checks_tables: false };
        session.run(BEGIN).await?;
        event_triggers::turn_off(&mut session.connection).await.context("checking the structure")?;
        session.run(INDEX_CHECK).await?;
        Ok(session)
    }

    /// The database that it is in.
    pub(super) fn database(&self) -> &str {
        &self.database
    }

    /// Ends the session.
    pub(super) async fn end(mut self) -> Result<()> {
        self.run("rollback").await?;
        close(self.connection).await;
        Ok(())
    }

    /// Does a job. Returns the complaints.
    pub(super) async fn check(&mut self, job: &Job) -> Result<Vec<Broken>> {
        if !matches!(job.target, Target::Indexes(_)) && !self.checks_tables {
            self.run(TABLE_CHECK).await?;
            self.checks_tables = true;
        }
        match &job.target {
            Target::Indexes(indexes) => self.indexes(indexes).await,
            Target::Tables(tables) => {
                let mut broken = Vec::new();
                for table in tables {
                    broken.extend(self.table(table, 0, None).await?);
                }
                Ok(broken)
            }
            Target::Pages(table, first, last) => self.table(table, *first, *last).await,
        }
    }

    /// Walks indexes with one statement; each by itself if it fails, because it does not say of which.
    async fn indexes(&mut self, indexes: &[Relation]) -> Result<Vec<Broken>> {
        if self.walk(indexes).await?.is_none() {
            return Ok(Vec::new());
        }
        let mut broken = Vec::new();
        for index in indexes {
            let Some(error) = self.walk(std::slice::from_ref(index)).await? else { continue };
            let answer = error.as_database_error().filter(|answer| is_damage(answer.code().as_deref()));
            let Some(answer) = answer else {
                return Err(error)
                    .context(format_args!("checking index {}", index.name))
                    .map_err(|e| self.in_it(e));
            };
            let complaint = Complaint { subject: index.name.clone(), said: answer.message().to_owned() };
            broken.push(Broken { is_index: true, complaint });
        }
        Ok(broken)
    }

    async fn walk(&mut self, indexes: &[Relation]) -> Result<Option<sqlx::Error>> {
        let oids = indexes.iter().map(|index| index.oid.to_string()).collect::<Vec<_>>().join(",");
        let walk = format!(
            "select pg_temp.comeback_index_check(i.oid::regclass, true)::text from unnest('{{{oids}}}'::oid[]) i(oid)"
        );
        self.run("savepoint look").await?;
        let walked = sqlx::raw_sql(AssertSqlSafe(walk)).execute(&mut self.connection).await;
        self.run("rollback to look; release look").await?;
        Ok(walked.err())
    }

    /// Looks at the rows of pages. A table that was cut in the meantime is looked at up to its end.
    async fn table(&mut self, table: &Relation, first: i64, last: Option<i64>) -> Result<Vec<Broken>> {
        let Relation { oid, name, .. } = table;
        let last = last.map_or_else(|| "null".to_owned(), |last| format!("least({last}, p.last)"));
        let check = format!(
            "select format('block %s, item %s: %s', c.blkno, c.offnum, c.msg) from \
                (select greatest(pg_relation_size({oid}::regclass) / current_setting('block_size')::int8 - 1, 0) as last) p, \
                lateral pg_temp.comeback_table_check({oid}::regclass, false, true, 'none', least({first}, p.last), {last}) c \
             limit {COMPLAINTS}"
        );
        self.run("savepoint look").await?;
        let said: Vec<String> = sqlx::query_scalar(AssertSqlSafe(check))
            .persistent(false)
            .fetch_all(&mut self.connection)
            .await
            .context(format_args!("checking table {name}"))
            .map_err(|error| self.in_it(error))?;
        self.run("rollback to look; release look").await?;
        let complaint = |said| Complaint { subject: name.clone(), said };
        Ok(said.into_iter().map(|said| Broken { is_index: false, complaint: complaint(said) }).collect())
    }

    async fn run(&mut self, sql: &'static str) -> Result<()> {
        let done = sqlx::raw_sql(sql).execute(&mut self.connection).await.context("checking the structure");
        done.map(drop).map_err(|error| self.in_it(error))
    }

    fn in_it(&self, error: Error) -> Error {
        error.context(format!("checking database {}", self.database))
    }
}

/// Whether an error is about the index itself: its data is corrupt or cannot be read (classes XX and 58).
/// Other errors come from code that the check calls, or from the environment.
fn is_damage(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("XX") || code.starts_with("58"))
}
