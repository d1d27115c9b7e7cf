//! One discrepancy between what should have come back and what did.

use serde::{Deserialize, Serialize};

/// What kind of discrepancy it is: a closed list, so that reports and alerts can select on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingCode {
    /// A table holds another number of rows than the manifest says.
    RowCount,
    /// A row of the manifest is not there.
    RowMissing,
    /// A row is there that the manifest does not know.
    RowExtra,
    /// A row is there more than once.
    RowDuplicated,
    /// A row is there with another content.
    RowChanged,
    /// The content differs, and the rows could not be named.
    ContentDiffers,
    /// A table of the manifest is not there.
    TableMissing,
    /// A table is there that the manifest does not know.
    TableExtra,
    /// An object of the catalogue (index, trigger, grant, …) or of a bucket is not there.
    ObjectMissing,
    /// An object of the catalogue or of a bucket is there that the manifest does not know.
    ObjectExtra,
    /// An object of the catalogue is defined otherwise.
    ObjectChanged,
    /// An index is there but marked invalid: the planner ignores it.
    IndexInvalid,
    /// A sequence stands before the position that it had, or before the largest value that it gave out.
    SequenceBehind,
    /// A write that must be there is not.
    WriteLost,
    /// A write is there that must not be: one that was rolled back, or that came after the target.
    WritePhantom,
    /// A row that was deleted is back, or has the value from before an update.
    WriteResurrected,
    /// Half of a transaction is there.
    WriteTorn,
    /// An integrity query gave another answer than expected.
    IntegrityQuery,
    /// The restored server logged an error or a warning that nobody can explain.
    ServerLog,
    /// An older backup than the newest one was restored.
    BackupStale,
    /// A file of the backup is not what its manifest says.
    BackupDamaged,
    /// An export ends before its end.
    BackupTruncated,
    /// A file of text is in another encoding than it should be.
    EncodingWrong,
    /// A table or an export has other columns than its manifest says, or has them in another order.
    ColumnsDiffer,
    /// A page on disk is not what its checksum says.
    PageDamaged,
    /// A row is stored in a way that the server itself calls corrupt.
    TableCorrupt,
    /// An index is out of order, or lacks a row of its table.
    IndexCorrupt,
    /// The restore did not go through.
    RestoreFailed,
    /// The log does not lead to where replay was told to stop.
    TargetNotReached,
    /// A segment is missing in the log archive, with later ones there.
    ArchiveGap,
    /// The log archive is further behind the server than it may be, or the server cannot archive.
    ArchiveBehind,
    /// A keyspace holds another number of keys than the manifest says.
    KeyCount,
    /// A key of the manifest is not there, and its expiry has not passed.
    KeyMissing,
    /// A key is there that the manifest does not know.
    KeyExtra,
    /// A key is there with another value.
    KeyChanged,
    /// A stream is there with other entries, groups, consumers or pending entries.
    StreamChanged,
    /// A key is there with a value of another type.
    KeyTypeChanged,
    /// A key is there in another database.
    KeyMoved,
    /// A key that was to expire never will.
    ExpiryLost,
    /// A key expires earlier than it should.
    ExpiryShortened,
    /// A key expires later than it should.
    ExpiryLengthened,
    /// A library of functions is not there.
    FunctionMissing,
    /// A library of functions is there that the manifest does not know.
    FunctionExtra,
    /// A library of functions has another code.
    FunctionChanged,
    /// The restored server can be reached, or logged in to, otherwise than it should.
    AccessDiffers,
    /// Clients saw an empty server where they had to see the old state or the new one.
    EmptyServed,
    /// A bucket does not keep the old versions of its objects.
    VersioningOff,
    /// The version of an object that was live at the moment is kept no more.
    VersionExpired,
    /// Another version of an object stands in place of the right one.
    VersionWrong,
    /// An object stands under its name with other bytes.
    BytesDiffer,
    /// An object has another content type or other metadata than it had.
    MetadataDiffers,
    /// A secret of the manifest is not there.
    SecretMissing,
    /// A secret is there that the manifest does not know.
    SecretExtra,
    /// A version of a secret is there with another value, or is not there.
    SecretChanged,
    /// A secret has other labels.
    LabelsChanged,
    /// A version of a secret is enabled, disabled or destroyed, and was otherwise.
    VersionStateChanged,
    /// An encrypted file cannot be opened with the key that is kept for it.
    KeyWrong,
    /// A file is encrypted to fewer recipients than it should be.
    RecipientMissing,
    /// A file can be read by others than its owner, or the key that opens it lies beside it.
    FileExposed,
    /// A log-in with restored credentials was refused.
    LogInRefused,
    /// The objective of the runbook was missed.
    ObjectiveMissed,
}

