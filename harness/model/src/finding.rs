//! One discrepancy between the expected and the restored content.

use serde::{Deserialize, Serialize};

use super::Verdict;

/// The kind of discrepancy: a closed list, so that reports and alerts can filter by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingCode {
    /// The number of rows in a table differs from the manifest.
    RowCount,
    /// A row of the manifest is missing.
    RowMissing,
    /// A row is there that is not in the manifest.
    RowExtra,
    /// A row is there more than once.
    RowDuplicated,
    /// A row has other content.
    RowChanged,
    /// The content differs, and the differing rows could not be identified.
    ContentDiffers,
    /// A table of the manifest is missing.
    TableMissing,
    /// A table is there that is not in the manifest.
    TableExtra,
    /// An object of the catalogue (index, trigger, grant, …) or of a bucket is missing.
    ObjectMissing,
    /// An object of the catalogue or of a bucket is there that is not in the manifest.
    ObjectExtra,
    /// An object of the catalogue has another definition.
    ObjectChanged,
    /// An index is marked invalid: the planner ignores it.
    IndexInvalid,
    /// Rows violate a constraint that the server takes for granted.
    ConstraintViolated,
    /// The restored databases hold no row of the user's at all.
    ContentEmpty,
    /// A column has another share of NULLs, or another number of distinct values, than in an earlier restore.
    ValuesDiffer,
    /// A sequence is behind its recorded position, or behind the largest value that it gave out.
    SequenceBehind,
    /// A write that must be there is missing.
    WriteLost,
    /// A write is there that must not be: it was rolled back, or came after the target.
    WritePhantom,
    /// A row that was deleted is back, or has the value from before an update.
    WriteResurrected,
    /// A transaction is there in part.
    WriteTorn,
    /// An integrity query returned an unexpected answer.
    IntegrityQuery,
    /// The restored server logged an error or a warning without an explanation.
    ServerLog,
    /// A backup older than the newest one was restored.
    BackupStale,
    /// A file of the backup does not match its manifest.
    BackupDamaged,
    /// An export is truncated.
    BackupTruncated,
    /// The manifest of a backup was changed after it was signed.
    ManifestAltered,
    /// The manifest of a backup has no signature, and a trusted key was named.
    SignatureMissing,
    /// The manifest of a backup was signed by a key that is not trusted.
    SignatureForeign,
    /// A text file has an unexpected encoding.
    EncodingWrong,
    /// A table or an export has other columns than its manifest, or another column order.
    ColumnsDiffer,
    /// A page on disk does not match its checksum.
    PageDamaged,
    /// The server reports the storage of a row as corrupt.
    TableCorrupt,
    /// An index is out of order, or lacks a row of its table.
    IndexCorrupt,
    /// The restore failed.
    RestoreFailed,
    /// A step of a recovery plan did not end in time to be seen, or its proof could not be asked.
    StepUnproven,
    /// A step of a recovery plan was carried out before one that it needs.
    StepOutOfOrder,
    /// The wall clock of a drill by people went back, so that its times cannot be relied on.
    ClockWentBack,
    /// The log does not reach the point where replay was told to stop.
    TargetNotReached,
    /// A segment is missing in the log archive, and later segments are there.
    ArchiveGap,
    /// The log archive is further behind the server than allowed, or the server cannot archive.
    ArchiveBehind,
    /// The number of keys in a keyspace differs from the manifest.
    KeyCount,
    /// A key of the manifest is missing, and its expiry has not passed.
    KeyMissing,
    /// A key is there that is not in the manifest.
    KeyExtra,
    /// A key has another value.
    KeyChanged,
    /// A stream has other entries, groups, consumers or pending entries.
    StreamChanged,
    /// A key has a value of another type.
    KeyTypeChanged,
    /// A key is in another database.
    KeyMoved,
    /// A key that was to expire no longer expires.
    ExpiryLost,
    /// A key expires earlier than it should.
    ExpiryShortened,
    /// A key expires later than it should.
    ExpiryLengthened,
    /// A library of functions is missing.
    FunctionMissing,
    /// A library of functions is there that is not in the manifest.
    FunctionExtra,
    /// A library of functions has other code.
    FunctionChanged,
    /// The restored server can be reached or logged in to in another way than it should.
    AccessDiffers,
    /// Clients saw an empty server instead of the old or the new state.
    EmptyServed,
    /// A bucket does not keep the old versions of its objects.
    VersioningOff,
    /// The object version that was live at the moment has expired.
    VersionExpired,
    /// Another version of an object is there instead of the right one.
    VersionWrong,
    /// An object has other bytes.
    BytesDiffer,
    /// An object has another content type or other metadata.
    MetadataDiffers,
    /// A secret of the manifest is missing.
    SecretMissing,
    /// A secret is there that is not in the manifest.
    SecretExtra,
    /// A version of a secret has another value, or is missing.
    SecretChanged,
    /// A secret has other labels.
    LabelsChanged,
    /// The state of a secret's version (enabled, disabled or destroyed) differs.
    VersionStateChanged,
    /// An encrypted file cannot be opened with the key that is kept for it.
    KeyWrong,
    /// A file is encrypted to fewer recipients than it should be.
    RecipientMissing,
    /// Others than the owner can read a file, or the key that opens it is stored beside it.
    FileExposed,
    /// A log-in with restored credentials was refused.
    LogInRefused,
    /// A recovered application does not answer as before the disaster.
    AnswerWrong,
    /// An authoritative server answers another record than the one that was set.
    RecordWrong,
    /// An authoritative server has an older version of the zone than another one, or than before the change.
    ZoneBehind,
    /// A resolver remembers a record for longer than its TTL.
    TtlIgnored,
    /// A TTL takes all the time that a recovery may take.
    TtlTooLong,
    /// What became of acknowledged writes could not be asked.
    WritesUnknown,
    /// A service does not answer its clients.
    ServiceDown,
    /// A client connects to another address than the name has, or to none.
    TrafficAstray,
    /// A thing of one store names one that the other store does not have.
    ReferenceBroken,
    /// Something still names an address of what was lost.
    AddressStale,
    /// Stores came back to moments that are too far apart.
    PointsApart,
    /// A server accepted writes while it was the turn of another one.
    SplitBrain,
    /// An objective of the runbook was missed.
    ObjectiveMissed,
}

