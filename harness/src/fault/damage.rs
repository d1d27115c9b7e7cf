//! The damages there are, and what one hit.

/// A named damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Damage {
    /// A row is deleted.
    RowGone,
    /// A row stands twice, and the indexes know only one of them.
    RowTwice,
    /// One character of one value is another.
    ByteChanged,
    /// Two rows have exchanged a value.
    ValuesSwapped,
    /// The values of two columns stand under each other's names, as rows do that were loaded by position.
    ColumnsSwapped,
    /// A table is dropped.
    TableGone,
    /// An index is dropped.
    IndexGone,
    /// An index is marked invalid: the planner ignores it.
    IndexInvalid,
    /// A constraint is dropped.
    ConstraintGone,
    /// A trigger is dropped.
    TriggerGone,
    /// A grant is revoked.
    GrantGone,
    /// A row security policy is dropped.
    PolicyGone,
    /// A sequence gives out values that it gave out before.
    SequenceBack,
    /// A sequence that was to begin at a certain value, and that nobody has asked yet, begins at its smallest.
    SequenceUncalled,
    /// A sequence that counts down gives out values that it gave out before.
    SequenceDescendingBack,
    /// A foreign key's triggers are switched off: it is there, and checks nothing.
    ForeignKeyUnchecked,
    /// A rule is switched off.
    RuleDisabled,
    /// A constraint of a domain is dropped.
    DomainConstraintGone,
    /// Tables that are created later are not granted to a role any more.
    DefaultGrantGone,
    /// A large object is unlinked.
    LargeObjectGone,
    /// A row refers to one that does not exist.
    OrphanRow,
    /// Every row of an acknowledged transaction is gone.
    WriteLost,
    /// A row of a transaction is there that was rolled back, or never was.
    WritePhantom,
    /// A row that was deleted is back, or one that was updated is as it was before.
    WriteResurrected,
    /// One row of a transaction of several is gone.
    WriteTorn,
    /// An index lacks a row of its table: queries that use it do not see the row.
    IndexEntryGone,
    /// A table claims that all of its rows are frozen, and one is not: it will vanish when transaction numbers
    /// begin anew.
    FreezeLimitWrong,
    /// One byte of a page on disk is another, where no row lies.
    PageFlipped,
    /// The server logs a warning.
    LogWarning,
    /// An older backup stands under the name of the newest.
    StaleBackup,
    /// One bit of a backup's file is flipped.
    BackupBitFlipped,
    /// One bit of a data file is flipped inside a base backup whose manifest says that it has to be so.
    BaseFileChanged,
    /// A segment of the log is missing in the archive.
    SegmentGone,
    /// One bit of a segment of the log is flipped in the archive.
    SegmentFlipped,
    /// An export ends in its middle, and its manifest says that it has to be so.
    ExportTruncated,
    /// An export lacks rows of one table, and its manifest says that it has to be so.
    TableCut,
    /// The file with the roles is gone.
    RolesMissing,
    /// A key is deleted.
    KeyGone,
    /// A key is there that was not there.
    KeyAdded,
    /// One byte of a value is another.
    ValueChanged,
    /// A key holds a value of another type.
    TypeChanged,
    /// A key that was to expire never will.
    ExpiryGone,
    /// A key expires earlier than it should.
    ExpiryEarlier,
    /// A key expires later than it should.
    ExpiryLater,
    /// A key is in another database.
    DatabaseChanged,
    /// A group of a stream's consumers is destroyed.
    GroupGone,
    /// An entry of a stream that waits for its acknowledgement waits no more.
    PendingGone,
    /// A stream keeps another identifier as that of its first entry.
    StreamFirstIdChanged,
    /// An entry of a stream that waits for its acknowledgement was delivered at another time.
    DeliveryTimeChanged,
    /// A library of functions is deleted.
    FunctionGone,
    /// A user of the server cannot log in any more.
    UserGone,
    /// A valid RDB file without a key is in place of the backup's, and its manifest says that it has to be so.
    SnapshotEmpty,
    /// The RDB file of an older backup is in place of the newest one's, and its manifest says that it has to be so.
    SnapshotStale,
    /// An RDB file ends before its last key, with a right checksum, and its manifest says that it has to be so.
    SnapshotTruncated,
    /// An export of a table lacks a row, and its manifest says that it has to be so.
    CsvLineCut,
    /// An export of a table is in Latin-1, and its manifest says that it has to be so.
    CsvEncodingChanged,
    /// An export of a table has empty texts for NULLs, and its manifest says that it has to be so.
    CsvNullsEmptied,
    /// The header of an export of a table names its columns in another order than the rows have them, and its
    /// manifest says that it has to be so.
    CsvColumnsReordered,
    /// One letter of an export of a table is another, and its manifest says that it has to be so.
    CsvValueChanged,
    /// The file of another day is in place of the newest export's, and its manifest says that it has to be so.
    CsvStale,
    /// A bucket does not keep old versions.
    VersioningOff,
    /// The version of an object that a restore needs was removed by a lifecycle rule.
    VersionExpired,
    /// An older version of an object stands in place of the right one.
    GenerationWrong,
    /// One bit of an object is another, and its store's checksum fits that.
    ObjectBytesChanged,
    /// An object has lost the metadata that users gave it.
    MetadataLost,
    /// The key that was locked away for an export opens nothing.
    KeyWrong,
    /// An export of secrets is encrypted to one recipient alone, and its manifest says that it has to be so.
    RecipientMissing,
    /// An export of secrets ends before its end, and its manifest says that it has to be so.
    SecretsTruncated,
    /// One byte of an export of secrets is another, and its manifest says that it has to be so.
    SecretsByteFlipped,
    /// An export lacks a secret, and its manifest says that it has to be so.
    SecretGone,
    /// A secret has a line end after it in the export, and its manifest says that it has to be so.
    SecretNewline,
    /// The newest version of a secret has the value of an older one in the export, and its manifest says that it
    /// has to be so.
    SecretOlder,
    /// A password was changed after the export.
    SecretRotated,
    /// The file of an export can be read by everybody.
    ExportReadable,
    /// The key that opens an export lies beside it.
    KeyBeside,
    /// A restored secret lacks a label.
    LabelGone,
    /// The newest version of a restored secret is disabled.
    VersionDisabled,
}

