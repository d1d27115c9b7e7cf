//! Reads what a cluster contains: its catalogues, and the fingerprints of its tables.

use std::collections::BTreeMap;

use comeback_model::{
    Catalogue, CatalogueForm, ClusterContent, DatabaseContent, NotLookedAt, ScopeKind, TableFingerprint,
};

use super::carried::{Carried, list_recorded};
use super::catalogue;
use super::exporter::Exporter;
use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// The databases that nobody can look into. `template0` is as `initdb` made it, and is not named.
async fn list_closed_databases(server: &PostgresAddress) -> Result<Vec<NotLookedAt>> {
    let mut connection = server.connect_to_cluster().await?;
    let sql = "select datname::text, datallowconn from pg_database \
        where not (datallowconn and datconnlimit <> -2) and datname <> 'template0' order by 1";
    let rows: Vec<(String, bool)> =
        sqlx::query_as(sql).fetch_all(&mut connection).await.context("listing the databases")?;
    // What refuses nobody is left of an interrupted DROP DATABASE.
    let reason = |is_open| {
        if is_open { "it is invalid: its removal was interrupted" } else { "it refuses connections" }
    };
    let left_out = |(name, is_open)| NotLookedAt::new(ScopeKind::Database, name, reason(is_open));
    Ok(rows.into_iter().map(left_out).collect())
}

/// Reads the definitions alone.
pub(crate) async fn read_catalogues(
    server: &PostgresAddress,
    exporters: &mut [Exporter],
) -> Result<ClusterContent> {
    let mut content = ClusterContent {
        catalogue: read_cluster_catalogue(server, CatalogueForm::Complete).await?,
        not_looked_at: list_closed_databases(server).await?,
        ..Default::default()
    };
    for exporter in exporters {
        let catalogue = exporter.read_catalogue().await?;
        let database = DatabaseContent { catalogue, ..Default::default() };
        content.databases.insert(exporter.database().to_owned(), database);
    }
    Ok(content)
}

/// Adds the fingerprints of the tables.
pub(crate) async fn read_tables(
    server: &PostgresAddress,
    exporters: Vec<Exporter>,
    content: &mut ClusterContent,
) -> Result<()> {
    for mut exporter in exporters {
        let database = content.databases.entry(exporter.database().to_owned()).or_default();
        let catalogue = std::mem::take(&mut database.catalogue);
        *database = exporter.read_content(server, Carried::ByFiles, catalogue).await?;
    }
    Ok(())
}

/// Reads the catalogue of what belongs to no database, in the form of the one that it is compared with.
pub async fn read_cluster_catalogue(server: &PostgresAddress, form: CatalogueForm) -> Result<Catalogue> {
    catalogue::read_cluster(&mut server.connect_to_cluster().await?, form).await
}

/// Reads the catalogue of a database, in the form of the one that it is compared with.
pub async fn read_catalogue(
    server: &PostgresAddress,
    database: &str,
    form: CatalogueForm,
) -> Result<Catalogue> {
    catalogue::read_database(&mut server.connect(database).await?, form).await
}

/// Fingerprints the tables of a database as they are now.
pub async fn fingerprint_tables(
    server: &PostgresAddress,
    database: &str,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let mut exporter = Exporter::open(server, database).await?;
    let tables = exporter.list_tables().await?;
    exporter.read_tables(server, tables).await
}

/// Fingerprints the tables of a restored database in the way in which those of its backup were read: the same rows,
/// the columns in the same order. Tables that the backup does not know are read too. The rest is named.
pub async fn fingerprint_as_recorded(
    server: &PostgresAddress,
    database: &str,
    recorded: &DatabaseContent,
) -> Result<(BTreeMap<String, TableFingerprint>, Vec<NotLookedAt>)> {
    let mut exporter = Exporter::open(server, database).await?;
    let (tables, not_looked_at) = list_recorded(exporter.connection(), recorded).await?;
    Ok((exporter.read_tables(server, tables).await?, not_looked_at))
}

/// Reads what the cluster contains in one of its databases, and what belongs to none. Of the other databases
/// nothing is read.
pub async fn read_content(server: &PostgresAddress, database: &str) -> Result<ClusterContent> {
    let mut content = ClusterContent {
        catalogue: read_cluster_catalogue(server, CatalogueForm::Complete).await?,
        ..Default::default()
    };
    let mut exporter = Exporter::open(server, database).await?;
    let catalogue = exporter.read_catalogue().await?;
    let database_content = exporter.read_content(server, Carried::ByFiles, catalogue).await?;
    content.databases.insert(database.to_owned(), database_content);
    Ok(content)
}
