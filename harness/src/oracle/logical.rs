//! Judge of the definitions after a logical restore, onto the same major version or a newer one.

use async_trait::async_trait;

use super::catalogue::compare;
use super::majors::align;
use super::{Opinion, Oracle};
use crate::error::{Error, Result};
use crate::model::{Content, Finding, Manifest};
use crate::stores::postgres::{PostgresServer, read_catalogue, read_dump_scope};

/// Compares the catalogue of the restored database, and the roles and settings beside it, with the manifest of
/// its dump. What a dump does not bring along is not looked at: other databases, tablespaces, and the password
/// of the role that Comeback logs in as.
///
/// Onto another major version some definitions come back in other words. Each of these is written the same way
/// on both sides before they are compared; the summary says that it was done.
pub struct LogicalCatalogue<'a> {
    /// The restored server.
    pub server: &'a PostgresServer,
    /// The manifest of the dump.
    pub recorded: &'a Manifest,
}

#[async_trait]
impl Oracle for LogicalCatalogue<'_> {
    fn name(&self) -> &'static str {
        "catalogue"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Content::PostgresDump { export, cluster } = &self.recorded.content else {
            return Err(Error::usage(format!("backup {} is no dump", self.recorded.id)));
        };
        let (mut findings, mut objects, mut sequences): (Vec<Finding>, _, _) = (Vec::new(), 0, 0);
        let actual = read_dump_scope(self.server, &export.database).await?;
        let is_there = |kind: &str| actual.objects.get(kind).is_some_and(|objects| !objects.is_empty());
        let mut pairs = vec![(cluster.catalogue.clone(), actual.clone())];
        for (database, content) in cluster.databases.iter().filter(|_| is_there("database")) {
            pairs.push((content.catalogue.clone(), read_catalogue(self.server, database).await?));
        }
        for (mut recorded, mut actual) in pairs {
            objects += recorded.len();
            sequences += recorded.sequences.len();
            align(&mut recorded, &mut actual, export.major, self.server.major());
            findings.extend(compare(&recorded, &actual));
        }
        let across = match self.server.major() {
            same if same == export.major => String::new(),
            newer => format!(", of PostgreSQL {} on {newer}", export.major),
        };
        Ok(Opinion::new(
            format!("compared {objects} definitions and {sequences} sequences{across}"),
            findings,
        ))
    }
}