impl FindingCode {
    /// The code as it appears in reports, such as `row-missing`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RowCount => "row-count",
            Self::RowMissing => "row-missing",
            Self::RowExtra => "row-extra",
            Self::RowDuplicated => "row-duplicated",
            Self::RowChanged => "row-changed",
            Self::ContentDiffers => "content-differs",
            Self::TableMissing => "table-missing",
            Self::TableExtra => "table-extra",
            Self::ObjectMissing => "object-missing",
            Self::ObjectExtra => "object-extra",
            Self::ObjectChanged => "object-changed",
            Self::IndexInvalid => "index-invalid",
            Self::SequenceBehind => "sequence-behind",
            Self::WriteLost => "write-lost",
            Self::WritePhantom => "write-phantom",
            Self::WriteResurrected => "write-resurrected",
            Self::WriteTorn => "write-torn",
            Self::IntegrityQuery => "integrity-query",
            Self::ServerLog => "server-log",
            Self::BackupStale => "backup-stale",
            Self::BackupDamaged => "backup-damaged",
            Self::BackupTruncated => "backup-truncated",
            Self::EncodingWrong => "encoding-wrong",
            Self::ColumnsDiffer => "columns-differ",
            Self::PageDamaged => "page-damaged",
            Self::TableCorrupt => "table-corrupt",
            Self::IndexCorrupt => "index-corrupt",
            Self::RestoreFailed => "restore-failed",
            Self::TargetNotReached => "target-not-reached",
            Self::ArchiveGap => "archive-gap",
            Self::ArchiveBehind => "archive-behind",
            Self::KeyCount => "key-count",
            Self::KeyMissing => "key-missing",
            Self::KeyExtra => "key-extra",
            Self::KeyChanged => "key-changed",
            Self::StreamChanged => "stream-changed",
            Self::KeyTypeChanged => "key-type-changed",
            Self::KeyMoved => "key-moved",
            Self::ExpiryLost => "expiry-lost",
            Self::ExpiryShortened => "expiry-shortened",
            Self::ExpiryLengthened => "expiry-lengthened",
            Self::FunctionMissing => "function-missing",
            Self::FunctionExtra => "function-extra",
            Self::FunctionChanged => "function-changed",
            Self::AccessDiffers => "access-differs",
            Self::EmptyServed => "empty-served",
            Self::VersioningOff => "versioning-off",
            Self::VersionExpired => "version-expired",
            Self::VersionWrong => "version-wrong",
            Self::BytesDiffer => "bytes-differ",
            Self::MetadataDiffers => "metadata-differs",
            Self::SecretMissing => "secret-missing",
            Self::SecretExtra => "secret-extra",
            Self::SecretChanged => "secret-changed",
            Self::LabelsChanged => "labels-changed",
            Self::VersionStateChanged => "version-state-changed",
            Self::KeyWrong => "key-wrong",
            Self::RecipientMissing => "recipient-missing",
            Self::FileExposed => "file-exposed",
            Self::LogInRefused => "log-in-refused",
            Self::ObjectiveMissed => "objective-missed",
        }
    }
}

impl std::fmt::Display for FindingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// One typed discrepancy, with what the reader should do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What kind of discrepancy.
    pub code: FindingCode,
    /// What it is about: a table, an index, a file, a query.
    pub subject: String,
    /// Which one of many, where there is one: a row's key, such as `id=17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub actual: String,
    /// What the reader can do next.
    pub remedy: String,
}

impl Finding {
    /// A finding without a key and without a remedy.
    pub fn new(
        code: FindingCode,
        subject: impl Into<String>,
        expected: impl Into<String>,
        actual: impl Into<String>,
    ) -> Self {
        Self {
            code,
            subject: subject.into(),
            key: None,
            expected: expected.into(),
            actual: actual.into(),
            remedy: String::new(),
        }
    }

    /// Names one of many.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }
}

/// `row-changed stories id=17: expected …, found …`
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.subject)?;
        if let Some(key) = &self.key {
            write!(f, " {key}")?;
        }
        write!(f, ": expected {}, found {}", self.expected, self.actual)
    }
}
