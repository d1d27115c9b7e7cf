//! What a judge did not look at.

use serde::{Deserialize, Serialize};

/// The kind of thing that was not looked at: a closed list, so that reports can group by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    /// The rows of an unlogged table: they survive neither a crash nor a base backup.
    UnloggedTable,
    /// The rows of a foreign table: they are on another server.
    ForeignTable,
    /// The rows of a table that belongs to an extension, where the backup does not carry them.
    ExtensionTable,
    /// The rows of a materialised view that a restore recomputes.
    MaterialisedView,
    /// A whole database, such as one that refuses connections.
    Database,
    /// A kind of object in the catalogue that no judge compares.
    ObjectKind,
    /// The position of a sequence.
    SequencePosition,
    /// A query that could not be run.
    Query,
    /// The data of a Redis module.
    ModuleData,
    /// The checksum of a file that was written without one.
    FileChecksum,
    /// The structure of an append-only file.
    AppendOnlyFile,
    /// The types, keys and rules of a table of which only the rows are there.
    TableDefinition,
    /// The value of a secret that its store did not give out.
    SecretValue,
    /// A constraint that the rows were not checked against.
    Constraint,
    /// The order of text, where it was recorded under another version of its rules.
    Collation,
    /// A change that the user expects, for a time.
    AcceptedChange,
    /// Messages that some processes of a server did not write to its log.
    ServerMessages,
    /// The bytes of a cluster's files, where nothing says what they should be.
    Files,
    /// The values of single rows, of which only figures are compared.
    RowValues,
    /// Who signed a backup, where no key is trusted.
    Signature,
    /// What a judge looks at that the user left out.
    Judge,
    /// A priority tier that no step of a recovery plan says it restores.
    Tier,
    /// Whether a step that a person reported as done is done.
    Step,
}

impl ScopeKind {
    /// The kind as it appears in reports, such as `unlogged-table`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnloggedTable => "unlogged-table",
            Self::ForeignTable => "foreign-table",
            Self::ExtensionTable => "extension-table",
            Self::MaterialisedView => "materialised-view",
            Self::Database => "database",
            Self::ObjectKind => "object-kind",
            Self::SequencePosition => "sequence-position",
            Self::Query => "query",
            Self::ModuleData => "module-data",
            Self::FileChecksum => "file-checksum",
            Self::AppendOnlyFile => "append-only-file",
            Self::TableDefinition => "table-definition",
            Self::SecretValue => "secret-value",
            Self::Constraint => "constraint",
            Self::Collation => "collation",
            Self::AcceptedChange => "accepted-change",
            Self::ServerMessages => "server-messages",
            Self::Files => "files",
            Self::RowValues => "row-values",
            Self::Signature => "signature",
            Self::Judge => "judge",
            Self::Tier => "tier",
            Self::Step => "step",
        }
    }
}

impl std::fmt::Display for ScopeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One thing that a judge did not look at. It is not a finding: it limits the scope of the verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotLookedAt {
    /// What kind of thing.
    pub kind: ScopeKind,
    /// Which one: a qualified table, a database, a kind of object.
    pub subject: String,
    /// Why, in a few words: `its rows do not survive a crash`.
    pub reason: String,
}

impl NotLookedAt {
    /// One thing, and why it was not looked at.
    pub fn new(kind: ScopeKind, subject: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, subject: subject.into(), reason: reason.into() }
    }
}

impl std::fmt::Display for NotLookedAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.kind, self.subject, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_shown() {
        for kind in [
            ScopeKind::UnloggedTable,
            ScopeKind::ForeignTable,
            ScopeKind::ExtensionTable,
            ScopeKind::MaterialisedView,
            ScopeKind::Database,
            ScopeKind::ObjectKind,
            ScopeKind::SequencePosition,
            ScopeKind::Query,
            ScopeKind::ModuleData,
            ScopeKind::FileChecksum,
            ScopeKind::AppendOnlyFile,
            ScopeKind::TableDefinition,
            ScopeKind::SecretValue,
            ScopeKind::Constraint,
            ScopeKind::Collation,
            ScopeKind::AcceptedChange,
            ScopeKind::RowValues,
            ScopeKind::ServerMessages,
            ScopeKind::Files,
            ScopeKind::Judge,
            ScopeKind::Tier,
            ScopeKind::Step,
        ] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
