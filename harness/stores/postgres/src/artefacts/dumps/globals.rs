//! The file with the roles and tablespaces of a cluster, beside a dump.

use std::path::Path;

use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{VerifyOptions, peel};
use comeback_engine::repository::Reader;

use crate::PostgresServer;
use crate::error::{Context as _, Error, Result};
use crate::import::{Adaptation, Survey, import_foreign, survey};

async fn open(file: &Path, options: &VerifyOptions) -> Result<Reader> {
    let name = file.display().to_string();
    let opened = tokio::fs::File::open(file).await;
    let opened = opened.map_err(|error| {
        Error::usage(format!("reading {name}: {error}"))
            .hint("name the file that pg_dumpall --globals-only wrote with --globals FILE")
    })?;
    Ok(peel(&name, Box::new(opened), options.decryptor.as_deref()).await?.content)
}

/// Reads what it creates.
pub(super) async fn look(file: &Path, options: &VerifyOptions) -> Result<Survey, RestoreFailure> {
    let found = survey(&file.display().to_string(), open(file, options).await?, true).await?;
    if found.tables + found.loads > 0 || !found.databases.is_empty() {
        return Err(Error::usage(format!("{} holds more than roles and tablespaces", file.display()))
            .hint("name the file that pg_dumpall --globals-only writes")
            .into());
    }
    Ok(found)
}

/// Creates the roles, with their settings, passwords and memberships, and the tablespaces.
pub(super) async fn load(
    server: &PostgresServer,
    file: &Path,
    options: &VerifyOptions,
    adaptation: &Adaptation,
) -> Result<(), RestoreFailure> {
    let script = open(file, options).await.context("opening the globals")?;
    let name = file.display().to_string();
    import_foreign(server, "postgres", &name, script, true, 1, adaptation).await.map(drop)
}
