//! Damages, injected through the binary: each makes the run fail for its own reason, and is named.

use comeback_harness::fault::Damage;
use serde_json::Value;

use super::drills::{
    RUN, RUN_CACHE_CORRUPTION, RUN_COMPLETE_LOSS, RUN_CROSS_REGION, RUN_PHOTO_VERSION, RUN_POINT_IN_TIME,
    RUN_STORIES_CSV,
};
use super::{Place, local_is_here, redis_is_here, text};

/// What the run itself said that it damaged: subject and key.
fn injury(report: &Value, damage: Damage) -> (String, Option<String>) {
    let mut notes = report["drills"][0]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["notes"].as_array().unwrap());
    let start = format!("injected {damage}: ");
    let told =
        notes.find_map(|note| note.as_str()?.strip_prefix(&start)).unwrap_or_else(|| panic!("{report:#}"));
    // The key begins with the first word that has an equals sign; it may be of several columns.
    let key = told.split(' ').scan(0, |at, word| Some((std::mem::replace(at, *at + word.len() + 1), word)));
    match key.into_iter().find(|(_, word)| word.contains('=')) {
        Some((at, _)) => (told[..at].trim_end().to_owned(), Some(told[at..].to_owned())),
        None => (told.to_owned(), None),
    }
}

/// The judge, and the kind of finding, that each damage is for.
pub(crate) fn reason(damage: Damage) -> (&'static str, &'static str) {
    match damage {
        Damage::RowGone => ("fingerprint", "row-missing"),
        Damage::RowTwice => ("fingerprint", "row-duplicated"),
        Damage::ByteChanged | Damage::ValuesSwapped | Damage::OrphanRow => ("fingerprint", "row-changed"),
        Damage::ColumnsSwapped => ("fingerprint", "columns-differ"),
        Damage::TableGone => ("fingerprint", "table-missing"),
        Damage::IndexInvalid => ("catalogue", "index-invalid"),
        Damage::SequenceBack | Damage::SequenceUncalled | Damage::SequenceDescendingBack => {
            ("catalogue", "sequence-behind")
        }
        Damage::IndexGone
        | Damage::ConstraintGone
        | Damage::TriggerGone
        | Damage::GrantGone
        | Damage::PolicyGone
        | Damage::DomainConstraintGone
        | Damage::DefaultGrantGone
        | Damage::LargeObjectGone => ("catalogue", "object-missing"),
        Damage::ForeignKeyUnchecked | Damage::RuleDisabled => ("catalogue", "object-changed"),
        Damage::WriteLost => ("ledger", "write-lost"),
        Damage::WritePhantom => ("ledger", "write-phantom"),
        Damage::WriteResurrected => ("ledger", "write-resurrected"),
        Damage::WriteTorn => ("ledger", "write-torn"),
        Damage::IndexEntryGone => ("structure", "index-corrupt"),
        Damage::FreezeLimitWrong => ("structure", "table-corrupt"),
        Damage::PageFlipped => ("page-checksums", "page-damaged"),
        Damage::BaseFileChanged => ("unpacked-files", "backup-damaged"),
        Damage::SegmentGone => ("restore", "archive-gap"),
        Damage::LogWarning => ("server-log", "server-log"),
        Damage::StaleBackup => ("newest-backup", "backup-stale"),
        Damage::SegmentFlipped
        | Damage::BackupBitFlipped
        | Damage::RolesMissing
        | Damage::SecretsByteFlipped => ("restore", "backup-damaged"),
        Damage::ExportTruncated | Damage::SecretsTruncated => ("restore", "backup-truncated"),
        Damage::TableCut => ("row-counts", "row-count"),
        Damage::KeyGone => ("fingerprint", "key-missing"),
        Damage::KeyAdded => ("fingerprint", "key-extra"),
        Damage::ValueChanged => ("fingerprint", "key-changed"),
        Damage::TypeChanged => ("fingerprint", "key-type-changed"),
        Damage::ExpiryGone => ("fingerprint", "expiry-lost"),
        Damage::ExpiryEarlier => ("fingerprint", "expiry-shortened"),
        Damage::ExpiryLater => ("fingerprint", "expiry-lengthened"),
        Damage::DatabaseChanged => ("fingerprint", "key-moved"),
        Damage::GroupGone
        | Damage::PendingGone
        | Damage::StreamFirstIdChanged
        | Damage::DeliveryTimeChanged => ("fingerprint", "stream-changed"),
        Damage::FunctionGone => ("fingerprint", "function-missing"),
        Damage::UserGone => ("access", "access-differs"),
        Damage::SnapshotEmpty | Damage::SnapshotStale | Damage::SnapshotTruncated => {
            ("restore", "content-differs")
        }
        Damage::CsvLineCut => ("loaded-rows", "row-missing"),
        Damage::CsvEncodingChanged => ("restore", "encoding-wrong"),
        Damage::CsvNullsEmptied | Damage::CsvColumnsReordered | Damage::CsvStale => {
            ("loaded-rows", "content-differs")
        }
        Damage::CsvValueChanged => ("loaded-rows", "row-changed"),
        Damage::VersioningOff => ("versioning", "versioning-off"),
        Damage::VersionExpired => ("chosen-versions", "version-expired"),
        Damage::GenerationWrong => ("objects", "version-wrong"),
        Damage::ObjectBytesChanged => ("objects", "bytes-differ"),
        Damage::MetadataLost => ("objects", "metadata-differs"),
        Damage::KeyWrong => ("restore", "key-wrong"),
        Damage::RecipientMissing => ("restore", "recipient-missing"),
        Damage::SecretGone => ("opened-secrets", "secret-missing"),
        Damage::SecretNewline | Damage::SecretOlder => ("opened-secrets", "secret-changed"),
        Damage::SecretRotated => ("log-in", "log-in-refused"),
        Damage::ExportReadable | Damage::KeyBeside => ("export-file", "file-exposed"),
        Damage::LabelGone => ("secrets", "labels-changed"),
        Damage::VersionDisabled => ("secrets", "version-state-changed"),
    }
}