/// What was damaged, as the judges should name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injury {
    /// The table, index, database, file, … that was damaged.
    pub subject: String,
    /// The row's key, such as `id=17`, where a row was damaged; `key=session:17` where a key was.
    pub key: Option<String>,
}

impl Damage {
    /// Every damage.
    pub fn all() -> impl Iterator<Item = Self> {
        let groups = [
            Self::TO_WRITES,
            Self::TO_A_CLUSTER,
            Self::TO_THE_CHOICE,
            Self::TO_ANY_BACKUP,
            Self::TO_A_BASE_BACKUP,
            Self::TO_THE_ARCHIVE,
            Self::TO_AN_EXPORT,
            Self::TO_A_KEYSPACE,
            Self::TO_A_SNAPSHOT,
            Self::TO_A_CSV,
            Self::TO_A_BUCKET,
            Self::TO_SECRETS,
        ];
        groups.into_iter().flatten().copied()
    }

    /// Those to what a workload wrote, for the judge of its ledger.
    pub const TO_WRITES: &[Self] =
        &[Self::WriteLost, Self::WritePhantom, Self::WriteResurrected, Self::WriteTorn];

    /// Those to a restored cluster, whatever it was restored from.
    pub const TO_A_CLUSTER: &[Self] = &[
        Self::RowGone,
        Self::RowTwice,
        Self::ByteChanged,
        Self::ValuesSwapped,
        Self::ColumnsSwapped,
        Self::TableGone,
        Self::IndexGone,
        Self::IndexInvalid,
        Self::ConstraintGone,
        Self::TriggerGone,
        Self::GrantGone,
        Self::PolicyGone,
        Self::SequenceBack,
        Self::SequenceUncalled,
        Self::SequenceDescendingBack,
        Self::ForeignKeyUnchecked,
        Self::RuleDisabled,
        Self::DomainConstraintGone,
        Self::DefaultGrantGone,
        Self::LargeObjectGone,
        Self::OrphanRow,
        Self::IndexEntryGone,
        Self::FreezeLimitWrong,
        Self::PageFlipped,
        Self::LogWarning,
    ];

