//! Loads a plain SQL dump over several connections, exactly as faithful as `psql -v ON_ERROR_STOP=1 -f`.
//!
//! psql does one thing after another, and a dump means just that. Three kinds of its parts do not depend on
//! each other, and these alone are done side by side: rows of tables without triggers and without code of the
//! application in their checks, indexes, and foreign keys. Any other statement waits for everything before it, and
//! is waited for. Where the dump of a whole cluster creates the role that we log in as, or sets its password, it
//! differs from psql, which would stop there.
//!
//! The first error ends it. What was loaded by then stays, as with psql: the server is of no use.

#[cfg(feature = "benches")]
mod bench;
mod builds;
mod meaning;
mod order;
mod part;
mod roles;
mod rows;
mod script;
mod session;
mod splitter;
mod statements;
mod token;
mod trailer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use sqlx::PgConnection;
use tokio::io::AsyncRead;

use self::builds::{Job, build_all};
use self::meaning::{Meaning, altered_role, copied_table, created_role, meaning};
use self::order::Order;
use self::part::{Command, Part, RowFormat, Rows, Statement};
use self::roles::{for_new_server, hide_statements};
use self::rows::{Loading, LoadingAlone, Section};
use self::script::Script;
use self::session::{Sessions, run};
use super::RestoreFailure;
use super::content::tables::quote_literal;
use super::server::node::PostgresServer;
use crate::error::Result;
#[cfg(feature = "benches")]
pub use bench::{cut_rows, cut_script};
pub(super) use roles::import_roles;
pub use statements::count_statements;

/// What an import did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Statements that were run, loads of tables included.
    pub statements: u64,
    /// Rows that were loaded; those of `INSERT` statements are not counted.
    pub rows: u64,
    /// Whether the script says that it is complete, as those of `pg_dump` do. Of any other nobody can tell.
    pub says_complete: bool,
}

/// Loads a plain SQL script, which begins in `database`, over up to `jobs` connections. `name` is what findings
/// call it. A dump that ends early is a failure.
pub async fn import_sql(
    server: &PostgresServer,
    database: &str,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    import(server, database, Script::new(name, script), jobs).await
}

/// The same for a script that is known to be one of `pg_dump`: without its last line it is cut.
pub(super) async fn import_dump(
    server: &PostgresServer,
    database: &str,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    import(server, database, Script::of_dump(name, script), jobs).await
}

async fn import<R: AsyncRead + Unpin + Send>(
    server: &PostgresServer,
    database: &str,
    mut script: Script<R>,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    let mut import = Import::begin(server, database, script.name(), jobs).await?;
    while let Some(part) = script.next().await? {
        import.take(part, &mut script).await?;
    }
    import.settle().await?;
    let Import { main, mut sessions, imported, .. } = import;
    let imported = Imported { says_complete: script.says_complete(), ..imported };
    super::connection::session::close(main).await;
    sessions.close_idle().await;
    Ok(imported)
}

/// An import under way.
struct Import {
    server: PostgresServer,
    name: String,
    jobs: usize,
    sessions: Sessions,
    /// The session of everything that runs by itself.
    main: PgConnection,
    /// Rows that are being loaded.
    loading: Option<(Loading, Order)>,
    /// Indexes or constraints that were put off, to be built together.
    builds: Vec<Job>,
    /// Whether what comes belongs to the main session alone: a transaction is open in it,
    in_transaction: bool,
    /// or it has something that others do not have.
    is_private: bool,
    /// Whether passwords went by, so that the server must not log what it refuses.
    is_discreet: bool,
    imported: Imported,
}

impl Import {
    async fn begin(server: &PostgresServer, database: &str, name: &str, jobs: usize) -> Result<Self> {
        let mut sessions = Sessions::of(server, database).await?;
        let main = sessions.take().await?;
        Ok(Self {
            server: server.clone(),
            name: name.to_owned(),
            jobs: jobs.max(1),
            sessions,
            main,
            loading: None,
            builds: Vec::new(),
            in_transaction: false,
            is_private: false,
            is_discreet: false,
            imported: Imported::default(),
        })
    }

    async fn take<R: AsyncRead + Unpin>(
        &mut self,
        part: Part,
        script: &mut Script<R>,
    ) -> Result<(), RestoreFailure> {
        match part {
            Part::Statement(statement) if script.is_of_cluster() => self.role_or_other(statement).await,
            Part::Statement(statement) => self.statement(statement).await,
            Part::Copy(statement, format) => self.table(&statement, format, script).await,
            Part::Command(Command::Connect(database), _) => self.connect(&database).await,
            Part::Command(Command::Encoding(name), _) => self.encoding(&name).await,
            Part::Command(..) | Part::Rest(_) | Part::Rows(_) | Part::EndOfRows(_) => Ok(()),
        }
    }

