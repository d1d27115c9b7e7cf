//! The new server for a dump: roles and tablespaces that it needs, its database, and what is said of them.

use comeback_engine::RestoreFailure;
use comeback_engine::artefact::VerifyOptions;
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io};
use comeback_model::Phase;
use sqlx::AssertSqlSafe;

use super::globals;
use super::needs::{Needs, listed};
use super::toc::Contents;
use crate::connection::session::close;
use crate::content::tables::quote_literal;
use crate::error::{Context as _, Result};
use crate::import::{Adaptation, Uses, tablespace_folder};
use crate::judges::check_queries;
use crate::server::fast::for_loading;
use crate::{Brings, PostgresNodes as _, PostgresServer, gather_statistics, quote_identifier};

/// The database of a dump that does not name one.
pub(super) const DATABASE: &str = "restored";

/// A new server that has what a dump needs.
pub(super) struct NewServer {
    pub(super) server: PostgresServer,
    pub(super) adaptation: Adaptation,
    /// What was made up, for the summary of the restore; empty if nothing was.
    pub(super) made_up: String,
}

impl NewServer {
    /// Starts a server, and creates the roles and tablespaces that the user gave or allowed to make up.
    pub(super) async fn start(
        course: &mut Course,
        name: &str,
        needs: &Needs,
        options: &VerifyOptions,
    ) -> Result<Self, RestoreFailure> {
        course.step(Phase::Recover, "create a new server");
        let server = course.postgres_node_of("restored", needs.major, name).await?;
        server.init().await?;
        let fast: Vec<_> = if options.fast { for_loading().collect() } else { Vec::new() };
        server.start(&fast).await?;
        check_queries(server.address(), &options.queries).await?;
        let folder = format!("{}/tablespaces", server.node().dir());
        let mut new =
            Self { server, adaptation: Adaptation { tablespaces: Some(folder) }, made_up: String::new() };
        new.make_folders(needs).await?;
        if let Some(file) = &options.globals {
            course.step(Phase::Recover, "create the roles and tablespaces of the cluster");
            globals::load(&new.server, file, options, &new.adaptation).await?;
        }
        new.make_up(course, needs).await?;
        Ok(new)
    }

    /// Makes a folder for each tablespace: for those of the dump, and for those that are made up.
    async fn make_folders(&self, needs: &Needs) -> Result<()> {
        let names =
            needs.tablespaces().into_iter().chain(needs.uses.created_tablespaces.keys().map(String::as_str));
        let Some(folder) = &self.adaptation.tablespaces else { return Ok(()) };
        for name in names {
            let make =
                Command::new("mkdir").args(["-p", "-m", "0700", "--", &tablespace_folder(folder, name)]);
            let output = self.server.node().exec(&make, Io::default()).await?;
            output.success("creating a folder for a tablespace")?;
        }
        Ok(())
    }

    async fn make_up(&mut self, course: &Course, needs: &Needs) -> Result<()> {
        let (roles, tablespaces) = (needs.roles(), needs.tablespaces());
        if roles.is_empty() && tablespaces.is_empty() {
            return Ok(());
        }
        course.step(Phase::Recover, "make up roles and tablespaces that the dump needs");
        let mut connection = self.server.connect("postgres").await?;
        let mut statements = Vec::new();
        for (role, uses) in &roles {
            let superuser = if uses.must_be_superuser { " superuser" } else { "" };
            statements.push(format!("create role {} nologin{superuser}", quote_identifier(role)));
        }
        let folder = self.adaptation.tablespaces.as_deref().unwrap_or_default();
        for name in &tablespaces {
            let location = quote_literal(&tablespace_folder(folder, name));
            statements.push(format!("create tablespace {} location {location}", quote_identifier(name)));
        }
        for statement in statements {
            let doing = statement.clone();
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.context(doing)?;
        }
        close(connection).await;
        let roles: Vec<_> = roles.keys().map(ToString::to_string).collect();
        let tablespaces: Vec<_> = tablespaces.iter().map(ToString::to_string).collect();
        let mut said = Vec::new();
        if !roles.is_empty() {
            said.push(format!("made up the roles {}: their rights are not proven", listed(&roles)));
        }
        if !tablespaces.is_empty() {
            said.push(format!("made up the tablespaces {}", listed(&tablespaces)));
        }
        self.made_up = said.join("; ");
        course.note(self.made_up.clone());
        Ok(())
    }

