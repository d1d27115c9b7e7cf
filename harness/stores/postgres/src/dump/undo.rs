//! Removes what an import that failed has created on a server of the user's, and nothing else.

use comeback_model::Manifest;

use super::present::PresentRoles;
use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::content::tables::quote_identifier;
use crate::error::{Context as _, Error, Result};

/// What a server had before an import, so that everything else can go.
pub struct ImportUndo {
    server: PostgresAddress,
    database: String,
    present: PresentRoles,
    /// The roles of the export that the server did not have.
    missing: Vec<String>,
}

impl ImportUndo {
    /// Looks at a server before an import. Fails if it has the database already: nothing is replaced.
    pub async fn prepare(server: &PostgresAddress, dump: &Manifest) -> Result<Self> {
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
        let roles = cluster.catalogue.objects.get("role").into_iter().flat_map(|roles| roles.keys());
        let kept = present.among(&cluster.catalogue);
        let missing = roles.filter(|role| !kept.contains(role)).cloned().collect();
        Ok(Self { server: server.clone(), database, present, missing })
    }

    /// The database that the import creates.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The roles that were there before.
    pub fn present(&self) -> &PresentRoles {
        &self.present
    }

    /// The roles of the export that the server does not have, quoted as in SQL.
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Drops the database and the roles that the import created. Returns what was dropped.
    pub async fn carry_out(&self) -> Result<Vec<String>> {
        let mut connection = self.server.connect_to_cluster().await?;
        let mut dropped = Vec::new();
        let database = quote_identifier(&self.database);
        let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(&self.database)
            .fetch_one(&mut connection)
            .await
            .context("listing the databases")?;
        if there {
            let force = if self.server.major().await? >= 13 { " with (force)" } else { "" };
            let drop = format!("drop database {database}{force}");
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await;
            done.context(format_args!("dropping database {database}"))?;
            dropped.push(format!("database {database}"));
        }
        for role in &self.missing {
            let drop = format!("drop role if exists {role}");
            let done = sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await;
            done.context(format_args!("dropping role {role}"))?;
            dropped.push(format!("role {role}"));
        }
        close(connection).await;
        Ok(dropped)
    }
}
