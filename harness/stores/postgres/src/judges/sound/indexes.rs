//! Judge of the state of indexes.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, ScopeKind};

use super::look::{Gathered, Look, OF_USERS};
use crate::PostgresAddress;
use crate::error::Result;

/// Looks for indexes that the planner ignores, or that writes do not maintain: an interrupted `CREATE INDEX
/// CONCURRENTLY` leaves one, and a backup of files carries it.
///
/// It does not look at the parent index of a partitioned table, which holds no rows: it is invalid until every
/// partition has its part.
pub struct IndexJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
}

#[async_trait]
impl Judge for IndexJudge<'_> {
    fn name(&self) -> &'static str {
        "indexes"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let mut looked_at = 0;
        for database in databases {
            let mut look = Look::into(self.server, &database).await?;
            let indexes: Vec<(String, bool, bool, bool)> = look
                .list(format!(
                    "select format('%I.%I', n.nspname, c.relname), x.indisvalid, x.indisready, x.indislive \
                     from pg_index x join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace \
                     where c.relkind = 'i' and c.relpersistence <> 't' and {OF_USERS} order by 1"
                ))
                .await?;
            looked_at += indexes.len();
            for (name, valid, ready, live) in indexes {
                let found = match (live, ready, valid) {
                    (true, true, true) => continue,
                    (true, true, false) => "invalid: no query uses it",
                    (true, false, _) => "not ready: writes do not maintain it",
                    (false, ..) => "half dropped",
                };
                let finding =
                    Finding::new(FindingCode::IndexInvalid, format!("index {name}"), "valid", found);
                gathered.findings.push(finding.remedy(format!(
                    "rebuild it with `reindex index concurrently {name}`, and find out whether the source has the same fault"
                )));
            }
            look.end().await?;
        }
        gathered.into_opinion(ScopeKind::ObjectKind, format!("looked at the state of {looked_at} indexes"))
    }
}