/// One for each judge of a restored cluster: that these see all the others is shown in [`crate::damages`].
#[test]
fn each_judge_of_a_cluster_fails_the_run_and_names_what_was_hit() {
    if local_is_here() {
        let one_for_each = [
            Damage::ByteChanged,
            Damage::IndexGone,
            Damage::IndexEntryGone,
            Damage::PageFlipped,
            Damage::LogWarning,
        ];
        let judges: Vec<_> = one_for_each.map(|damage| reason(damage).0).to_vec();
        assert!(Damage::TO_A_CLUSTER.iter().all(|damage| judges.contains(&reason(*damage).0)));
        noticed_and_named(&RUN, &one_for_each);
    }
}

/// Of the damages to writes one: that the judge of the ledger sees the others is shown in [`crate::ledger`].
#[test]
fn every_damage_to_a_base_backup_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        let groups = [Damage::TO_THE_CHOICE, Damage::TO_ANY_BACKUP, Damage::TO_A_BASE_BACKUP];
        noticed_and_named(&RUN, &[&groups.concat()[..], &[Damage::WriteLost]].concat());
    }
}

#[test]
fn every_damage_to_the_archive_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        noticed_and_named(&RUN_POINT_IN_TIME, Damage::TO_THE_ARCHIVE);
    }
}

#[test]
fn every_damage_to_an_export_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        let groups = [Damage::TO_THE_CHOICE, Damage::TO_ANY_BACKUP, Damage::TO_AN_EXPORT];
        // The last two are for the judges of what was restored.
        noticed_and_named(
            &RUN_CROSS_REGION,
            &[&groups.concat()[..], &[Damage::RowTwice, Damage::GrantGone]].concat(),
        );
    }
}

