//! Judge of whether anything came back at all.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, ScopeKind};

use super::look::{Gathered, Look, OF_USERS, count};
use crate::PostgresAddress;
use crate::error::Result;

/// Fails if no table of the cluster holds a row, and no database a large object. A job that dumps the wrong
/// database, or the definitions alone, writes a file that restores without an error.
///
/// Rows that an extension brings do not count. Materialised views that nobody filled are told.
pub struct ContentJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
}

#[async_trait]
impl Judge for ContentJudge<'_> {
    fn name(&self) -> &'static str {
        "content"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let (mut tables, mut filled, mut views) = (0, 0, 0);
        for database in databases {
            let mut look = Look::into(self.server, &database).await?;
            let found: Vec<(String,)> = look
                .list(format!(
                    "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     where c.relkind = 'r' and c.relpersistence <> 't' and {OF_USERS} order by 1"
                ))
                .await?;
            tables += found.len();
            for (table,) in found {
                // A table that cannot be read is a finding of other judges.
                let has_rows =
                    look.ask::<(bool,)>(format!("select exists (select from only {table})")).await?;
                filled += usize::from(has_rows.is_ok_and(|(has_rows,)| has_rows));
            }
            let large_objects =
                look.list::<(bool,)>("select exists (select from pg_largeobject_metadata)").await?;
            filled += usize::from(large_objects.contains(&(true,)));
            let found: Vec<(String, bool)> = look
                .list(format!(
                    "select format('%I.%I', n.nspname, c.relname), c.relispopulated from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     where c.relkind = 'm' and {OF_USERS} order by 1"
                ))
                .await?;
            views += found.len();
            for (view, _) in found.into_iter().filter(|(_, is_filled)| !is_filled) {
                let why = "nobody filled it, and a query on it fails until `refresh materialized view`";
                gathered.leave_out(ScopeKind::MaterialisedView, view, why);
            }
            look.end().await?;
        }
        if filled == 0 {
            let found = match tables {
                0 => "no table at all".to_owned(),
                tables => format!("no row in {}", count(tables, "table")),
            };
            let finding =
                Finding::new(FindingCode::ContentEmpty, "restored databases", "rows of yours", found);
            gathered.findings.push(finding.remedy(
                "find out what the backup job dumps; if nothing is there to back up yet, pass --allow-empty",
            ));
        }
        let summary = format!(
            "{filled} of {} hold rows; looked at {}",
            count(tables, "table"),
            count(views, "materialised view")
        );
        gathered.into_opinion(ScopeKind::ObjectKind, summary)
    }
}
