//! Whole drills through the binary: what they prove, what they notice, what they leave.

use comeback_harness::fault::Damage;
use serde_json::Value;

use super::{Place, docker_is_here, files_below, local_is_here, redis_is_here, text};

const RUN: [&str; 5] = ["run", "postgres/full-restore", "--scale", "ci", "--substrate"];
const RUN_POINT_IN_TIME: [&str; 5] = ["run", "postgres/point-in-time", "--scale", "ci", "--substrate"];
const RUN_CROSS_REGION: [&str; 5] = ["run", "postgres/cross-region", "--scale", "ci", "--substrate"];
const RUN_COMPLETE_LOSS: [&str; 5] = ["run", "redis/complete-loss", "--scale", "ci", "--substrate"];
const RUN_CACHE_CORRUPTION: [&str; 5] = ["run", "redis/cache-corruption", "--scale", "ci", "--substrate"];
const RUN_PHOTO_VERSION: [&str; 5] = ["run", "content/photo-version", "--scale", "ci", "--substrate"];
const RUN_STORIES_CSV: [&str; 5] = ["run", "content/stories-csv", "--scale", "ci", "--substrate"];

fn drill(place: &Place, substrate: &str, more: &[&str]) -> std::process::Output {
    place.run(&[&RUN[..], &[substrate], more].concat())
}

fn verified_and_gone(scenario: &[&str], substrate: &str) {
    let place = Place::new();
    let summary = place.work().join("summary.md");
    let mut command =
        place.comeback(&[scenario, &[substrate, "--junit", "junit.xml", "--seed", "11"]].concat());
    let output = command.env("GITHUB_STEP_SUMMARY", &summary).output().unwrap();
    is_verified_and_gone(&place, scenario[1], &output);
}

/// Looks at a run with the seed 11 whose summary went to `summary.md`.
pub(super) fn is_verified_and_gone(place: &Place, scenario: &str, output: &std::process::Output) {
    let summary = place.work().join("summary.md");
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
    let report = place.report();
    assert_eq!((&report["verdict"], &report["run"]["seed"]), (&Value::from("verified"), &Value::from(11)));
    assert!(std::fs::read_to_string(summary).unwrap().contains(scenario));
    let evidence = place.evidence();
    assert_eq!(
        std::fs::read(place.work().join("junit.xml")).unwrap(),
        std::fs::read(evidence.join("junit.xml")).unwrap()
    );
    reports_are_made_again_from_the_journal_alone(place);
}

fn reports_are_made_again_from_the_journal_alone(place: &Place) {
    let evidence = place.evidence();
    let copy = place.work().join("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(evidence.join("journal.jsonl"), copy.join("journal.jsonl")).unwrap();
    let output = place.run(&["report", "copy"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    for name in ["junit.xml", "report.json", "report.html", "summary.md"] {
        let (first, again) =
            (std::fs::read(evidence.join(name)).unwrap(), std::fs::read(copy.join(name)).unwrap());
        assert!(first == again, "{name} differs when it is made again");
    }
}

#[test]
fn a_lost_server_comes_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN, "local");
    }
}

#[test]
fn a_lost_region_comes_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_CROSS_REGION, "local");
    }
}

#[test]
fn a_lost_redis_server_comes_back_on_local() {
    if redis_is_here() {
        verified_and_gone(&RUN_COMPLETE_LOSS, "local");
    }
}

#[test]
fn a_corrupted_redis_server_gets_its_content_back_on_local() {
    if redis_is_here() {
        verified_and_gone(&RUN_CACHE_CORRUPTION, "local");
    }
}

#[test]
fn deleted_stories_come_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_STORIES_CSV, "local");
    }
}

#[test]
fn deleted_photos_come_back_on_local() {
    if local_is_here() {
        verified_and_gone(&RUN_PHOTO_VERSION, "local");
    }
}

#[tokio::test]
async fn deleted_photos_come_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_PHOTO_VERSION, "docker");
    }
}

#[tokio::test]
async fn deleted_stories_come_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_STORIES_CSV, "docker");
    }
}

