//! The damages there are: for each one what it does, and which judge has to find it as what. And what one hit.

use super::{DamageClass, DamageStage};
use crate::model::FindingCode;

/// What is known of a damage before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageSpec {
    /// The name on the command line, such as `row-gone`.
    pub name: &'static str,
    /// What it is done to.
    pub class: DamageClass,
    /// When it is done.
    pub stage: DamageStage,
    /// What it does, as a sentence without its full stop: `a row is deleted`.
    pub does: &'static str,
    /// The judge that has to find it, by its name in reports.
    pub judge: &'static str,
    /// What the judge has to find it as.
    pub finding: FindingCode,
}

/// Makes the damages, their groups and their specifications out of one table.
macro_rules! damages {
    ($(
        $(#[$doc:meta])*
        $group:ident: $class:ident { $(
            $damage:ident: $name:literal, $stage:ident, $does:literal => $judge:literal, $finding:ident;
        )+ }
    )+) => {
        /// A named damage.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Damage { $($(
            #[doc = $does]
            $damage,
        )+)+ }

        impl Damage {
            $(
                $(#[$doc])*
                pub const $group: &[Self] = &[$(Self::$damage),+];
            )+

            /// Every damage, in the order of the classes.
            pub const ALL: &[Self] = &[$($(Self::$damage,)+)+];

            /// What is known of it before it is done.
            pub const fn spec(self) -> DamageSpec {
                match self { $($(
                    Self::$damage => DamageSpec {
                        name: $name,
                        class: DamageClass::$class,
                        stage: DamageStage::$stage,
                        does: $does,
                        judge: $judge,
                        finding: FindingCode::$finding,
                    },
                )+)+ }
            }
        }
    };
}

