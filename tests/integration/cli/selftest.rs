//! Damages, injected through the binary: each makes the run fail for its own reason, and is named.

use comeback_engine::damage::DamageSpec;
use comeback_postgres::damages::TO_A_CLUSTER;
use serde_json::Value;

use crate::kit::place::{Place, text};
use crate::kit::require::{docker_is_here, local_is_here, named_is_here, redis_is_here};

/// The subject and key that the run says it damaged.
fn injury(report: &Value, damage: &DamageSpec) -> (String, Option<String>) {
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

/// Runs a self-test. All `damaged` drills must fail for the expected reason.
pub(super) fn every_one_is_caught(damaged: usize, intact: usize, args: &[&str]) {
    let place = Place::new();
    let fixed = ["selftest", "--substrate", "local", "--seed", "100", "--junit", "selftest.xml"];
    let output = place.run(&[&fixed, args].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", text(&output.stderr));
    assert!(
        told.contains(&format!("\n{damaged} of {damaged} damaged drills failed for the expected reason")),
        "{told}"
    );
    let junit = std::fs::read_to_string(place.work().join("selftest.xml")).unwrap();
    assert_eq!(junit.matches("<testcase ").count(), damaged + intact, "{junit}");
    assert_eq!(place.left_behind(), [""; 0]);
    assert!(!place.work().join("evidence").read_dir().unwrap().any(|_| true), "nothing went wrong");
}

/// One damage for each judge of a restored cluster. [`crate::postgres::damages`] shows that these judges see all the
/// other damages, [`crate::postgres::ledger`] that the judge of the ledger sees all damages to writes.
#[test]
fn each_judge_of_a_cluster_fails_the_drill_for_its_own_damage() {
    if local_is_here() {
        let one_for_each = ["row-gone", "index-gone", "index-entry-gone", "page-flipped", "log-warning"];
        let judges = one_for_each.map(|name| known(name).judge);
        assert!(TO_A_CLUSTER.iter().all(|damage| judges.contains(&damage.spec.judge)));
        let damages = one_for_each.into_iter().chain(["write-lost", "stale-backup", "backup-bit-flipped"]);
        let damages: Vec<_> =
            damages.chain(["base-file-changed"]).flat_map(|one| ["--damage", one]).collect();
        every_one_is_caught(9, 1, &[&["postgres/full-restore"], &damages[..]].concat());
    }
}

#[test]
fn every_damage_to_the_archive_and_to_an_export_is_caught() {
    if local_is_here() {
        let classes = ["--class", "archive", "--class", "export"];
        every_one_is_caught(
            5,
            2,
            &[&["postgres/point-in-time", "postgres/cross-region"], &classes[..]].concat(),
        );
    }
}

#[test]
fn every_damage_to_a_csv_export_is_caught() {
    if local_is_here() {
        let classes = ["csv", "backup", "choice"].into_iter().flat_map(|class| ["--class", class]);
        every_one_is_caught(8, 1, &["content/stories-csv"].into_iter().chain(classes).collect::<Vec<_>>());
    }
}

#[test]
fn every_damage_to_a_bucket_is_caught() {
    if local_is_here() {
        every_one_is_caught(7, 1, &["content/photo-version"]);
    }
}

#[test]
fn every_damage_to_a_failover_is_caught() {
    if named_is_here() {
        every_one_is_caught(7, 1, &["dns/failover"]);
    }
}

/// `make selftest` injects all of them; these are one for a step and one for a tier of the plan (a test of the engine has all
/// of them, for each step), and every broken link between stores, most of them in one drill.
#[test]
fn damages_to_the_whole_system_are_caught() {
    if local_is_here() && redis_is_here() && named_is_here() {
        let plan = ["step-fails", "tier-late"];
        let links =
            ["session-orphaned", "job-orphaned", "mail-orphaned", "photo-unstored", "vault-key-rotated"];
        let regions = ["address-in-row", "address-in-key", "database-address-old", "secret-rotated"];
        let replica = ["replica-object-gone", "replica-version-gone", "replica-object-other"];
        let damages = plan.into_iter().chain(links).chain(regions).chain(replica);
        let damages = damages.flat_map(|one| ["--damage", one]);
        every_one_is_caught(14, 1, &["dr/full-system"].into_iter().chain(damages).collect::<Vec<_>>());
    }
}

/// `make selftest` injects all of them; these are one for each store, and one for the old primary.
#[test]
fn damages_to_the_way_back_are_caught() {
    if local_is_here() && redis_is_here() && named_is_here() {
        let damages = ["old-primary-unfenced", "promoted-early", "replica-out-of-sync"];
        let damages = damages.into_iter().flat_map(|one| ["--damage", one]);
        every_one_is_caught(3, 1, &["dr/failback"].into_iter().chain(damages).collect::<Vec<_>>());
    }
}

#[test]
fn every_damage_to_a_snapshot_is_caught() {
    if redis_is_here() {
        every_one_is_caught(25, 1, &["redis/complete-loss"]);
    }
}

/// The first damages end the drill in the proof, before the step that replaces the content.
#[test]
fn a_bad_snapshot_never_replaces_what_a_corrupted_server_still_holds() {
    if redis_is_here() {
        let bad = ["backup-bit-flipped", "snapshot-empty", "snapshot-stale", "snapshot-truncated"];
        let damages = bad.into_iter().chain(["expiry-gone", "function-gone"]);
        let damages = damages.flat_map(|one| ["--damage", one]);
        every_one_is_caught(6, 1, &["redis/cache-corruption"].into_iter().chain(damages).collect::<Vec<_>>());
    }
}

#[test]
fn a_damage_that_could_not_be_tried_is_not_caught() {
    if !redis_is_here() {
        return;
    }
    let place = Place::new();
    std::fs::write(place.work().join("comeback.toml"), "[limits]\ndrill = \"1ms\"\n").unwrap();
    let args =
        ["selftest", "redis/complete-loss", "--substrate", "local", "--damage", "key-gone", "--jobs", "1"];
    let output = place.run(&args);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}{}", text(&output.stderr));
    assert!(told.contains("✗ could not run") && told.contains("waited 0.0 s for the drill to end"), "{told}");
    assert!(
        told.contains("0 of 1 damaged drill ") && told.contains("hint: comeback run redis/complete-loss"),
        "{told}"
    );
    // What went wrong can be looked at.
    let kept = place.work().join("evidence").read_dir().unwrap().next().unwrap().unwrap().path();
    let report = place.run(&["report", kept.join("01-key-gone").to_str().unwrap()]);
    assert_eq!(report.status.code(), Some(3), "{}", text(&report.stderr));

    for (args, wrong) in [
        (["selftest", "redis/complete-loss", "--class", "bucket"], "no scenario has such a damage"),
        (
            ["selftest", "redis/complete-loss", "--class", "buckets"],
            "there is no class of damages named `buckets`",
        ),
        (["selftest", "redis/nowhere", "--class", "bucket"], "there is no scenario `redis/nowhere`"),
    ] {
        let output = place.run(&args);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        assert!(text(&output.stderr).contains(wrong), "{}", text(&output.stderr));
    }
}

/// Through `run`, as a user does it: the reports say which damage was requested, and what it hit.
#[test]
fn a_damage_that_was_asked_for_is_told_and_named() {
    if local_is_here() {
        noticed_and_named("postgres/full-restore", &["byte-changed"]);
        noticed_and_named("content/stories-csv", &["sequence-back", "csv-nulls-emptied"]);
    }
}

#[tokio::test]
async fn damages_to_streams_are_caught_on_docker() {
    if docker_is_here().await {
        let place = Place::new();
        let args = ["selftest", "redis/complete-loss", "--substrate", "docker", "--seed", "100"];
        let damages = ["--damage", "stream-first-id-changed", "--damage", "delivery-time-changed"];
        let output = place.run(&[&args[..], &damages].concat());
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    }
}

fn known(name: &str) -> &'static DamageSpec {
    comeback_scenarios::damages().find(name).unwrap_or_else(|| panic!("there is no damage {name}"))
}

