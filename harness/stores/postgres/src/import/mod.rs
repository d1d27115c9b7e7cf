//! Loads a plain SQL dump over several connections, with the same result as `psql -v ON_ERROR_STOP=1 -f`.
//!
//! psql runs statements one after another, and a dump relies on that. Three kinds of its parts do not depend
//! on each other, and only these run in parallel: the rows of tables without triggers and without application
//! code in their checks, indexes, and foreign keys. Any other statement waits for everything before it, and
//! everything after it waits for the statement.
//!
//! There is one difference from psql: where the dump of a whole cluster creates our own login role or sets
//! its password, psql would stop.
//!
//! The first error ends the import. What was loaded by then stays, as with psql; do not use that server.

mod absent;
mod adapt;
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
mod survey;
mod token;
mod trailer;
mod uses;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use sqlx::PgConnection;
use tokio::io::AsyncRead;

pub(super) use self::adapt::{Adaptation, tablespace_folder};
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
use super::server::destination::Destination;
use crate::error::Result;
#[cfg(feature = "benches")]
pub use bench::{cut_rows, cut_script};
pub(super) use roles::import_roles;
pub use statements::count_statements;
pub(super) use survey::{Survey, major_of, survey};
pub(super) use uses::{RoleUse, Uses};

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// The number of statements that were run, including loads of tables.
    pub statements: u64,
    /// The number of rows that were loaded, except by `INSERT` statements.
    pub rows: u64,
    /// Whether the script says that it is complete, as those of `pg_dump` do. For other scripts this cannot
    /// be known.
    pub says_complete: bool,
}

/// Loads a plain SQL script, beginning in `database`, over up to `jobs` connections. Findings call the script
/// `name`. A dump that ends early is a failure.
pub async fn import_sql(
    server: impl Into<Destination>,
    database: &str,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    import(&server.into(), database, Script::new(name, script), jobs, None).await
}

/// Loads a script that is known to come from `pg_dump`: without its last line it counts as cut off.
pub(super) async fn import_dump(
    server: &Destination,
    database: &str,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    jobs: usize,
) -> Result<Imported, RestoreFailure> {
    import(server, database, Script::of_dump(name, script), jobs, None).await
}

/// Loads somebody's script, whose statements are adapted to the new server. With `is_dump` it is known to come
/// from `pg_dump` or `pg_dumpall`, and without its last line counts as cut off.
pub(super) async fn import_foreign(
    server: impl Into<Destination>,
    database: &str,
    name: &str,
    script: impl AsyncRead + Unpin + Send,
    is_dump: bool,
    jobs: usize,
    adaptation: &Adaptation,
) -> Result<Imported, RestoreFailure> {
    let script = if is_dump { Script::of_dump(name, script) } else { Script::new(name, script) };
    import(&server.into(), database, script, jobs, Some(adaptation.clone())).await
}

async fn import<R: AsyncRead + Unpin + Send>(
    server: &Destination,
    database: &str,
    mut script: Script<R>,
    jobs: usize,
    adaptation: Option<Adaptation>,
) -> Result<Imported, RestoreFailure> {
    let mut import = Import::begin(server, database, script.name(), jobs).await?;
    import.adaptation = adaptation;
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

/// An import in progress.
struct Import {
    server: Destination,
    name: String,
    jobs: usize,
    sessions: Sessions,
    /// The session for everything that runs alone.
    main: PgConnection,
    /// The rows that are being loaded.
    loading: Option<(Loading, Order)>,
    /// Indexes or constraints that were postponed, to be built together.
    builds: Vec<Job>,
    /// Whether a transaction is open, so that what follows belongs to the main session alone.
    in_transaction: bool,
    /// Whether the main session has something that others lack, so that what follows belongs to it alone.
    is_private: bool,
    /// Whether passwords were seen, so that the server must not log refused statements.
    is_discreet: bool,
    /// How statements of somebody's script are changed.
    adaptation: Option<Adaptation>,
    imported: Imported,
}

impl Import {
    async fn begin(server: &Destination, database: &str, name: &str, jobs: usize) -> Result<Self> {
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
            adaptation: None,
            imported: Imported::default(),
        })
    }

    async fn take<R: AsyncRead + Unpin>(
        &mut self,
        part: Part,
        script: &mut Script<R>,
    ) -> Result<(), RestoreFailure> {
        match part {
            Part::Statement(statement) if script.is_of_cluster() || self.adaptation.is_some() => {
                self.role_or_other(statement).await
            }
            Part::Statement(statement) => self.statement(statement).await,
            Part::Copy(statement, format) => self.table(&statement, format, script).await,
            Part::Command(Command::Connect(database), _) => self.connect(&database).await,
            Part::Command(Command::Encoding(name), _) => self.encoding(&name).await,
            Part::Command(..) | Part::Rest(_) | Part::Rows(_) | Part::EndOfRows(_) => Ok(()),
        }
    }

    /// Runs a statement of a cluster dump, which also creates roles.
    async fn role_or_other(&mut self, statement: Statement) -> Result<(), RestoreFailure> {
        let is_role = created_role(statement.sql()).is_some() || altered_role(statement.sql()).is_some();
        if is_role && !self.is_discreet {
            hide_statements(&mut self.main).await?;
            self.is_discreet = true;
        }
        let adapted = match &self.adaptation {
            Some(adaptation) => adaptation.adapt(statement),
            None if is_role => for_new_server(statement),
            None => Some(statement),
        };
        match adapted {
            Some(statement) => self.statement(statement).await,
            None => Ok(()),
        }
    }

    /// Switches to another encoding, until the next session.
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

    /// Waits for everything that is postponed or running.
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

    /// Switches to another database, with new sessions.
    async fn connect(&mut self, database: &str) -> Result<(), RestoreFailure> {
        self.settle().await?;
        let mut sessions = Sessions::of(&self.server, database).await?;
        let main = std::mem::replace(&mut self.main, sessions.take().await?);
        self.server.created().connected(&mut self.main, database).await?;
        super::connection::session::close(main).await;
        std::mem::replace(&mut self.sessions, sessions).close_idle().await;
        (self.in_transaction, self.is_private, self.is_discreet) = (false, false, false);
        Ok(())
    }

    /// Loads a table's rows, up to their end mark.
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

/// Distributes a table's rows to the workers. A table without rows gives one empty piece, so that the server
/// sees the table.
async fn deal_rows<R: AsyncRead + Unpin>(
    loading: &Loading,
    section: Section,
    script: &mut Script<R>,
) -> Result<(), RestoreFailure> {
    let section = Arc::new(section);
    let mut next = Some(Rows { line: 0, lines: 0, bytes: Bytes::new() });
    while let Some(rows) = next {
        // If a worker has failed, the rest is skipped; the failure is returned when all workers are awaited.
        loading.deal(&section, rows).await;
        next = match script.next().await? {
            Some(Part::Rows(rows)) => Some(rows),
            _ => None,
        };
    }
    Ok(())
}