    /// That to which backup is the newest.
    pub const TO_THE_CHOICE: &[Self] = &[Self::StaleBackup];

    /// That to the bytes of any kind of backup.
    pub const TO_ANY_BACKUP: &[Self] = &[Self::BackupBitFlipped];

    /// That to what a base backup was made of.
    pub const TO_A_BASE_BACKUP: &[Self] = &[Self::BaseFileChanged];

    /// Those to the archive of the log.
    pub const TO_THE_ARCHIVE: &[Self] = &[Self::SegmentGone, Self::SegmentFlipped];

    /// Those to what a logical export was made of.
    pub const TO_AN_EXPORT: &[Self] = &[Self::ExportTruncated, Self::TableCut, Self::RolesMissing];

    /// That to the log of any restored server.
    pub const TO_A_LOG: &[Self] = &[Self::LogWarning];

    /// Those to what an application wrote to a key-value store, for the judge of its ledger.
    pub const TO_KEY_WRITES: &[Self] = &[Self::WriteLost, Self::WritePhantom];

    /// Those to what a Redis server holds.
    pub const TO_A_KEYSPACE: &[Self] = &[
        Self::KeyGone,
        Self::KeyAdded,
        Self::ValueChanged,
        Self::TypeChanged,
        Self::ExpiryGone,
        Self::ExpiryEarlier,
        Self::ExpiryLater,
        Self::DatabaseChanged,
        Self::GroupGone,
        Self::PendingGone,
        Self::StreamFirstIdChanged,
        Self::DeliveryTimeChanged,
        Self::FunctionGone,
        Self::UserGone,
    ];

    /// Those to what a snapshot of Redis was made of.
    pub const TO_A_SNAPSHOT: &[Self] = &[Self::SnapshotEmpty, Self::SnapshotStale, Self::SnapshotTruncated];

    /// Those to what an export of one table was made of.
    pub const TO_A_CSV: &[Self] = &[
        Self::CsvLineCut,
        Self::CsvEncodingChanged,
        Self::CsvNullsEmptied,
        Self::CsvColumnsReordered,
        Self::CsvValueChanged,
        Self::CsvStale,
    ];

    /// Those to a bucket, to its versions, and to what was restored in it.
    pub const TO_A_BUCKET: &[Self] = &[
        Self::VersioningOff,
        Self::VersionExpired,
        Self::GenerationWrong,
        Self::ObjectBytesChanged,
        Self::MetadataLost,
    ];
    /// Those to secrets: their export, its keys, what they open, and what was restored.
    pub const TO_SECRETS: &[Self] = &[
        Self::KeyWrong,
        Self::RecipientMissing,
        Self::SecretsTruncated,
        Self::SecretsByteFlipped,
        Self::SecretGone,
        Self::SecretNewline,
        Self::SecretOlder,
        Self::SecretRotated,
        Self::ExportReadable,
        Self::KeyBeside,
        Self::LabelGone,
        Self::VersionDisabled,
    ];

