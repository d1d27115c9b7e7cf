//! Which system catalogues are read, which are not, and why.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::{NotLookedAt, ScopeKind};

use super::{cluster, database_kinds};
use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// System catalogues that are not read, each with the reason.
pub const OUT_OF_SCOPE: &[(&str, &str)] = &[
    ("pg_largeobject", "rows: the fingerprint reads them"),
    ("pg_replication_origin", "how far a subscription has come: a restored server replicates nothing"),
    ("pg_shdepend", "follows from owners, grants and policies, which are read"),
    ("pg_statistic", "planner's statistics: a restore gathers them anew"),
    ("pg_statistic_ext_data", "planner's statistics: a restore gathers them anew"),
    ("pg_subscription_rel", "how far a subscription has come: a restored server replicates nothing"),
];

/// The system catalogues that are read → the kinds of definitions that show their content.
pub fn covered_catalogues() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut covered: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for kind in database_kinds().chain(cluster::KINDS) {
        for catalogue in kind.covers {
            covered.entry(*catalogue).or_default().insert(kind.name);
        }
    }
    covered
}

/// The kinds of definitions on a server of this major version.
pub fn catalogue_kinds(major: u32) -> BTreeSet<&'static str> {
    database_kinds().chain(cluster::KINDS).filter(|kind| kind.since <= major).map(|kind| kind.name).collect()
}

/// The system catalogues of a server that are neither read nor listed as out of scope: those of a newer
/// version of PostgreSQL.
pub async fn unknown_catalogues(server: &PostgresAddress) -> Result<Vec<NotLookedAt>> {
    let mut connection = server.connect_to_cluster().await?;
    let names: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'pg_catalog'::regnamespace and relkind = 'r' order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .context("listing the system catalogues")?;
    let covered = covered_catalogues();
    let is_known = |name: &str| {
        covered.contains_key(name) || OUT_OF_SCOPE.iter().any(|(catalogue, _)| *catalogue == name)
    };
    let unknown = names.into_iter().filter(|name| !is_known(name));
    let why = "this version of Comeback does not know this system catalogue";
    Ok(unknown.map(|name| NotLookedAt::new(ScopeKind::ObjectKind, name, why)).collect())
}
