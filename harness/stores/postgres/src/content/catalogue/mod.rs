//! Reads the catalogue: everything in a database that is not a row.
//!
//! Every query returns an identity and a definition, both as text, in the server's own format under pinned
//! session settings. Objects that belong to an extension are left out. Each kind names the system catalogues
//! that it shows; [`scope`] lists those that no kind shows, with the reason.

mod access;
mod cluster;
mod constraints;
mod first_form;
mod kind;
mod outside;
mod relations;
mod reprint;
mod retarget;
mod revision;
mod routines;
mod scope;
mod sequences;
mod types;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comeback_model::{Catalogue, CatalogueForm, RecordedPosition};
use kind::Kind;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row as _, ValueRef as _};

use crate::error::{Context as _, Result};

pub(crate) use access::remove_owners;
pub use reprint::reprint;
pub(crate) use revision::read_revision;
pub use scope::{OUT_OF_SCOPE, catalogue_kinds, covered_catalogues, unknown_catalogues};
pub(crate) use sequences::read_sequences;

/// The kinds of objects of a database.
fn database_kinds() -> impl Iterator<Item = &'static Kind> {
    [relations::KINDS, constraints::KINDS, routines::KINDS, types::KINDS, access::KINDS, outside::KINDS]
        .into_iter()
        .flatten()
}

/// Reads the catalogue of the connected database, as the connection's transaction sees it.
pub async fn read_database(connection: &mut PgConnection, form: CatalogueForm) -> Result<Catalogue> {
    let sequences = read_sequences(connection).await?;
    read_definitions(connection, form, sequences).await
}

/// Reads the definitions of the connected database and adds sequence positions that were read before.
pub(crate) async fn read_definitions(
    connection: &mut PgConnection,
    form: CatalogueForm,
    sequences: BTreeMap<String, RecordedPosition>,
) -> Result<Catalogue> {
    let major = major(connection).await?;
    let queries = queries(form, major, first_form::DATABASE_QUERIES, database_kinds());
    let objects = read_objects(connection, queries).await?;
    Ok(Catalogue { form, objects, sequences })
}

/// Reads the objects of the cluster, as the connection's transaction sees them.
pub async fn read_cluster(connection: &mut PgConnection, form: CatalogueForm) -> Result<Catalogue> {
    let queries = queries(form, major(connection).await?, first_form::CLUSTER_QUERIES, cluster::KINDS.iter());
    Ok(Catalogue { form, objects: read_objects(connection, queries).await?, sequences: BTreeMap::new() })
}

/// The major version of the server, such as 15.
async fn major(connection: &mut PgConnection) -> Result<u32> {
    let number: i32 = sqlx::query_scalar("select current_setting('server_version_num')::int4 / 10000")
        .fetch_one(connection)
        .await
        .context("asking for the server's version")?;
    u32::try_from(number).context("asking for the server's version")
}

/// The kinds and queries of a catalogue form on a major version.
fn queries(
    form: CatalogueForm,
    major: u32,
    first: &[(&'static str, &str)],
    kinds: impl Iterator<Item = &'static Kind>,
) -> Vec<(&'static str, String)> {
    match form {
        CatalogueForm::First => {
            first.iter().map(|(kind, query)| (*kind, first_form::expand(query))).collect()
        }
        CatalogueForm::Complete => {
            kinds.filter(|kind| kind.since <= major).map(|kind| (kind.name, kind.sql(major))).collect()
        }
    }
}

async fn read_objects(
    connection: &mut PgConnection,
    queries: Vec<(&'static str, String)>,
) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut objects = BTreeMap::new();
    for (kind, query) in queries {
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut *connection).await;
        let rows = rows.context(format_args!("reading the catalogue's {kind} entries"))?;
        let mut definitions = BTreeMap::new();
        for row in rows {
            let text = |column: usize| text_of(&row, column).context(format_args!("reading a {kind}"));
            definitions.insert(text(0)?, text(1)?);
        }
        objects.insert(kind.to_owned(), definitions);
    }
    Ok(objects)
}

/// A column as text, empty for NULL. A database without an encoding (`SQL_ASCII`) may hold any bytes: bytes
/// that are not UTF-8 become `\xE4`, so that different bytes stay different.
fn text_of(row: &PgRow, column: usize) -> sqlx::Result<String> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(String::new());
    }
    let bytes = value.as_bytes().map_err(sqlx::Error::Decode)?;
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    Ok(text)
}