damages! {
    /// Those to what a workload wrote, for the judge of its ledger.
    TO_WRITES: Writes {
        WriteLost: "write-lost", Writes, "every row of an acknowledged transaction is gone" => "ledger", WriteLost;
        WritePhantom: "write-phantom", Writes,
            "a row of a transaction is there that was rolled back, or never was" => "ledger", WritePhantom;
        WriteResurrected: "write-resurrected", Writes,
            "a row that was deleted is back, or one that was updated is as it was before"
            => "ledger", WriteResurrected;
        WriteTorn: "write-torn", Writes, "one row of a transaction of several is gone" => "ledger", WriteTorn;
    }
    /// Those to a restored cluster, whatever it was restored from.
    TO_A_CLUSTER: Cluster {
        RowGone: "row-gone", Restored, "a row is deleted" => "fingerprint", RowMissing;
        RowTwice: "row-twice", Restored,
            "a row stands twice, and the indexes know only one of them" => "fingerprint", RowDuplicated;
        ByteChanged: "byte-changed", Restored, "one character of one value is another" => "fingerprint", RowChanged;
        ValuesSwapped: "values-swapped", Restored, "two rows have exchanged a value" => "fingerprint", RowChanged;
        ColumnsSwapped: "columns-swapped", Restored,
            "the values of two columns stand under each other's names, as rows do that were loaded by position"
            => "fingerprint", ColumnsDiffer;
        TableGone: "table-gone", Restored, "a table is dropped" => "fingerprint", TableMissing;
        IndexGone: "index-gone", Restored, "an index is dropped" => "catalogue", ObjectMissing;
        IndexInvalid: "index-invalid", Restored,
            "an index is marked invalid: the planner ignores it" => "catalogue", IndexInvalid;
        ConstraintGone: "constraint-gone", Restored, "a constraint is dropped" => "catalogue", ObjectMissing;
        TriggerGone: "trigger-gone", Restored, "a trigger is dropped" => "catalogue", ObjectMissing;
        GrantGone: "grant-gone", Restored, "a grant is revoked" => "catalogue", ObjectMissing;
        PolicyGone: "policy-gone", Restored, "a row security policy is dropped" => "catalogue", ObjectMissing;
        SequenceBack: "sequence-back", Restored,
            "a sequence gives out values that it gave out before" => "catalogue", SequenceBehind;
        SequenceUncalled: "sequence-uncalled", Restored,
            "a sequence that was to begin at a certain value, and that nobody has asked yet, begins at its smallest"
            => "catalogue", SequenceBehind;
        SequenceDescendingBack: "sequence-descending-back", Restored,
            "a sequence that counts down gives out values that it gave out before" => "catalogue", SequenceBehind;
        ForeignKeyUnchecked: "foreign-key-unchecked", Restored,
            "a foreign key's triggers are switched off: it is there, and checks nothing"
            => "catalogue", ObjectChanged;
        RuleDisabled: "rule-disabled", Restored, "a rule is switched off" => "catalogue", ObjectChanged;
        DomainConstraintGone: "domain-constraint-gone", Restored,
            "a constraint of a domain is dropped" => "catalogue", ObjectMissing;
        DefaultGrantGone: "default-grant-gone", Restored,
            "tables that are created later are not granted to a role any more" => "catalogue", ObjectMissing;
        LargeObjectGone: "large-object-gone", Restored, "a large object is unlinked" => "catalogue", ObjectMissing;
        OrphanRow: "orphan-row", Restored, "a row refers to one that does not exist" => "fingerprint", RowChanged;
        IndexEntryGone: "index-entry-gone", Restored,
            "an index lacks a row of its table: queries that use it do not see the row" => "structure", IndexCorrupt;
        FreezeLimitWrong: "freeze-limit-wrong", Restored,
            "a table claims that all of its rows are frozen, and one is not: it will vanish when transaction numbers begin anew"
            => "structure", TableCorrupt;
        PageFlipped: "page-flipped", Restored,
            "one byte of a page on disk is another, where no row lies" => "page-checksums", PageDamaged;
        LogWarning: "log-warning", Restored, "the server logs a warning" => "server-log", ServerLog;
    }
    /// That to which backup is the newest.
    TO_THE_CHOICE: Choice {
        StaleBackup: "stale-backup", Repository,
            "an older backup stands under the name of the newest" => "newest-backup", BackupStale;
    }
    /// That to the bytes of any kind of backup.
    TO_ANY_BACKUP: Backup {
        BackupBitFlipped: "backup-bit-flipped", Repository,
            "one bit of a backup's file is flipped" => "restore", BackupDamaged;
    }
    /// That to what a base backup was made of.
    TO_A_BASE_BACKUP: BaseBackup {
        BaseFileChanged: "base-file-changed", Repository,
            "one bit of a data file is flipped inside a base backup whose manifest says that it has to be so"
            => "unpacked-files", BackupDamaged;
    }
    /// Those to the archive of the log.
    TO_THE_ARCHIVE: Archive {
        SegmentGone: "segment-gone", Archive,
            "a segment of the log is missing in the archive" => "restore", ArchiveGap;
        SegmentFlipped: "segment-flipped", Archive,
            "one bit of a segment of the log is flipped in the archive" => "restore", BackupDamaged;
    }
    /// Those to what a logical export was made of.
    TO_AN_EXPORT: Export {
        ExportTruncated: "export-truncated", Repository,
            "an export ends in its middle, and its manifest says that it has to be so" => "restore", BackupTruncated;
        TableCut: "table-cut", Repository,
            "an export lacks rows of one table, and its manifest says that it has to be so" => "row-counts", RowCount;
        RolesMissing: "roles-missing", Repository, "the file with the roles is gone" => "restore", BackupDamaged;
    }
    /// Those to what a Redis server holds.
    TO_A_KEYSPACE: Keyspace {
        KeyGone: "key-gone", Restored, "a key is deleted" => "fingerprint", KeyMissing;
        KeyAdded: "key-added", Restored, "a key is there that was not there" => "fingerprint", KeyExtra;
        ValueChanged: "value-changed", Restored, "one byte of a value is another" => "fingerprint", KeyChanged;
        TypeChanged: "type-changed", Restored, "a key holds a value of another type" => "fingerprint", KeyTypeChanged;
        ExpiryGone: "expiry-gone", Restored, "a key that was to expire never will" => "fingerprint", ExpiryLost;
        ExpiryEarlier: "expiry-earlier", Restored,
            "a key expires earlier than it should" => "fingerprint", ExpiryShortened;
        ExpiryLater: "expiry-later", Restored,
            "a key expires later than it should" => "fingerprint", ExpiryLengthened;
        DatabaseChanged: "database-changed", Restored, "a key is in another database" => "fingerprint", KeyMoved;
        GroupGone: "group-gone", Restored,
            "a group of a stream's consumers is destroyed" => "fingerprint", StreamChanged;
        PendingGone: "pending-gone", Restored,
            "an entry of a stream that waits for its acknowledgement waits no more" => "fingerprint", StreamChanged;
        StreamFirstIdChanged: "stream-first-id-changed", Restored,
            "a stream keeps another identifier as that of its first entry" => "fingerprint", StreamChanged;
        DeliveryTimeChanged: "delivery-time-changed", Restored,
            "an entry of a stream that waits for its acknowledgement was delivered at another time"
            => "fingerprint", StreamChanged;
        FunctionGone: "function-gone", Restored,
            "a library of functions is deleted" => "fingerprint", FunctionMissing;
        UserGone: "user-gone", Restored, "a user of the server cannot log in any more" => "access", AccessDiffers;
    }
    /// Those to what a snapshot of Redis was made of.
    TO_A_SNAPSHOT: Snapshot {
        SnapshotEmpty: "snapshot-empty", Repository,
            "a valid RDB file without a key is in place of the backup's, and its manifest says that it has to be so"
            => "restore", ContentDiffers;
        SnapshotStale: "snapshot-stale", Repository,
            "the RDB file of an older backup is in place of the newest one's, and its manifest says that it has to be so"
            => "restore", ContentDiffers;
        SnapshotTruncated: "snapshot-truncated", Repository,
            "an RDB file ends before its last key, with a right checksum, and its manifest says that it has to be so"
            => "restore", ContentDiffers;
    }
    /// Those to what an export of one table was made of.
    TO_A_CSV: Csv {
        CsvLineCut: "csv-line-cut", Repository,
            "an export of a table lacks a row, and its manifest says that it has to be so"
            => "loaded-rows", RowMissing;
        CsvEncodingChanged: "csv-encoding-changed", Repository,
            "an export of a table is in Latin-1, and its manifest says that it has to be so"
            => "restore", EncodingWrong;
        CsvNullsEmptied: "csv-nulls-emptied", Repository,
            "an export of a table has empty texts for NULLs, and its manifest says that it has to be so"
            => "loaded-rows", ContentDiffers;
        CsvColumnsReordered: "csv-columns-reordered", Repository,
            "the header of an export of a table names its columns in another order than the rows have them, and its manifest says that it has to be so"
            => "loaded-rows", ContentDiffers;
        CsvValueChanged: "csv-value-changed", Repository,
            "one letter of an export of a table is another, and its manifest says that it has to be so"
            => "loaded-rows", RowChanged;
        CsvStale: "csv-stale", Repository,
            "the file of another day is in place of the newest export's, and its manifest says that it has to be so"
            => "loaded-rows", ContentDiffers;
    }
    /// Those to a bucket, to its versions, and to what was restored in it.
    TO_A_BUCKET: Bucket {
        VersioningOff: "versioning-off", Settings,
            "a bucket does not keep old versions" => "versioning", VersioningOff;
        VersionExpired: "version-expired", Versions,
            "the version of an object that a restore needs was removed by a lifecycle rule"
            => "chosen-versions", VersionExpired;
        GenerationWrong: "generation-wrong", Restored,
            "an older version of an object stands in place of the right one" => "objects", VersionWrong;
        ObjectBytesChanged: "object-bytes-changed", Restored,
            "one bit of an object is another, and its store's checksum fits that" => "objects", BytesDiffer;
        MetadataLost: "metadata-lost", Restored,
            "an object has lost the metadata that users gave it" => "objects", MetadataDiffers;
    }
    /// Those to secrets: their export, its keys, what they open, and what was restored.
    TO_SECRETS: Secrets {
        KeyWrong: "key-wrong", Export,
            "the key that was locked away for an export opens nothing" => "restore", KeyWrong;
        RecipientMissing: "recipient-missing", Export,
            "an export of secrets is encrypted to one recipient alone, and its manifest says that it has to be so"
            => "restore", RecipientMissing;
        SecretsTruncated: "secrets-truncated", Export,
            "an export of secrets ends before its end, and its manifest says that it has to be so"
            => "restore", BackupTruncated;
        SecretsByteFlipped: "secrets-byte-flipped", Export,
            "one byte of an export of secrets is another, and its manifest says that it has to be so"
            => "restore", BackupDamaged;
        SecretGone: "secret-gone", Export,
            "an export lacks a secret, and its manifest says that it has to be so" => "opened-secrets", SecretMissing;
        SecretNewline: "secret-newline", Export,
            "a secret has a line end after it in the export, and its manifest says that it has to be so"
            => "opened-secrets", SecretChanged;
        SecretOlder: "secret-older", Export,
            "the newest version of a secret has the value of an older one in the export, and its manifest says that it has to be so"
            => "opened-secrets", SecretChanged;
        SecretRotated: "secret-rotated", Rotation,
            "a password was changed after the export" => "log-in", LogInRefused;
        ExportReadable: "export-readable", ExportFile,
            "the file of an export can be read by everybody" => "export-file", FileExposed;
        KeyBeside: "key-beside", ExportFile,
            "the key that opens an export lies beside it" => "export-file", FileExposed;
        LabelGone: "label-gone", Restored, "a restored secret lacks a label" => "secrets", LabelsChanged;
        VersionDisabled: "version-disabled", Restored,
            "the newest version of a restored secret is disabled" => "secrets", VersionStateChanged;
    }
}