    /// A statement of the dump of a whole cluster, in which roles are created.
    async fn role_or_other(&mut self, statement: Statement) -> Result<(), RestoreFailure> {
        let is_role = created_role(statement.sql()).is_some() || altered_role(statement.sql()).is_some();
        if is_role && !self.is_discreet {
            hide_statements(&mut self.main).await?;
            self.is_discreet = true;
        }
        match if is_role { for_new_server(statement) } else { Some(statement) } {
            Some(statement) => self.statement(statement).await,
            None => Ok(()),
        }
    }

    /// What follows is in another encoding, until the next session.
    async fn encoding(&mut self, name: &str) -> Result<(), RestoreFailure> {
        self.settle().await?;
        let sql = format!("set client_encoding = {}", quote_literal(name));
        session::set(&mut self.main, &sql).await?;
        self.sessions.add_setting(&sql).await;
        Ok(())
    }

    async fn statement(&mut self, statement: Statement) -> Result<(), RestoreFailure> {
        self.imported.statements += 1;
        let alone = self.in_transaction || self.is_private;
        match meaning(statement.sql()) {
            Meaning::Build(build) if !alone => {
                let of_another_class = |job: &Job| job.build.class != build.class;
                if self.loading.is_some() || self.builds.last().is_some_and(of_another_class) {
                    self.settle().await?;
                }
                self.builds.push(Job { build, statements: vec![statement] });
                return Ok(());
            }
            Meaning::About(name) => {
                if let Some(job) = self.builds.last_mut().filter(|job| job.build.name == name) {
                    job.statements.push(statement);
                    return Ok(());
                }
            }
            Meaning::Setting if !alone => {
                self.run_alone(&statement).await?;
                let sql = session::text_of(&self.name, &statement)?;
                self.sessions.add_setting(&sql).await;
                return Ok(());
            }
            Meaning::Begin => self.in_transaction = true,
            Meaning::End => self.in_transaction = false,
            Meaning::Private => self.is_private = true,
            Meaning::Build(_) | Meaning::Setting | Meaning::Other => {}
        }
        self.run_alone(&statement).await
    }

    async fn run_alone(&mut self, statement: &Statement) -> Result<(), RestoreFailure> {
        self.settle().await?;
        run(&mut self.main, &self.name, statement).await
    }

    /// Waits for everything that was put off or is under way.
    async fn settle(&mut self) -> Result<(), RestoreFailure> {
        if let Some((loading, _)) = self.loading.take() {
            self.imported.rows += loading.finish(&mut self.sessions).await?;
        }
        if !self.builds.is_empty() {
            let builds = std::mem::take(&mut self.builds);
            build_all(&mut self.main, &mut self.sessions, &self.name, builds, self.jobs).await?;
        }
        Ok(())
    }

    /// What follows is for another database, in new sessions.
    async fn connect(&mut self, database: &str) -> Result<(), RestoreFailure> {
        self.settle().await?;
        let mut sessions = Sessions::of(&self.server, database).await?;
        let main = std::mem::replace(&mut self.main, sessions.take().await?);
        super::connection::session::close(main).await;
        std::mem::replace(&mut self.sessions, sessions).close_idle().await;
        (self.in_transaction, self.is_private, self.is_discreet) = (false, false, false);
        Ok(())
    }

    /// A table's rows, up to their end mark.
    async fn table<R: AsyncRead + Unpin>(
        &mut self,
        statement: &Statement,
        format: RowFormat,
        script: &mut Script<R>,
    ) -> Result<(), RestoreFailure> {
        self.imported.statements += 1;
        let section = Section::new(&self.name, statement)?;
        let together = format == RowFormat::Lines && !self.in_transaction && !self.is_private;
        if together && self.loading.is_none() {
            self.settle().await?;
            let order = Order::read(&mut self.main).await?;
            if !order.is_of_all() {
                let loading = Loading::start(&mut self.sessions, &self.name, self.jobs).await?;
                self.loading = Some((loading, order));
            }
        }
        let is_free = |order: &Order| !order.holds(copied_table(statement.sql()).as_ref());
        if let Some((loading, _)) = self.loading.as_ref().filter(|(_, order)| together && is_free(order)) {
            return deal_rows(loading, section, script).await;
        }
        self.settle().await?;
        let mut copy = LoadingAlone::start(&mut self.main, &self.name, section).await?;
        while let Some(Part::Rows(rows)) = script.next().await? {
            copy.add(rows).await?;
        }
        self.imported.rows += copy.finish().await?;
        Ok(())
    }
}

/// Deals a table's rows out; none are a piece too, so that the server sees the table.
async fn deal_rows<R: AsyncRead + Unpin>(
    loading: &Loading,
    section: Section,
    script: &mut Script<R>,
) -> Result<(), RestoreFailure> {
    let section = Arc::new(section);
    let mut next = Some(Rows { line: 0, lines: 0, bytes: Bytes::new() });
    while let Some(rows) = next {
        // Where a worker has failed the rest is not needed, and the failure is told when all are waited for.
        loading.deal(&section, rows).await;
        next = match script.next().await? {
            Some(Part::Rows(rows)) => Some(rows),
            _ => None,
        };
    }
    Ok(())
}
