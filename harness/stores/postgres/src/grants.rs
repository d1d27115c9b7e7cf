//! What a role needs to take a backup, asked for before the backup begins.

use sqlx::PgConnection;

use crate::cluster::list_databases;
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};

/// What is about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taking<'a> {
    /// A base backup; with a barrier, tables are locked and read.
    Base {
        /// Whether it sets a restore point and records the content.
        has_barrier: bool,
    },
    /// A dump of this database.
    Dump(&'a str),
    /// An export of a table in this database.
    Table(&'a str, &'a str),
}

/// Reads the log from the server. Only a superuser may call them, unless somebody was allowed to.
const LOG_FUNCTIONS: [&str; 2] = ["pg_ls_waldir()", "pg_read_binary_file(text)"];
/// Sets the moment of a base backup.
const MOMENT_FUNCTIONS: [&str; 2] = ["pg_create_restore_point(text)", "pg_switch_wal()"];
/// Finds the search path of the application, for rows whose reading calls its functions.
const PATH_FUNCTION: &str = "pg_show_all_file_settings()";

/// The tables of a database that a role may not read or lock. `{may}` is the privilege, as a condition on `c.oid`.
const TABLES: &str = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace \
    where c.relkind in ('r', 'p', 'm') and c.relpersistence <> 't' \
    and n.nspname !~ '^pg_(toast|temp|catalog)' and n.nspname <> 'information_schema' and not ({may}) order by 1 limit 1";

/// The sequences that number the rows of a table, and that a role may not read.
const SEQUENCES: &str = "select s.oid::regclass::text from pg_depend d join pg_class s on s.oid = d.objid \
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass \
    and d.refobjid = to_regclass($1) and d.deptype in ('a', 'i') and s.relkind = 'S' \
    and not has_table_privilege(s.oid, 'select') order by 1";

/// Fails if the role of the address lacks something that the backup needs, with the statements that grant it. A
/// standby is refused for a base backup that sets a restore point.
pub async fn ensure_may_take(server: &PostgresAddress, taking: Taking<'_>) -> Result<()> {
    let major = server.major().await?;
    let mut connection = server.connect_to_cluster().await?;
    let mut lacks =
        Lacks { role: quote_identifier(server.user()), major, what: Vec::new(), grants: Vec::new() };
    if let Taking::Base { has_barrier } = taking {
        if has_barrier {
            refuse_standby(&mut connection).await?;
        }
        lacks.of_base_backup(&mut connection, server.database(), has_barrier).await?;
    }
    if matches!(taking, Taking::Base { has_barrier: true } | Taking::Dump(_)) {
        lacks.of_catalogues(&mut connection, server.database()).await?;
    }
    close(connection).await;
    let databases = match taking {
        Taking::Base { has_barrier: true } => list_databases(server).await?,
        Taking::Base { has_barrier: false } => Vec::new(),
        Taking::Dump(database) | Taking::Table(database, _) => vec![database.to_owned()],
    };
    for database in databases {
        let mut connection = server.connect(&database).await?;
        if let Taking::Table(_, table) = taking {
            lacks.of_table(&mut connection, &database, table).await?;
        } else {
            let is_base = matches!(taking, Taking::Base { .. });
            lacks.of_tables(&mut connection, &database, is_base).await?;
        }
        close(connection).await;
    }
    lacks.into_outcome(taking)
}

async fn refuse_standby(connection: &mut PgConnection) -> Result<()> {
    let is_standby: bool = sqlx::query_scalar("select pg_is_in_recovery()")
        .fetch_one(connection)
        .await
        .context("asking whether the server is a standby")?;
    if !is_standby {
        return Ok(());
    }
    Err(Error::usage("the server is a standby, where no restore point can be set")
        .hint("take the backup from the primary; or with --no-barrier, and nothing can be judged `exact`"))
}

/// What is missing, and what to do about it.
struct Lacks {
    role: String,
    major: u32,
    what: Vec<String>,
    grants: Vec<String>,
}

impl Lacks {
    fn add(&mut self, what: impl Into<String>, grant: impl Into<String>) {
        let grant = grant.into();
        self.what.push(what.into());
        if !self.grants.contains(&grant) {
            self.grants.push(grant);
        }
    }

    async fn of_base_backup(
        &mut self,
        connection: &mut PgConnection,
        database: &str,
        has_barrier: bool,
    ) -> Result<()> {
        let replicates = "select rolsuper or rolreplication from pg_roles where rolname = current_user";
        if !ask(connection, replicates).await? {
            let role = &self.role;
            self.add("the attribute REPLICATION", format!("ALTER ROLE {role} REPLICATION;"));
        }
        let moment = MOMENT_FUNCTIONS.into_iter().chain([PATH_FUNCTION]).filter(|_| has_barrier);
        self.of_functions(connection, database, LOG_FUNCTIONS.into_iter().chain(moment)).await
    }

    async fn of_functions(
        &mut self,
        connection: &mut PgConnection,
        database: &str,
        functions: impl Iterator<Item = &'static str>,
    ) -> Result<()> {
        let mut missing = Vec::new();
        for function in functions {
            let sql = format!("select has_function_privilege('pg_catalog.{function}', 'execute')");
            if !ask(connection, &sql).await? {
                missing.push(function);
            }
        }
        if !missing.is_empty() {
            let (list, role) = (missing.join(", "), &self.role);
            let grant = format!(
                "in database {}: GRANT EXECUTE ON FUNCTION {list} TO {role};",
                quote_identifier(database)
            );
            self.add(format!("execution of {list}"), grant);
        }
        Ok(())
    }