fn noticed_and_named(scenario: &str, damages: &[&str]) {
    for (seed, name) in (100_u64..).zip(damages.iter().copied()) {
        let place = Place::new();
        let seed = seed.to_string();
        let run = ["run", scenario, "--scale", "ci", "--substrate", "local", "--show-values"];
        let output = place.run(&[&run[..], &["--damage", name, "--seed", &seed]].concat());
        is_noticed_and_named(&place, known(name), &output);
    }
}

/// Checks a run with a damage: the judge for that damage, and no other reason, must have made it fail.
pub(super) fn is_noticed_and_named(place: &Place, damage: &DamageSpec, output: &std::process::Output) {
    assert_eq!(output.status.code(), Some(1), "{damage}: {}{}", text(&output.stdout), text(&output.stderr));
    let report = place.report();
    let asked = format!("damage {damage} was asked for");
    assert!(text(&output.stderr).lines().next().is_some_and(|line| line.contains(&asked)), "{damage}");
    assert!(
        std::fs::read_to_string(place.evidence().join("junit.xml")).unwrap().contains(&asked),
        "{damage}"
    );
    let (subject, key) = injury(&report, damage);
    let (judge, code) = (damage.judge, damage.finding.as_str());
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let check =
        checks.iter().find(|check| check["judge"] == judge).unwrap_or_else(|| panic!("{damage}: {report:#}"));
    if damage.name == "byte-changed" && judge == "fingerprint" {
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
