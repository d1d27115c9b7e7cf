//! Which rows a backup contains, and which it does not.

use comeback_model::{DatabaseContent, NotLookedAt, ScopeKind};
use sqlx::PgConnection;

use super::tables::{TableInfo, list_tables};
use crate::error::{Context as _, Result};

/// How a backup stores rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carried {
    /// As files of the cluster: every row that survives a crash.
    ByFiles,
    /// As a dump: every row that definitions and extensions cannot produce again.
    ByDump,
}

impl Carried {
    /// The table as this kind of backup stores it, or the reason why it is not stored.
    fn of(self, mut table: TableInfo) -> Result<TableInfo, NotLookedAt> {
        let left_out =
            |kind, table: &TableInfo, reason: &str| Err(NotLookedAt::new(kind, &table.name, reason));
        match self {
            Self::ByFiles if table.is_unlogged => left_out(
                ScopeKind::UnloggedTable,
                &table,
                "it is unlogged: a crash or a base backup empties it",
            ),
            Self::ByFiles => Ok(table),
            Self::ByDump if table.is_view => {
                left_out(ScopeKind::MaterialisedView, &table, "a restore computes its rows again")
            }
            Self::ByDump => match &table.extension {
                None => Ok(table),
                Some(extension) => match &extension.dumped {
                    None => {
                        let reason = format!("a dump leaves its rows to the extension {}", extension.name);
                        left_out(ScopeKind::ExtensionTable, &table, &reason)
                    }
                    Some(condition) => {
                        table.condition = Some(condition.clone()).filter(|text| !text.trim().is_empty());
                        Ok(table)
                    }
                },
            },
        }
    }
}

/// The tables whose rows a backup contains, and those whose rows it does not.
pub(crate) async fn list_carried(
    connection: &mut PgConnection,
    carried: Carried,
) -> Result<(Vec<TableInfo>, Vec<NotLookedAt>)> {
    let mut not_looked_at = list_foreign_tables(connection).await?;
    let mut tables = Vec::new();
    for table in list_tables(connection).await? {
        match carried.of(table) {
            Ok(table) => tables.push(table),
            Err(left_out) => not_looked_at.push(left_out),
        }
    }
    Ok((tables, not_looked_at))
}

/// The tables of a restored database, each to be read as it was recorded, and the tables that the backup did
/// not look at. A table that is not in the backup is read in its default way.
pub(crate) async fn list_recorded(
    connection: &mut PgConnection,
    recorded: &DatabaseContent,
) -> Result<(Vec<TableInfo>, Vec<NotLookedAt>)> {
    let mut not_looked_at = recorded.not_looked_at.clone();
    let named = |list: &[NotLookedAt], name: &str| list.iter().any(|thing| thing.subject == name);
    for foreign in list_foreign_tables(connection).await? {
        if !named(&not_looked_at, &foreign.subject) {
            not_looked_at.push(foreign);
        }
    }
    let definitions = recorded.catalogue.objects.get("table");
    let mut tables = Vec::new();
    for table in list_tables(connection).await? {
        let is_defined = definitions.is_some_and(|tables| tables.contains_key(&table.name));
        if let Some(recorded) = recorded.tables.get(&table.name) {
            tables.push(table.as_recorded(recorded));
        } else if named(&not_looked_at, &table.name) {
        } else if is_defined || table.extension.is_some() {
            // Older manifests did not record what they left out.
            let kind = match &table {
                TableInfo { is_view: true, .. } => ScopeKind::MaterialisedView,
                TableInfo { is_unlogged: true, .. } => ScopeKind::UnloggedTable,
                _ => ScopeKind::ExtensionTable,
            };
            not_looked_at.push(NotLookedAt::new(kind, &table.name, "the manifest does not hold its rows"));
        } else {
            tables.push(table);
        }
    }
    Ok((tables, not_looked_at))
}

async fn list_foreign_tables(connection: &mut PgConnection) -> Result<Vec<NotLookedAt>> {
    let names: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where c.relkind = 'f' order by 1",
    )
    .fetch_all(connection)
    .await
    .context("listing the foreign tables")?;
    let left_out = |name| NotLookedAt::new(ScopeKind::ForeignTable, name, "its rows are on another server");
    Ok(names.into_iter().map(left_out).collect())
}
