//! What is kept of a verified restore, and how a later one is compared with it.
//!
//! A reference holds definitions, numbers of rows, sizes, and for each column the number of NULLs and of distinct
//! values. It holds no value of a row, with two exceptions to watch: constants in views, defaults and CHECK
//! constraints are part of definitions; and of a table that the user calls frozen it keeps a fingerprint, from which
//! the keys of rows can be read, and with some effort the values of a few rows guessed.

mod accepted;
mod distinct;
mod drift;
mod pairing;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Catalogue, TableFingerprint};

pub use accepted::{Accepted, settle};
pub use distinct::DistinctSketch;
pub use drift::{Drift, Tolerance};
pub use pairing::{DatabasePair, pair_databases};
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
    /// What was recorded.
    pub profile: Profile,
    /// Changes that the user expects.
    #[serde(default)]
    pub accepted: Vec<Accepted>,
}

/// A restored cluster of PostgreSQL, in definitions and figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
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

impl Profile {
    /// Whether the rows of a table are kept.
    pub fn is_frozen(&self, table: &str) -> bool {
        self.databases.values().any(|database| database.frozen.contains_key(table))
    }

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
        let reference = Reference {
            version: REFERENCE_VERSION,
            recorded_at: "2026-11-01T00:00:00Z".parse().unwrap(),
            source: "app.sql".to_owned(),
            profile: Profile::default(),
            accepted: Vec::new(),
        };
        let text = reference.to_json().unwrap();
        assert_eq!(Reference::from_json(&text), Ok(reference));
        let newer = text.replace("\"version\": 1", "\"version\": 2, \"more\": []");
        assert!(Reference::from_json(&newer).is_err_and(|error| error.contains("version 2")));
        assert!(Reference::from_json("{}").is_err_and(|error| error.contains("no reference")));
    }
}
