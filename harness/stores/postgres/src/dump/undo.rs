//! Removes what an import that failed has created on a server of the user's, and nothing else.

use comeback_model::Manifest;
use sqlx::PgConnection;

use super::present::PresentRoles;
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};
use crate::server::created::{Created, oid_of};
use crate::server::destination::Destination;

/// What a server had before an import, and what the import has created.
pub struct ImportUndo {
    server: PostgresAddress,
    database: String,
    present: PresentRoles,
    created: Created,
}

impl ImportUndo {
    /// Looks at a server before an import. Fails if it has the database already: nothing is replaced.
    pub async fn prepare(destination: &Destination, dump: &Manifest) -> Result<Self> {
        let server = destination.address();
        let cluster = dump.content.cluster()?;
        let Some(database) = cluster.databases.keys().next().cloned() else {
            return Err(Error::failed(format!("the manifest of {} names no database", dump.id)));
        };
        let mut connection = server.connect_to_cluster().await?;
        let (exists, is_standby): (bool, bool) =
            sqlx::query_as("select exists (select from pg_database where datname = $1), pg_is_in_recovery()")
                .bind(&database)
                .fetch_one(&mut connection)
                .await
                .context("listing the databases")?;
        close(connection).await;
        if is_standby {
            return Err(
                Error::usage("the server is a standby, which accepts no writes").hint("name its primary")
            );
        }
        if exists {
            return Err(Error::usage(format!(
                "the server has a database {database} already, and a restore replaces none"
            ))
            .hint(format!("rename it first: ALTER DATABASE {0} RENAME TO …", quote_identifier(&database))));
        }
        let present = PresentRoles::read(server).await?;
        Ok(Self { server: server.clone(), database, present, created: destination.created().clone() })
    }

    /// The database that the import creates.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The roles that were there before.
    pub fn present(&self) -> &PresentRoles {
        &self.present
    }

    /// The roles that the import created, quoted as in SQL.
    pub fn created_roles(&self) -> Vec<String> {
        self.created.roles().iter().map(|role| quote_identifier(role)).collect()
    }

    /// Drops the database and the roles that the import created, and nothing else.
    pub async fn carry_out(&self) -> Result<Undone> {
        let mut connection = self.server.connect_to_cluster().await?;
        let mut undone = Undone::default();
        let name = quote_identifier(&self.database);
        let there = oid_of(&mut connection, &self.database).await?;
        let ours = self.created.database().filter(|(name, _)| *name == self.database).map(|(_, oid)| oid);
        if there.is_some() && there == ours {
            let force = if self.server.major().await? >= 13 { " with (force)" } else { "" };
            run(&mut connection, format!("drop database {name}{force}"), &format!("database {name}")).await?;
            undone.dropped.push(format!("database {name}"));
        } else if there.is_some() {
            undone.foreign = Some(format!("database {name}"));
        }
        for role in self.created_roles() {
            run(&mut connection, format!("drop role if exists {role}"), &format!("role {role}")).await?;
            undone.dropped.push(format!("role {role}"));
        }
        close(connection).await;
        Ok(undone)
    }
}

/// What the removal came to.
#[derive(Debug, Default)]
pub struct Undone {
    /// What was dropped.
    pub dropped: Vec<String>,
    /// What is there, although nothing shows that the import created it.
    pub foreign: Option<String>,
}

async fn run(connection: &mut PgConnection, sql: String, what: &str) -> Result<()> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    done.context(format_args!("dropping {what}")).map(drop)
}