    /// The name on the command line, such as `row-gone`.
    pub fn name(self) -> &'static str {
        match self {
            Self::RowGone => "row-gone",
            Self::RowTwice => "row-twice",
            Self::ByteChanged => "byte-changed",
            Self::ValuesSwapped => "values-swapped",
            Self::ColumnsSwapped => "columns-swapped",
            Self::TableGone => "table-gone",
            Self::IndexGone => "index-gone",
            Self::IndexInvalid => "index-invalid",
            Self::ConstraintGone => "constraint-gone",
            Self::TriggerGone => "trigger-gone",
            Self::GrantGone => "grant-gone",
            Self::PolicyGone => "policy-gone",
            Self::SequenceBack => "sequence-back",
            Self::SequenceUncalled => "sequence-uncalled",
            Self::SequenceDescendingBack => "sequence-descending-back",
            Self::ForeignKeyUnchecked => "foreign-key-unchecked",
            Self::RuleDisabled => "rule-disabled",
            Self::DomainConstraintGone => "domain-constraint-gone",
            Self::DefaultGrantGone => "default-grant-gone",
            Self::LargeObjectGone => "large-object-gone",
            Self::OrphanRow => "orphan-row",
            Self::WriteLost => "write-lost",
            Self::WritePhantom => "write-phantom",
            Self::WriteResurrected => "write-resurrected",
            Self::WriteTorn => "write-torn",
            Self::IndexEntryGone => "index-entry-gone",
            Self::FreezeLimitWrong => "freeze-limit-wrong",
            Self::PageFlipped => "page-flipped",
            Self::BaseFileChanged => "base-file-changed",
            Self::SegmentGone => "segment-gone",
            Self::SegmentFlipped => "segment-flipped",
            Self::LogWarning => "log-warning",
            Self::StaleBackup => "stale-backup",
            Self::BackupBitFlipped => "backup-bit-flipped",
            Self::ExportTruncated => "export-truncated",
            Self::TableCut => "table-cut",
            Self::RolesMissing => "roles-missing",
            Self::KeyGone => "key-gone",
            Self::KeyAdded => "key-added",
            Self::ValueChanged => "value-changed",
            Self::TypeChanged => "type-changed",
            Self::ExpiryGone => "expiry-gone",
            Self::ExpiryEarlier => "expiry-earlier",
            Self::ExpiryLater => "expiry-later",
            Self::DatabaseChanged => "database-changed",
            Self::GroupGone => "group-gone",
            Self::PendingGone => "pending-gone",
            Self::StreamFirstIdChanged => "stream-first-id-changed",
            Self::DeliveryTimeChanged => "delivery-time-changed",
            Self::FunctionGone => "function-gone",
            Self::UserGone => "user-gone",
            Self::SnapshotEmpty => "snapshot-empty",
            Self::SnapshotStale => "snapshot-stale",
            Self::SnapshotTruncated => "snapshot-truncated",
            Self::CsvLineCut => "csv-line-cut",
            Self::CsvEncodingChanged => "csv-encoding-changed",
            Self::CsvNullsEmptied => "csv-nulls-emptied",
            Self::CsvColumnsReordered => "csv-columns-reordered",
            Self::CsvValueChanged => "csv-value-changed",
            Self::CsvStale => "csv-stale",
            Self::VersioningOff => "versioning-off",
            Self::VersionExpired => "version-expired",
            Self::GenerationWrong => "generation-wrong",
            Self::ObjectBytesChanged => "object-bytes-changed",
            Self::MetadataLost => "metadata-lost",
            Self::KeyWrong => "key-wrong",
            Self::RecipientMissing => "recipient-missing",
            Self::SecretsTruncated => "secrets-truncated",
            Self::SecretsByteFlipped => "secrets-byte-flipped",
            Self::SecretGone => "secret-gone",
            Self::SecretNewline => "secret-newline",
            Self::SecretOlder => "secret-older",
            Self::SecretRotated => "secret-rotated",
            Self::ExportReadable => "export-readable",
            Self::KeyBeside => "key-beside",
            Self::LabelGone => "label-gone",
            Self::VersionDisabled => "version-disabled",
        }
    }
}

impl std::str::FromStr for Damage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::all().find(|damage| damage.name() == name).ok_or_else(|| {
            let names = Self::all().map(Self::name).collect::<Vec<_>>().join(", ");
            format!("there is no damage named `{name}`: there are {names}")
        })
    }
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// A sentence for the evidence.
impl std::fmt::Display for Injury {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.subject)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, " {key}"))
    }
}
