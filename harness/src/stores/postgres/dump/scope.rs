//! What a dump of one database brings along of what belongs to the whole cluster.

use crate::error::Result;
use crate::model::Catalogue;
use crate::stores::postgres::content::read_cluster_catalogue;
use crate::stores::postgres::server::{PostgresServer, SUPERUSER};

/// Reads roles, memberships and settings, and what there is about the one database.
///
/// Not the other databases and their settings, and no tablespaces, which the export leaves out. Nor the
/// password of the role that Comeback logs in as: whoever restores has a new one.
pub async fn read_dump_scope(server: &PostgresServer, database: &str) -> Result<Catalogue> {
    Ok(restrict(read_cluster_catalogue(server).await?, database))
}

fn restrict(mut catalogue: Catalogue, database: &str) -> Catalogue {
    catalogue.objects.remove("tablespace");
    if let Some(databases) = catalogue.objects.get_mut("database") {
        let quoted = format!("\"{}\"", database.replace('"', "\"\""));
        databases.retain(|name, _| name == database || *name == quoted);
    }
    if let Some(settings) = catalogue.objects.get_mut("setting") {
        let own = format!(" in {database}");
        settings.retain(|name, _| name.ends_with(" in every database") || name.ends_with(&own));
    }
    if let Some(me) = catalogue.objects.get_mut("role").and_then(|roles| roles.get_mut(SUPERUSER))
        && let Some((attributes, _)) = me.split_once(" password ")
    {
        *me = attributes.to_owned();
    }
    catalogue
}