    /// Creates an empty database, for a dump that does not create its own. Bytes without an encoding fit only into a
    /// database without one.
    pub(super) async fn create_database(&self, name: &str, encoding: Option<&str>) -> Result<()> {
        let options = match encoding {
            Some("SQL_ASCII") => " encoding 'SQL_ASCII' locale 'C' template template0",
            _ => "",
        };
        self.run("postgres", &format!("create database {}{options}", quote_identifier(name))).await
    }

    /// Drops the standard schema of a new database, for a dump that creates it: `pg_dump --schema=public` writes one.
    pub(super) async fn drop_public(&self, database: &str) -> Result<()> {
        self.run(database, "drop schema if exists public").await
    }

    /// Drops the database `postgres` for a dump that creates one of this name. Returns the database from which the
    /// dump is to be loaded.
    pub(super) async fn make_way_for(&self, uses: &Uses) -> Result<&'static str> {
        if !uses.created_databases.contains("postgres") {
            return Ok("postgres");
        }
        self.run("template1", "drop database postgres").await?;
        Ok("template1")
    }

    /// Creates the database of an archive as the archive says, or as an empty one.
    pub(super) async fn create_as(&self, name: &str, contents: &Contents) -> Result<()> {
        let Some((statement, owner)) = &contents.database else {
            return self.create_database(name, None).await;
        };
        self.run("template1", statement).await?;
        if owner.is_empty() {
            return Ok(());
        }
        let (name, owner) = (quote_identifier(name), quote_identifier(owner));
        self.run("template1", &format!("alter database {name} owner to {owner}")).await
    }

    /// Applies the settings, grants and comments of the database itself, which `pg_restore` leaves out if it does not
    /// create the database.
    pub(super) async fn finish_database(&self, name: &str, contents: &Contents) -> Result<()> {
        for statements in &contents.of_database {
            self.run(name, statements).await?;
        }
        Ok(())
    }

    /// Runs one statement.
    pub(super) async fn run(&self, database: &str, statement: &str) -> Result<()> {
        let mut connection = self.server.connect(database).await?;
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut connection).await;
        close(connection).await;
        done.context(statement).map(drop)
    }

    /// Gathers the planner's statistics of every database, which no dump contains.
    pub(super) async fn gather_statistics(&self, course: &Course, jobs: usize) -> Result<()> {
        course.step(Phase::Recover, "gather the planner's statistics");
        let mut connection = self.server.connect("postgres").await?;
        let databases: Vec<String> = sqlx::query_scalar(
            "select datname::text from pg_catalog.pg_database where datallowconn and not datistemplate order by 1",
        )
        .fetch_all(&mut connection)
        .await
        .context("listing the databases")?;
        close(connection).await;
        for database in databases {
            gather_statistics(self.server.address(), &database, jobs).await?;
        }
        Ok(())
    }

    /// A summary, with what was made up.
    pub(super) fn summary(&self, restored: String) -> String {
        if self.made_up.is_empty() { restored } else { format!("{restored}; {}", self.made_up) }
    }
}

/// What a dump brings beside the content of its databases. Roles that were made up are not those of the user.
pub(super) fn brings(needs: &Needs, options: &VerifyOptions, names: Vec<String>, properties: bool) -> Brings {
    let roles = options.globals.is_some() && needs.roles().is_empty();
    Brings { databases: Some(names), properties, roles, owners: needs.uses.names_owners() }
}
