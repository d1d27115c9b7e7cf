//! What is kept of a verified restore, and how a later one is compared with it.
//!
//! A reference holds definitions, numbers of rows, sizes, and for each column the number of NULLs and of distinct
//! values; of a keyspace, the number of keys by type and by the beginning of their names. It holds no value of a row,
//! with three exceptions to watch: constants in views, defaults and CHECK constraints are part of definitions; a
//! snapshot is the answer to a query of the user; and of a table that the user calls frozen it keeps a fingerprint,
//! from which the keys of rows can be read, and with some effort the values of a few rows guessed.

mod accepted;
mod distinct;
mod drift;
mod keyspace;
mod pairing;
mod snapshot;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{Catalogue, Finding, NotLookedAt, TableFingerprint};

pub use accepted::Accepted;
pub use distinct::DistinctSketch;
pub use drift::{Drift, Tolerance};
pub use keyspace::KeyspaceProfile;
pub use pairing::{DatabasePair, pair_databases};
pub use snapshot::{Recording, Snapshot};
pub use tally::TableTally;

/// The version of the form that references are written in. A reader refuses newer ones.
pub const REFERENCE_VERSION: u32 = 1;

/// What is kept of a verified restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The version of its form.
    pub version: u32,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The backup that it was recorded from, as the user named it.
    pub source: String,
    /// The run that recorded it.
    pub run: String,
    /// What was recorded.
    pub profile: Profile,
    /// The answers to the queries of the user that expect a snapshot, by the name of the query.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub answers: BTreeMap<String, Snapshot>,
    /// Changes that the user expects.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
}

/// What came back, in definitions and figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// A cluster of PostgreSQL.
    Postgres(ClusterProfile),
    /// A server of Redis.
    Redis(KeyspaceProfile),
    /// One table, exported as CSV.
    Csv(CsvProfile),
}

impl Profile {
    /// What it is of, for people.
    pub fn store(&self) -> &'static str {
        match self {
            Self::Postgres(_) => "PostgreSQL",
            Self::Redis(_) => "Redis",
            Self::Csv(_) => "a CSV file",
        }
    }

    /// Whether the rows of a table are kept.
    pub fn is_frozen(&self, table: &str) -> bool {
        let Self::Postgres(cluster) = self else { return false };
        cluster.databases.values().any(|database| database.frozen.contains_key(table))
    }
}

/// A restored table of which only the rows are known, in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CsvProfile {
    /// The names in the header, in their order.
    pub columns: Vec<String>,
    /// Its rows and columns.
    pub table: TableProfile,
}

/// A restored cluster of PostgreSQL, in definitions and figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterProfile {
    /// The major version of the server.
    pub major: u32,
    /// The databases, by name; templates are left out.
    pub databases: BTreeMap<String, DatabaseProfile>,
    /// The roles; `None` if the backup does not bring them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<RolesProfile>,
}

/// Kind → identity → definition, as in a [`Catalogue`].
pub type Definitions = BTreeMap<String, BTreeMap<String, String>>;

/// The roles of a cluster, with their memberships, and their settings and grants that belong to no database. Passwords
/// are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesProfile {
    /// The definitions.
    pub definitions: Definitions,
    /// Roles that the restore needs for itself, quoted as in SQL. They are not compared.
    pub left_out: BTreeSet<String>,
}

/// A database in definitions and figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseProfile {
    /// Its definitions, and the positions of its sequences.
    pub catalogue: Catalogue,
    /// Its tables and materialised views with rows, qualified and quoted as in SQL.
    pub tables: BTreeMap<String, TableProfile>,
    /// The settings and grants of the database itself, by role; `None` if the backup does not bring them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<Definitions>,
    /// The rows of the tables in which nothing changes any more.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub frozen: BTreeMap<String, TableFingerprint>,
}

/// A table in figures.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableProfile {
    /// The number of rows.
    pub rows: u64,
    /// Its size on disk, without indexes.
    pub bytes: u64,
    /// The partitioned table at the top that it is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_of: Option<String>,
    /// Its columns.
    pub columns: BTreeMap<String, ColumnProfile>,
}

/// A column in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    /// How many rows have NULL.
    pub nulls: u64,
    /// How many different values there are, within some percent. `None` for the sum of several partitions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distinct: Option<u64>,
}

impl Reference {
    /// It in a few words: the day, the backup and the run.
    pub fn told(&self) -> String {
        format!(
            "the reference of {} ({}, run {})",
            self.recorded_at.strftime("%Y-%m-%d"),
            self.source,
            self.run
        )
    }

    /// Reads a reference. The error says what is wrong with the text.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let wrong = |error: serde_json::Error| format!("it is no reference of Comeback: {error}");
        let Version { version } = serde_json::from_str(text).map_err(wrong)?;
        if version > REFERENCE_VERSION {
            return Err(format!(
                "it has version {version}, and this Comeback reads up to {REFERENCE_VERSION}"
            ));
        }
        serde_json::from_str(text).map_err(wrong)
    }

    /// Takes changes that the user accepts out of the findings, and tells each of them. The others say how to accept
    /// them.
    pub fn settle(&self, findings: Vec<Finding>, today: Date) -> (Vec<Finding>, Vec<NotLookedAt>) {
        accepted::settle(findings, &self.accepted, today)
    }

    /// Writes it as [`Reference::from_json`] reads it, one entry a line: the user edits `accepted`.
    pub fn to_json(&self) -> Result<String, String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| error.to_string())
    }
}

impl DatabaseProfile {
    /// Whether a user has created tables or views.
    pub fn has_tables(&self) -> bool {
        self.catalogue.objects.get("table").is_some_and(|tables| !tables.is_empty())
    }
}

impl ClusterProfile {
    /// The number of tables.
    pub fn tables(&self) -> usize {
        self.databases.values().map(|database| database.tables.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_it_was_written_and_a_newer_one_is_refused() {
        let keyspace = KeyspaceProfile::new([(3, BTreeMap::new())].into(), BTreeMap::new(), true);
        let profiles = [
            Profile::Postgres(ClusterProfile::default()),
            Profile::Redis(keyspace),
            Profile::Csv(CsvProfile::default()),
        ];
        let texts = profiles.map(|profile| {
            let reference = Reference {
                version: REFERENCE_VERSION,
                recorded_at: "2026-11-01T00:00:00Z".parse().unwrap(),
                source: "app.sql".to_owned(),
                run: "20261101T000000Z-17".to_owned(),
                profile,
                answers: BTreeMap::new(),
                accepted: Vec::new(),
            };
            let text = reference.to_json().unwrap();
            assert_eq!(Reference::from_json(&text), Ok(reference));
            text
        });
        let [text, ..] = texts;
        let newer = text.replace("\"version\": 1", "\"version\": 2, \"more\": []");
        assert!(Reference::from_json(&newer).is_err_and(|error| error.contains("version 2")));
        assert!(Reference::from_json("{}").is_err_and(|error| error.contains("no reference")));
    }
}
