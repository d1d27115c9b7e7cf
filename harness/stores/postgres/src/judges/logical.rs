//! Judge of the definitions after a logical restore, onto the same major version or a newer one.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Content, Manifest};

use super::carried::leave_out;
use super::comparison::Comparison;
use super::majors::align;
use crate::error::{Error, Result};
use crate::{PostgresAddress, read_catalogue, read_dump_scope, reprint, unknown_catalogues};

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
        let Content::PostgresDump { export, cluster } = &self.recorded.content else {
            return Err(Error::usage(format!("backup {} is no dump", self.recorded.id)));
        };
        let mut comparison = Comparison::default();
        let actual = read_dump_scope(self.server, &export.database, cluster.catalogue.form).await?;
        let mut pairs = vec![(cluster.catalogue.clone(), actual.clone())];
        for (database, content) in &cluster.databases {
            // A missing database is reported as a missing object of the cluster.
            if actual.names("database", database) {
                let mut recorded = content.catalogue.clone();
                let mut actual = read_catalogue(self.server, database, recorded.form).await?;
                leave_out(&mut recorded, &mut actual);
                reprint(self.server, database, &mut recorded, &actual).await?;
                pairs.push((recorded, actual));
            }
        }
        let major = self.server.major().await?;
        for (mut recorded, mut actual) in pairs {
            align(&mut recorded, &mut actual, export.major, major);
            comparison.add(&recorded, &actual);
        }
        let across = match major {
            same if same == export.major => String::new(),
            newer => format!(", of PostgreSQL {} on {newer}", export.major),
        };
        comparison.not_looked_at.extend(unknown_catalogues(self.server).await?);
        Ok(comparison.into_opinion(cluster.catalogue.form, &across))
    }
}
