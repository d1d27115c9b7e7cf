//! Reads a cluster's content: its catalogues, and the fingerprints of its tables.

use std::collections::BTreeMap;

use comeback_model::{
    Catalogue, CatalogueForm, ClusterContent, DatabaseContent, NotLookedAt, ScopeKind, TableFingerprint,
};

use super::carried::{Carried, list_recorded};
use super::catalogue;
use super::exporter::Exporter;
use crate::connection::address::PostgresAddress;
use crate::error::{Context as _, Result};

/// The databases that accept no connections. `template0` is left out: it is unchanged since `initdb`.
pub(crate) async fn list_closed_databases(server: &PostgresAddress) -> Result<Vec<NotLookedAt>> {
    let mut connection = server.connect_to_cluster().await?;
    let sql = "select datname::text, datallowconn from pg_database \
        where not (datallowconn and datconnlimit <> -2) and datname <> 'template0' order by 1";
    let rows: Vec<(String, bool)> =
        sqlx::query_as(sql).fetch_all(&mut connection).await.context("listing the databases")?;
    // A database that is invalid, but would accept connections, is the remainder of an interrupted DROP
    // DATABASE.
    let reason = |is_open| {
        if is_open { "it is invalid: its removal was interrupted" } else { "it refuses connections" }
    };
    let left_out = |(name, is_open)| NotLookedAt::new(ScopeKind::Database, name, reason(is_open));
    Ok(rows.into_iter().map(left_out).collect())
}

/// Reads only the definitions.
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

/// Reads the catalogue of the cluster, in the form of the catalogue that it is compared with.
pub async fn read_cluster_catalogue(server: &PostgresAddress, form: CatalogueForm) -> Result<Catalogue> {
    catalogue::read_cluster(&mut server.connect_to_cluster().await?, form).await
}

/// Reads the catalogue of a database, in the form of the catalogue that it is compared with.
pub async fn read_catalogue(
    server: &PostgresAddress,
    database: &str,
    form: CatalogueForm,
) -> Result<Catalogue> {
    catalogue::read_database(&mut server.connect(database).await?, form).await
}

/// Fingerprints the present tables of a database.
pub async fn fingerprint_tables(
    server: &PostgresAddress,
    database: &str,
) -> Result<BTreeMap<String, TableFingerprint>> {
    let mut exporter = Exporter::open(server, database).await?;
    let tables = exporter.list_tables().await?;
    exporter.read_tables(server, tables).await
}

/// Fingerprints the tables of a restored database in the same way as those of its backup: the same rows, and
/// the columns in the same order. Tables that the backup does not have are read too. The others are listed as
/// not looked at.
pub async fn fingerprint_as_recorded(
    server: &PostgresAddress,
    database: &str,
    recorded: &DatabaseContent,
) -> Result<(BTreeMap<String, TableFingerprint>, Vec<NotLookedAt>)> {
    let mut exporter = Exporter::open(server, database).await?;
    let (tables, not_looked_at) = list_recorded(exporter.connection(), recorded).await?;
    Ok((exporter.read_tables(server, tables).await?, not_looked_at))
}

/// Reads the content of one database, and the objects of the cluster. Nothing is read from the other
/// databases.
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
