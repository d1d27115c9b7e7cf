//! Judge of collations: does this machine order text as the machine did that the backup comes from?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::ScopeKind;

use super::look::{Gathered, Look, OF_USERS, count, read_by_name};
use crate::PostgresAddress;
use crate::error::Result;

/// Compares the version of each collation in use with the one that this machine has. A backup of files carries
/// the old version with indexes in the old order; a dump is ordered anew, and never differs.
///
/// Another version is not a fault: most text sorts in the same way under both. The judge of structure walks
/// every B-tree under this machine's order, and finds the entries that are out of place. What relies on the
/// order and is no B-tree (`GiST`, `SP-GiST` and BRIN indexes, partitions by ranges of text) nobody can confirm:
/// then the judge could not verify.
pub struct CollationJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
}

/// A collation whose version differs.
struct Differing {
    name: String,
    recorded: String,
    actual: String,
    /// Indexes and partitioned tables that rely on its order and cannot be confirmed.
    unconfirmed: Vec<String>,
}

read_by_name!(Differing: name, recorded, actual, unconfirmed);

/// The collations with a version. The default one (OID 100, `DEFAULT_COLLATION_OID` of `pg_collation.dat`) has
/// the version of the database, which is recorded since PostgreSQL 15.
const VERSIONS: &str = "
    select c.oid, format('%I.%I', n.nspname, c.collname) as name, c.collversion as recorded, pg_collation_actual_version(c.oid) as actual
    from pg_collation c join pg_namespace n on n.oid = c.collnamespace where c.collversion is not null
    {default}";
const DEFAULT: &str = "union all select 100, 'the default of the database', d.datcollversion, pg_database_collation_actual_version(d.oid)
    from pg_database d where d.datname = current_database() and d.datcollversion is not null";

#[async_trait]
impl Judge for CollationJudge<'_> {
    fn name(&self) -> &'static str {
        "collations"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let versions =
            VERSIONS.replace("{default}", if self.server.major().await? >= 15 { DEFAULT } else { "" });
        let (mut looked_at, mut differing) = (0, 0);
        for database in databases {
            let mut look = Look::into(self.server, &database).await?;
            let number = look.list::<(i64,)>(format!("select count(*) from ({versions}) v")).await?;
            looked_at += number.first().map_or(0, |(number,)| *number);
            let found: Vec<Differing> = look
                .list(format!(
                    "select v.name, v.recorded, v.actual, array(
                        select format('index %I.%I', n.nspname, c.relname) from pg_index x
                        join pg_class c on c.oid = x.indexrelid join pg_namespace n on n.oid = c.relnamespace join pg_am m on m.oid = c.relam
                        where v.oid = any (x.indcollation) and m.amname in ('gist', 'spgist', 'brin') and c.relkind = 'i' and {OF_USERS}
                        union all
                        select format('partitioned table %I.%I', n.nspname, c.relname) from pg_partitioned_table p
                        join pg_class c on c.oid = p.partrelid join pg_namespace n on n.oid = c.relnamespace
                        where v.oid = any (p.partcollation) and p.partstrat = 'r' order by 1) as unconfirmed
                     from ({versions}) v where v.actual is not null and v.recorded <> v.actual order by 1"
                ))
                .await?;
            for one in found {
                differing += 1;
                let Differing { name, recorded, actual, unconfirmed } = one;
                let versions = format!("recorded with version {recorded}, and this machine has {actual}");
                if unconfirmed.is_empty() {
                    let why = format!("{versions}: only B-trees were walked in the new order");
                    gathered.leave_out(ScopeKind::Collation, format!("{name} in {database}"), why);
                } else {
                    gathered.doubt(
                        format!("collation {name} in database {database} is {versions}: {} may be in the old order", unconfirmed.join(", ")),
                        "restore with the operating system of the source (choose its image), or reindex them and run `alter collation … refresh version`",
                    );
                }
            }
            look.end().await?;
        }
        let other = match differing {
            0 => "all are of this machine's version".to_owned(),
            number => format!("{number} of another version than this machine's"),
        };
        let summary = format!("compared the versions of {}: {other}", count(looked_at, "collation"));
        gathered.into_opinion(ScopeKind::Collation, summary)
    }
}