#[tokio::test]
async fn a_lost_redis_server_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_COMPLETE_LOSS, "docker");
    }
}

#[tokio::test]
async fn a_corrupted_redis_server_gets_its_content_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_CACHE_CORRUPTION, "docker");
    }
}

#[tokio::test]
async fn a_lost_region_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN_CROSS_REGION, "docker");
    }
}

#[tokio::test]
async fn a_lost_server_comes_back_on_docker() {
    if docker_is_here().await {
        verified_and_gone(&RUN, "docker");
        let run = format!("label=dev.comeback.pid={}", std::process::id());
        let left =
            std::process::Command::new("docker").args(["ps", "-aq", "--filter", &run]).output().unwrap();
        assert_eq!(text(&left.stdout), "");
    }
}

#[test]
fn a_lost_server_comes_back_for_an_ordinary_user() {
    use std::os::unix::fs::PermissionsExt as _;
    let is_root = std::fs::read_to_string("/proc/self/status").unwrap().contains("\nUid:\t0\t");
    if !local_is_here() || !is_root {
        // Whoever is not root has just seen it, in the tests above.
        return;
    }
    let place = Place::new();
    // Where the checkout is, an ordinary user may have no way in.
    let binary = place.work().join("comeback");
    std::fs::copy(env!("CARGO_BIN_EXE_comeback"), &binary).unwrap();
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new("setpriv");
    place.settle(&mut command);
    let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", binary.to_str().unwrap()];
    let output = command.args(user).args(RUN).arg("local").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}

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
fn reason(damage: Damage) -> (&'static str, &'static str) {
    match damage {
        Damage::RowGone => ("fingerprint", "row-missing"),
        Damage::RowTwice => ("fingerprint", "row-duplicated"),
        Damage::ByteChanged | Damage::ValuesSwapped | Damage::OrphanRow => ("fingerprint", "row-changed"),
        Damage::TableGone => ("fingerprint", "table-missing"),
        Damage::IndexInvalid => ("catalogue", "index-invalid"),
        Damage::SequenceBack => ("catalogue", "sequence-behind"),
        Damage::IndexGone
        | Damage::ConstraintGone
        | Damage::TriggerGone
        | Damage::GrantGone
        | Damage::PolicyGone
        | Damage::LargeObjectGone => ("catalogue", "object-missing"),
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
        Damage::GroupGone | Damage::PendingGone => ("fingerprint", "stream-changed"),
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

#[test]
fn every_damage_to_a_cluster_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        noticed_and_named(&RUN, Damage::TO_A_CLUSTER);
    }
}

#[test]
fn every_damage_to_a_base_backup_and_to_writes_fails_for_its_own_reason_and_names_what_it_hit() {
    if local_is_here() {
        let groups =
            [Damage::TO_WRITES, Damage::TO_THE_CHOICE, Damage::TO_ANY_BACKUP, Damage::TO_A_BASE_BACKUP];
        noticed_and_named(&RUN, &groups.concat());
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
        // Damage to what was restored meets the same judges as above, but for the one of the definitions.
        noticed_and_named(
            &RUN_CROSS_REGION,
            &[
                Damage::StaleBackup,
                Damage::BackupBitFlipped,
                Damage::ExportTruncated,
                Damage::TableCut,
                Damage::RolesMissing,
                Damage::RowTwice,
                Damage::GrantGone,
                Damage::SequenceBack,
                Damage::LargeObjectGone,
            ],
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
        let output = place.run(&[scenario, &["local", "--damage", damage.name(), "--seed", &seed]].concat());
        is_noticed_and_named(&place, damage, &output);
    }
}

/// Looks at a run with a damage: the judge that the damage is for, and no other reason, must have made it fail.
pub(super) fn is_noticed_and_named(place: &Place, damage: Damage, output: &std::process::Output) {
    assert_eq!(output.status.code(), Some(1), "{damage}: {}{}", text(&output.stdout), text(&output.stderr));
    let report = place.report();
    let (subject, key) = injury(&report, damage);
    let (oracle, code) = reason(damage);
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["oracle"] == oracle)
        .unwrap_or_else(|| panic!("{damage}: {report:#}"));
    let named = check["findings"].as_array().unwrap().iter().any(|finding| {
        finding["code"] == code
            && finding["subject"].as_str().is_some_and(|named| named == subject || named.ends_with(&subject))
            && finding["key"].as_str().map(str::to_owned) == key
    });
    assert!(named, "{damage} of {subject} {key:?} is not in {check:#}");
    assert_eq!(place.left_behind(), [""; 0], "{damage}");
}