#[test]
fn every_damage_to_a_csv_export_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        let groups = [Damage::TO_A_CSV, Damage::TO_ANY_BACKUP, Damage::TO_THE_CHOICE];
        noticed_and_named(&RUN_STORIES_CSV, &groups.concat());
        // What was restored is a cluster, as above: these are the ones that hit what a CSV file does not hold.
        noticed_and_named(&RUN_STORIES_CSV, &[Damage::SequenceBack, Damage::PolicyGone, Damage::ByteChanged]);
    }
}

#[test]
fn every_damage_to_a_bucket_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        let groups = [Damage::TO_A_BUCKET, Damage::TO_ANY_BACKUP, Damage::TO_THE_CHOICE];
        noticed_and_named(&RUN_PHOTO_VERSION, &groups.concat());
    }
}

#[test]
fn every_damage_to_a_snapshot_fails_for_its_own_reason_and_names_what_it_hit() {
    if redis_is_here() {
        let damages = [
            Damage::TO_A_KEYSPACE,
            Damage::TO_KEY_WRITES,
            Damage::TO_A_LOG,
            Damage::TO_THE_CHOICE,
            Damage::TO_ANY_BACKUP,
            Damage::TO_A_SNAPSHOT,
        ];
        noticed_and_named(&RUN_COMPLETE_LOSS, &damages.concat());
    }
}

#[test]
fn a_bad_snapshot_never_replaces_what_a_corrupted_server_still_holds() {
    if redis_is_here() {
        let bad = [
            Damage::BackupBitFlipped,
            Damage::SnapshotEmpty,
            Damage::SnapshotStale,
            Damage::SnapshotTruncated,
        ];
        // Each ends the drill in the proof, before the step that replaces.
        noticed_and_named(&RUN_CACHE_CORRUPTION, &bad);
        noticed_and_named(&RUN_CACHE_CORRUPTION, &[Damage::ExpiryGone, Damage::FunctionGone]);
    }
}

fn noticed_and_named(scenario: &[&str], damages: &[Damage]) {
    for (seed, damage) in (100_u64..).zip(damages.iter().copied()) {
        let place = Place::new();
        let seed = seed.to_string();
        let output = place.run(
            &[scenario, &["local", "--show-values", "--damage", damage.name(), "--seed", &seed]].concat(),
        );
        is_noticed_and_named(&place, damage, &output);
    }
}

/// Looks at a run with a damage: the judge that the damage is for, and no other reason, must have made it fail.
pub(super) fn is_noticed_and_named(place: &Place, damage: Damage, output: &std::process::Output) {
    assert_eq!(output.status.code(), Some(1), "{damage}: {}{}", text(&output.stdout), text(&output.stderr));
    let report = place.report();
    let asked = format!("damage {damage} was asked for");
    assert!(text(&output.stderr).lines().next().is_some_and(|line| line.contains(&asked)), "{damage}");
    assert!(
        std::fs::read_to_string(place.evidence().join("junit.xml")).unwrap().contains(&asked),
        "{damage}"
    );
    let (subject, key) = injury(&report, damage);
    let (oracle, code) = reason(damage);
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["oracle"] == oracle)
        .unwrap_or_else(|| panic!("{damage}: {report:#}"));
    if damage == Damage::ByteChanged && oracle == "fingerprint" {
        let held = check["findings"][0]["actual"].as_str().unwrap();
        assert!(held.contains(" = '"), "{held}");
    }
    let named = check["findings"].as_array().unwrap().iter().any(|finding| {
        finding["code"] == code
            && finding["subject"].as_str().is_some_and(|named| named == subject || named.ends_with(&subject))
            && finding["key"].as_str().map(str::to_owned) == key
    });
    assert!(named, "{damage} of {subject} {key:?} is not in {check:#}");
    assert_eq!(place.left_behind(), [""; 0], "{damage}");
}