impl Damage {
    /// That to the log of any restored server.
    pub const TO_A_LOG: &[Self] = &[Self::LogWarning];

    /// Those to what an application wrote to a key-value store, for the judge of its ledger.
    pub const TO_KEY_WRITES: &[Self] = &[Self::WriteLost, Self::WritePhantom];

    /// The name on the command line, such as `row-gone`.
    pub const fn name(self) -> &'static str {
        self.spec().name
    }

    /// When it is done.
    pub const fn stage(self) -> DamageStage {
        self.spec().stage
    }
}

/// What was damaged, as the judges should name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injury {
    /// The table, index, database, file, … that was damaged.
    pub subject: String,
    /// The row's key, such as `id=17`, where a row was damaged; `key=session:17` where a key was.
    pub key: Option<String>,
}

impl std::str::FromStr for Damage {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|damage| damage.name() == name).copied().ok_or_else(|| {
            let names = Self::ALL.iter().map(|damage| damage.name()).collect::<Vec<_>>().join(", ");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_damage_has_a_name_and_a_sentence_of_its_own() {
        let unique = |of: fn(&Damage) -> &'static str| {
            Damage::ALL.iter().map(of).collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!(unique(|damage| damage.name()), Damage::ALL.len());
        assert_eq!(unique(|damage| damage.spec().does), Damage::ALL.len());
        for damage in Damage::ALL {
            let spec = damage.spec();
            assert_eq!(spec.name.parse::<Damage>(), Ok(*damage));
            assert_eq!(spec.class.name().parse::<DamageClass>(), Ok(spec.class));
            assert!(!spec.does.ends_with('.') && spec.does.contains(' '), "{spec:?}");
        }
    }
}