impl FindingCode {
    /// The verdict of a check that found it. A missed objective is its own verdict. A step that is not proven, a plan that
    /// was not followed and times that cannot be relied on *could not be verified*; anything else is a failure.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::ObjectiveMissed => Verdict::ObjectiveMissed,
            Self::StepUnproven | Self::StepOutOfOrder | Self::ClockWentBack | Self::WritesUnknown => {
                Verdict::CouldNotVerify
            }
            _ => Verdict::Failed,
        }
    }

    /// Whether the remedy is a repair of the one thing that the finding is about, after a recovery that stands: reports
    /// list these repairs together.
    pub fn is_repairable(self) -> bool {
        matches!(self, Self::ReferenceBroken | Self::AddressStale)
    }

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
            Self::ConstraintViolated => "constraint-violated",
            Self::ContentEmpty => "content-empty",
            Self::ValuesDiffer => "values-differ",
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
            Self::ManifestAltered => "manifest-altered",
            Self::SignatureMissing => "signature-missing",
            Self::SignatureForeign => "signature-foreign",
            Self::EncodingWrong => "encoding-wrong",
            Self::ColumnsDiffer => "columns-differ",
            Self::PageDamaged => "page-damaged",
            Self::TableCorrupt => "table-corrupt",
            Self::IndexCorrupt => "index-corrupt",
            Self::RestoreFailed => "restore-failed",
            Self::StepUnproven => "step-unproven",
            Self::StepOutOfOrder => "step-out-of-order",
            Self::ClockWentBack => "clock-went-back",
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
            Self::AnswerWrong => "answer-wrong",
            Self::RecordWrong => "record-wrong",
            Self::ZoneBehind => "zone-behind",
            Self::TtlIgnored => "ttl-ignored",
            Self::TtlTooLong => "ttl-too-long",
            Self::WritesUnknown => "writes-unknown",
            Self::ServiceDown => "service-down",
            Self::TrafficAstray => "traffic-astray",
            Self::ReferenceBroken => "reference-broken",
            Self::AddressStale => "address-stale",
            Self::PointsApart => "points-apart",
            Self::SplitBrain => "split-brain",
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
    /// Which of several, if there are several: a row's key, such as `id=17`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The expected state.
    pub expected: String,
    /// The actual state.
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

    /// Sets the key.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the remedy.
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