#[test]
fn a_missed_or_undocumented_objective_is_its_own_verdict() {
    if !local_is_here() {
        return;
    }
    for (line, code, verdict) in [
        ("**Time to Recovery**: 0.01 seconds", 4, "objective_missed"),
        ("It will not take long.", 3, "could_not_verify"),
    ] {
        let place = Place::new();
        let runbook = format!("# Runbook\n\n## PostgreSQL\n\n### Full restore\n\n{line}\n");
        std::fs::write(place.work().join("runbook.md"), runbook).unwrap();
        let output = drill(&place, "local", &["--runbook", "runbook.md"]);
        assert_eq!(output.status.code(), Some(code), "{line}: {}", text(&output.stdout));
        let report = place.report();
        let checks = report["drills"][0]["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["oracle"] == "time-objective").unwrap();
        assert_eq!(check["verdict"], verdict, "{check:#}");
        let others = checks.iter().filter(|check| check["oracle"] != "time-objective");
        assert!(
            others.clone().count() > 5 && others.clone().all(|check| check["verdict"] == "verified"),
            "{report:#}"
        );
    }
}

#[test]
fn a_question_of_the_user_is_asked() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let query = "[[postgres.query]]\nname = \"nobody drives alone\"\nsql = \"select count(*) from users\"\nexpect = \"== 0\"\n";
    std::fs::write(place.work().join("comeback.toml"), query).unwrap();
    let output = drill(&place, "local", &[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("nobody drives alone"), "{}", text(&output.stdout));
}

#[test]
fn kept_servers_stay_tell_how_to_connect_and_their_secret_is_nowhere() {
    if !local_is_here() {
        return;
    }
    let place = Place::new();
    let output = drill(&place, "local", &["--keep", "-v"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let told = text(&output.stdout);
    let hint = told
        .lines()
        .find_map(|line| line.split_once("kept restored: "))
        .unwrap_or_else(|| panic!("{told}"))
        .1;
    // A long line is wrapped for the terminal; the evidence has it whole.
    let report = place.report().to_string();
    let whole = report.split("kept restored: ").nth(1).unwrap().split('"').next().unwrap();
    assert!(whole.starts_with(hint.trim_end()), "{whole} does not begin with {hint}");
    let query = format!("{whole} -d roadtrip -Atc 'select count(*) > 0 from roadtrip.users'");
    let answer = std::process::Command::new("sh").args(["-c", &query]).output().unwrap();
    assert_eq!(text(&answer.stdout), "t\n", "{query}: {}", text(&answer.stderr));

    let passfile = whole.strip_prefix("PGPASSFILE=").unwrap().split(' ').next().unwrap();
    let password = std::fs::read_to_string(passfile).unwrap();
    let password = password.trim().rsplit(':').next().unwrap();
    assert_eq!(password.len(), 48, "this is no password of ours");
    for file in files_below(&place.evidence()) {
        assert!(
            !text(&std::fs::read(&file).unwrap()).contains(password),
            "the password is in {}",
            file.display()
        );
    }
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        assert!(
            !text(&arguments).contains(password),
            "the password is in the arguments of {}",
            text(&arguments)
        );
    }
    assert!(!told.contains(password) && !text(&output.stderr).contains(password));

    assert_eq!(place.run(&["clean"]).status.code(), Some(0));
    assert_ne!(place.left_behind(), [""; 0], "clean without --kept removed what was kept");
    let output = place.run(&["clean", "--kept"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}
