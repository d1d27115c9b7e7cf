//! Backups and restores of real PostgreSQL servers.

mod backup;
mod cluster;
mod restore;

use std::path::Path;

use comeback_engine::repository::Repository;
use comeback_engine::secret::Secret;
use comeback_error::{Error, Result};
use comeback_model::Manifest;
use comeback_postgres::PostgresAddress;

pub(super) use backup::backup;
pub(super) use restore::{csv, restore};

/// The server that the user named, with the password from a file, or where `psql` finds it.
fn address(url: &str, password_file: Option<&Path>) -> Result<PostgresAddress> {
    let address = PostgresAddress::parse(url)?;
    let Some(path) = password_file else { return address.with_password_as_psql() };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("reading the password from {}: {error}", path.display()))
            .hint("the file holds the password and nothing else")
    })?;
    let password = text.trim_end_matches(['\r', '\n']);
    Ok(address.with_password((!password.is_empty()).then(|| Secret::given(password))))
}

/// The backup that the user named.
async fn backup_named(repository: &dyn Repository, id: &str) -> Result<Manifest> {
    if !repository.list().await?.iter().any(|one| one == id) {
        return Err(Error::usage(format!("there is no backup {id} in {}", repository.location()))
            .hint("`comeback backup list` shows what there is"));
    }
    repository.manifest(id).await
}