    /// The verifiers of passwords, which the definitions of roles and `pg_dumpall` contain.
    async fn of_catalogues(&mut self, connection: &mut PgConnection, database: &str) -> Result<()> {
        if !ask(connection, "select has_table_privilege('pg_catalog.pg_authid', 'select')").await? {
            let grant = if self.major >= 14 {
                format!("GRANT pg_read_all_data TO {};", self.role)
            } else {
                let database = quote_identifier(database);
                format!("in database {database}: GRANT SELECT ON pg_authid TO {};", self.role)
            };
            self.add("reading pg_authid, the definitions of roles", grant);
        }
        Ok(())
    }

    async fn of_table(&mut self, connection: &mut PgConnection, database: &str, table: &str) -> Result<()> {
        let may: Option<bool> = sqlx::query_scalar("select has_table_privilege(to_regclass($1), 'select')")
            .bind(table)
            .fetch_one(&mut *connection)
            .await
            .context(format_args!("asking for {table}"))?;
        let in_database = format!("in database {}", quote_identifier(database));
        match may {
            Some(true) => {}
            Some(false) => {
                let grant = format!("{in_database}: GRANT SELECT ON {table} TO {};", self.role);
                self.add(format!("reading {table}"), grant);
            }
            None => {
                return Err(Error::usage(format!("there is no table {table} in database {database}"))
                    .hint("name it as in SQL, with its schema: public.stories"));
            }
        }
        let sequences: Vec<String> = sqlx::query_scalar(SEQUENCES)
            .bind(table)
            .fetch_all(connection)
            .await
            .context(format_args!("asking for the sequences of {table}"))?;
        for sequence in sequences {
            let grant = format!("{in_database}: GRANT SELECT ON SEQUENCE {sequence} TO {};", self.role);
            self.add(format!("reading {sequence}"), grant);
        }
        Ok(())
    }

    async fn of_tables(&mut self, connection: &mut PgConnection, database: &str, locks: bool) -> Result<()> {
        let (role, quoted) = (self.role.clone(), quote_identifier(database));
        let every = |privilege: &str| {
            format!(
                "in database {quoted}, for each schema: GRANT {privilege} ON ALL TABLES IN SCHEMA … TO {role};"
            )
        };
        let reads = "has_table_privilege(c.oid, 'select') and has_schema_privilege(n.oid, 'usage')";
        if let Some(table) = first(connection, reads).await? {
            let grant =
                if self.major >= 14 { format!("GRANT pg_read_all_data TO {role};") } else { every("SELECT") };
            self.add(format!("reading {table} of database {database}"), grant);
        }
        let maintain = if self.major >= 17 { ", maintain" } else { "" };
        let writes =
            format!("has_table_privilege(c.oid, 'update, delete, truncate{maintain}') or c.relkind = 'm'");
        if locks && let Some(table) = first(connection, &writes).await? {
            let grant = match self.major {
                17.. => format!("GRANT pg_maintain TO {role};"),
                14.. => format!("GRANT pg_write_all_data TO {role};"),
                _ => every("UPDATE"),
            };
            self.add(format!("locking {table} of database {database} against writes"), grant);
        }
        // Without the attribute, a policy hides rows, and reading fails.
        let bypasses = "select rolsuper or rolbypassrls from pg_roles where rolname = current_user";
        if !ask(connection, bypasses).await?
            && let Some(table) = first(
                connection,
                "not c.relrowsecurity or pg_has_role(c.relowner, 'usage') and not c.relforcerowsecurity",
            )
            .await?
        {
            self.add(
                format!("every row of {table} of database {database}"),
                format!("ALTER ROLE {role} BYPASSRLS;"),
            );
        }
        self.of_large_objects(connection, database, locks).await
    }

    /// Large objects lie in a system catalogue, and each has an owner of its own.
    async fn of_large_objects(
        &mut self,
        connection: &mut PgConnection,
        database: &str,
        locks: bool,
    ) -> Result<()> {
        let others = "select exists (select from pg_largeobject_metadata m where not pg_has_role(m.lomowner, 'usage')) \
            and not (select rolsuper from pg_roles where rolname = current_user)";
        if !ask(connection, others).await? {
            return Ok(());
        }
        if locks {
            self.add(
                format!("locking the large objects of database {database}"),
                "large objects lie in a system catalogue, which only a superuser may lock",
            );
        } else if ask(connection, "select current_setting('lo_compat_privileges') = 'off'").await? {
            let grant = format!("ALTER ROLE {} SET lo_compat_privileges = on;", self.role);
            self.add(format!("reading the large objects of database {database}"), grant);
        }
        Ok(())
    }

    fn into_outcome(self, taking: Taking<'_>) -> Result<()> {
        if self.what.is_empty() {
            return Ok(());
        }
        let Self { role, what, grants, .. } = self;
        let error =
            Error::usage(format!("the role {role} lacks what this backup needs: {}", what.join("; ")));
        let error = grants.into_iter().fold(error, Error::hint);
        Err(if matches!(taking, Taking::Base { has_barrier: true }) {
            error.hint("or use a superuser; --no-barrier locks and reads no table, and nothing can be judged `exact`")
        } else {
            error
        })
    }
}

async fn ask(connection: &mut PgConnection, sql: &str) -> Result<bool> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_one(connection)
        .await
        .context("asking what the role may do")
}

/// The first table of a database for which the role has not what `may` asks for.
async fn first(connection: &mut PgConnection, may: &str) -> Result<Option<String>> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(TABLES.replace("{may}", may)))
        .fetch_optional(connection)
        .await
        .context("asking what the role may do with the tables")
}
