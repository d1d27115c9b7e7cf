//! Judge of the definitions after a logical restore, onto the same major version or a newer one.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Content, Manifest, NotLookedAt, ScopeKind};

use super::carried::leave_out;
use super::comparison::Comparison;
use super::majors::align;
use crate::error::{Error, Result};
use crate::{PostgresAddress, PresentRoles, read_catalogue, read_dump_scope, reprint, unknown_catalogues};

/// Compares the catalogue of the restored database, and the roles and settings beside it, with the manifest
/// of its dump. It does not look at what a dump leaves out: other databases, tablespaces, and the password of
/// the role that Comeback logs in as.
///
/// PostgreSQL prints some definitions differently after loading them. Such a definition is loaded again, in a
/// transaction that is rolled back, and what the restored server then prints is the expected text. Everything
/// else must be the same, word for word.
///
/// Another major version prints some definitions in other words. Both sides are rewritten to the same form
/// before they are compared, and the summary says so.
pub struct LogicalCatalogue<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
    /// The manifest of the dump.
    pub recorded: &'a Manifest,
}

#[async_trait]
impl Judge for LogicalCatalogue<'_> {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn judge(&self) -> Result<Opinion> {
        compare(self.server, self.recorded, None).await
    }
}

/// The same, on a server that had roles before: it does not look at those, which the restore left as they were.
pub struct CatalogueBesideOthers<'a> {
    /// The server.
    pub server: &'a PostgresAddress,
    /// The manifest of the dump.
    pub recorded: &'a Manifest,
    /// The roles that were there before.
    pub present: &'a PresentRoles,
}

#[async_trait]
impl Judge for CatalogueBesideOthers<'_> {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn judge(&self) -> Result<Opinion> {
        let opinion = compare(self.server, self.recorded, Some(self.present)).await?;
        let why = "it was there before the restore, which left it as it was";
        let kept = self.present.among(&self.recorded.content.cluster()?.catalogue).into_iter();
        Ok(opinion.not_looked_at(
            kept.map(|role| NotLookedAt::new(ScopeKind::ObjectKind, format!("role {role}"), why)),
        ))
    }
}

async fn compare(
    server: &PostgresAddress,
    manifest: &Manifest,
    present: Option<&PresentRoles>,
) -> Result<Opinion> {
    let Content::PostgresDump { export, cluster } = &manifest.content else {
        return Err(Error::usage(format!("backup {} is no dump", manifest.id)));
    };
    let mut comparison = Comparison::default();
    let actual = read_dump_scope(server, &export.database, cluster.catalogue.form).await?;
    let mut pairs = vec![(cluster.catalogue.clone(), actual.clone())];
    if let (Some(present), [(recorded, actual)]) = (present, pairs.as_mut_slice()) {
        present.leave_out(recorded);
        present.leave_out(actual);
    }
    for (database, content) in &cluster.databases {
        // A missing database is reported as a missing object of the cluster.
        if actual.names("database", database) {
            let mut recorded = content.catalogue.clone();
            let mut actual = read_catalogue(server, database, recorded.form).await?;
            leave_out(&mut recorded, &mut actual);
            reprint(server, database, &mut recorded, &actual).await?;
            pairs.push((recorded, actual));
        }
    }
    let major = server.major().await?;
    for (mut recorded, mut actual) in pairs {
        align(&mut recorded, &mut actual, export.major, major);
        comparison.add(&recorded, &actual);
    }
    let across = match major {
        same if same == export.major => String::new(),
        newer => format!(", of PostgreSQL {} on {newer}", export.major),
    };
    comparison.not_looked_at.extend(unknown_catalogues(server).await?);
    Ok(comparison.into_opinion(cluster.catalogue.form, &across))
}
