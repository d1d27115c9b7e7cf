//! The drill of the whole system: its plan in the report, and plans that it cannot carry out.

use std::path::Path;

use comeback_model::WriteTry;
use serde_json::Value;

use crate::kit::place::{Place, text};
use crate::kit::require::{local_is_here, named_is_here, redis_is_here};

/// Asked of the report of a drill that [`crate::cli::drills`] ran.
pub(crate) fn clients_have_everything_back(report: &Value) {
    let clients = &report["drills"][0]["clients"];
    let names = ["sign-in", "bookings", "stories", "sessions", "API keys", "photos"];
    served(clients, &names);
    let writes = &clients["writes"];
    assert!(writes["before_backup"].as_u64() > Some(0) && writes["missing"] == 0, "{clients:#}");
    assert!(writes["lost"].as_u64() <= writes["after_backup"].as_u64(), "{clients:#}");
}

/// Every service was away, is back, and gave right answers alone.
fn served(clients: &Value, names: &[&str]) {
    let services = clients["services"].as_array().unwrap();
    let known: Vec<_> = services.iter().map(|service| service["name"].as_str().unwrap()).collect();
    assert_eq!(known, names);
    for service in services {
        assert!(service["first_error_ms"].as_u64() < service["back_ms"].as_u64(), "{service:#}");
        assert!(service["errors"].as_u64() > Some(0) && service["right"].as_u64() > Some(0), "{service:#}");
        assert!(service["wrong"] == 0 && service["tier"].is_string(), "{service:#}");
    }
}

#[test]
fn redis_can_begin_empty_and_what_that_loses_is_told() {
    if !(local_is_here() && redis_is_here() && named_is_here()) {
        return;
    }
    let place = Place::new();
    std::fs::write(place.work().join("runbook.md"), comeback_fixtures::RUNBOOK).unwrap();
    let settings = comeback_fixtures::PLAN.replace("redis/complete-loss", "redis/empty");
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
    let run = ["run", "dr/full-system", "--runbook", "runbook.md", "--substrate", "local"];
    let output = place.as_it_is(&run).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
    let drill = &place.report()["drills"][0];
    served(&drill["clients"], &["sign-in", "bookings", "stories", "API keys", "photos"]);
    let notes: Vec<_> = drill["steps"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|step| step["notes"].as_array().unwrap())
        .collect();
    let told = |what: &str| notes.iter().any(|note| note.as_str().unwrap().contains(what));
    assert!(
        told("keys session:*; their users sign in again") && told("keys queue:*; their jobs"),
        "{notes:#?}"
    );
    let judges: Vec<_> =
        drill["checks"].as_array().unwrap().iter().map(|check| check["judge"].as_str().unwrap()).collect();
    assert!(judges.contains(&"redis-coherence") && !judges.contains(&"redis-fingerprint"), "{judges:?}");
    assert_eq!(place.left_behind(), [""; 0]);
}

/// A step that is a command of the user, with a proof. The second process must not outlive it.
pub(crate) const ACTIVATE: &str = r#"
command = ["sh", "-c", "echo \"$COMEBACK_STEP: declared\" > \"$COMEBACK_OUTPUT/log\"; sleep 1000 & cat \"$COMEBACK_OUTPUT/log\""]
proves = ["sh", "-c", "test -z \"$DATABASE_URL\" && grep declared \"$COMEBACK_OUTPUT/log\""]
"#;

/// Rules of the user that hold.
pub(crate) const RULES: &str = r#"
[[coherence]]
name = "Sessions have users"
naming = { redis = { keys = "session:*", field = "user" } }
there = { postgres = "select id::text from roadtrip.users" }
repair = "drop the session"

[[coherence]]
name = "stories have authors"
naming = { postgres = "select author_id, 'story ' || id from roadtrip.stories;" }
there = { postgres = """
select id from roadtrip.users -- everybody
""" }
repair = "give the story to an editor"

[[coherence]]
name = "commands see both stores"
naming = { command = ["sh", "-c", "case $DATABASE_URL in postgres://*:*@*) echo 1;; esac; case $REDIS_URL in *://*) printf '2\\tRedis\\n';; esac"] }
there = { postgres = "select * from (values (1), (2)) as numbers (n)" }
repair = "none"

[[coherence]]
name = "photos are in the bucket"
naming = { postgres = "select object_key, id from roadtrip.photos" }
there = { objects = { prefix = "" } }
repair = "fetch the photo"

[[coherence]]
name = "session names"
naming = { redis = { keys = "session:*" } }
there = { redis = { keys = "session:*" } }
repair = "none"
"#;

/// The sample plan with a command for its first step, and rules.
pub(crate) fn write_settings(place: &Place, activate: &str, rules: &str) {
    let activate = format!("[[plan.step]]\nname = \"Activate\"\n{activate}");
    let settings = format!("{activate}\n{}\n{rules}", comeback_fixtures::PLAN);
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
}

/// The check of a rule of the user.
fn check<'a>(report: &'a Value, rule: &str) -> &'a Value {
    let checks = report["drills"][0]["checks"].as_array().unwrap();
    let name = format!("{rule}-coherence");
    checks.iter().find(|check| check["judge"] == name).unwrap_or_else(|| panic!("{name}: {checks:#?}"))
}

/// Asked of the report of a drill that [`crate::cli::drills`] ran.
pub(crate) fn own_rules_and_commands_count(report: &Value) {
    for (rule, looked_at) in [
        ("sessions-have-users", "looked at "),
        ("stories-have-authors", "looked at "),
        ("commands-see-both-stores", "looked at 2 of one store and 2 of the other"),
        ("session-names", "looked at "),
        ("photos-are-in-the-bucket", "looked at 816 of one store and 765 of the other"),
    ] {
        let check = check(report, rule);
        assert_eq!(check["verdict"], "verified", "{check:#}");
        assert!(check["summary"].as_str().unwrap().contains(looked_at), "{check:#}");
    }
    let drill = report["drills"][0].to_string();
    for said in [
        "the command \\\"sh\\\" ended with exit status 0",
        "Activate: declared",
        "it left processes running, which were ended",
        "the proof \\\"sh\\\" ended with exit status 0",
        "only its own commands say that it is done: one carried it out, one proved it",
    ] {
        assert!(drill.contains(said), "{said}: {:#}", report["drills"][0]["steps"]);
    }
    assert!(!drill.contains("postgres://postgres:"), "an address with a password is in the report");
}

fn run_full_system(place: &Place, more: &[&str]) -> (Option<i32>, Value) {
    let run = ["run", "dr/full-system", "--sample-runbook", "--substrate", "local", "--seed", "11"];
    let output = place.as_it_is(&[&run[..], more].concat()).output().unwrap();
    assert_eq!(place.left_behind(), [""; 0], "{}", text(&output.stderr));
    (output.status.code(), place.report())
}

#[test]
fn a_rule_that_is_broken_and_one_that_cannot_be_asked_are_told_apart() {
    if !(local_is_here() && redis_is_here() && named_is_here()) {
        return;
    }
    let place = Place::new();
    let unanswered = r#"
[[coherence]]
name = "no such table"
naming = { postgres = "select id from roadtrip.nothing" }
there = { postgres = "select 1" }
repair = "none"

[[coherence]]
name = "a command that fails"
naming = { command = ["sh", "-c", "echo \"no answer from $DATABASE_URL\" >&2; exit 7"] }
there = { postgres = "select 1" }
repair = "none"

[[coherence]]
name = "nothing to ask"
naming = { redis = { keys = "no-such-key:*" } }
there = { postgres = "select 1" }
repair = "none"
"#;
    write_settings(&place, "", &format!("{RULES}{unanswered}"));
    let (code, report) = run_full_system(&place, &["--damage", "session-orphaned"]);
    assert_eq!(code, Some(1), "{report:#}");
    let broken = check(&report, "sessions-have-users");
    assert_eq!(
        (&broken["verdict"], broken["findings"].as_array().unwrap().len()),
        (&Value::from("failed"), 1)
    );
    assert_eq!(broken["findings"][0]["code"], "reference-broken");
    assert_eq!(broken["findings"][0]["remedy"], "drop the session");
    assert_eq!(check(&report, "stories-have-authors")["verdict"], "verified");
    for (rule, why) in [
        ("no-such-table", "no such table: reading what names something: asking database"),
        ("a-command-that-fails", "the command \"sh\" failed: exit status 7"),
        ("nothing-to-ask", "there is nothing that could name anything"),
    ] {
        let check = check(&report, rule);
        assert_eq!(check["verdict"], "could_not_verify", "{check:#}");
        assert!(check["summary"].as_str().unwrap().contains(why), "{check:#}");
    }
    let hint = check(&report, "a-command-that-fails")["hints"][0].as_str().unwrap();
    assert!(hint.starts_with("no answer from postgres://postgres:[redacted]@"), "{hint}");
}

#[test]
fn a_step_whose_command_or_proof_fails_blocks_what_needs_it() {
    if !(local_is_here() && redis_is_here() && named_is_here()) {
        return;
    }
    let place = Place::new();
    let plan = comeback_fixtures::PLAN
        .replace("procedure = \"postgres/cross-region\"", "command = [\"true\"]\nproves = [\"false\"]")
        .replace(
            "procedure = \"redis/complete-loss\"",
            "command = [\"sh\", \"-c\", \"echo no quorum >&2; exit 7\"]",
        );
    std::fs::write(place.work().join("comeback.toml"), plan).unwrap();
    let (code, report) = run_full_system(&place, &[]);
    assert_eq!(code, Some(1), "{report:#}");
    let steps = report["drills"][0]["recovery"]["steps"].as_array().unwrap();
    let told: Vec<_> =
        steps.iter().map(|step| (&step["verdict"], step["reason"].as_str().unwrap())).collect();
    assert_eq!(told[1], (&Value::from("failed"), "its proof says: failed"));
    assert_eq!(told[2], (&Value::from("failed"), "its command \"sh\" ended with exit status 7"));
    assert!(told[3..].iter().all(|(verdict, _)| *verdict == "skipped"), "{told:#?}");
    assert!(report.to_string().contains("  no quorum"), "its last lines are in the notes");
}

/// Asked of the report of a drill that [`crate::cli::drills`] ran.
pub(crate) fn the_plan_is_timed_and_judged(report: &Value) {
    let recovery = &report["drills"][0]["recovery"];
    let steps = recovery["steps"].as_array().unwrap();
    let names: Vec<_> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Activate", "Database", "Redis", "Application", "DNS", "Verification"]);
    let time = |at: usize, which: &str| steps[at][which].as_u64().unwrap();
    for (at, step) in steps.iter().enumerate() {
        assert_eq!((&step["verdict"], &step["reason"]), (&Value::from("verified"), &Value::from("")));
        for need in step["needs"].as_array().unwrap() {
            let need = names.iter().position(|name| need == name).unwrap();
            assert!(time(need, "ended_ms") <= time(at, "started_ms"), "{recovery:#}");
        }
    }
    // Database and Redis run side by side: neither waits for the other.
    let (database, redis) = (1, 2);
    assert!(time(redis, "started_ms") < time(database, "ended_ms"), "{recovery:#}");
    assert!(time(database, "started_ms") < time(redis, "ended_ms"), "{recovery:#}");
    // The TTL that the runbook states counts, whatever was waited for.
    let dns = 4;
    let counted = time(dns, "ended_ms") - time(dns, "started_ms") + time(dns, "shortened_ms");
    assert!(counted >= 300_000, "{recovery:#}");
    assert!(recovery["recovered_ms"].as_u64().unwrap() >= 300_000);
    for tier in recovery["tiers"].as_array().unwrap() {
        assert_eq!(tier["verdict"], "verified", "{tier}");
        assert!(tier["served_ms"].as_u64().is_some());
    }
}

/// Asked of the report and the evidence of a drill that [`crate::cli::drills`] ran.
pub(crate) fn the_writes_moved_back_once(report: &Value, evidence: &Path) {
    let drill = &report["drills"][0];
    let checks = drill["checks"].as_array().unwrap();
    let summary = |judge: &str| {
        let check = checks.iter().find(|check| check["judge"] == judge);
        check.unwrap_or_else(|| panic!("{judge}: {drill:#}"))["summary"].as_str().unwrap()
    };
    // The old primary was there, and its fence is what refused the application.
    let turns = summary("exclusive-writes");
    assert!(turns.contains("database-a-old refused") && turns.contains("pg_hba.conf"), "{turns}");
    assert!(summary("redis-exclusive-writes").starts_with("cache-b accepted "));
    assert!(summary("orphaned-writes").ends_with("the rebuilt server has none"));
    let list =
        std::fs::read_to_string(evidence.join("logs/dr/failback/writes-to-merge-by-hand.txt")).unwrap();
    assert!(list.lines().count() > 0 && list.lines().all(|line| line.starts_with("txn=")), "{list}");
    for tries in ["tries-databases.json", "tries-caches.json"] {
        let text = std::fs::read(evidence.join("logs/dr/failback").join(tries)).unwrap();
        assert!(!serde_json::from_slice::<Vec<WriteTry>>(&text).unwrap().is_empty());
    }
    assert_eq!(drill["loss"]["lost_writes"], 0, "{drill:#}");
}

/// Asked of the same report: every link between the stores was looked at, and there is nothing to repair.
pub(crate) fn the_stores_belong_together(report: &Value) {
    let drill = &report["drills"][0];
    let checks = drill["checks"].as_array().unwrap();
    let summary = |judge: &str| {
        let check = checks.iter().find(|check| check["judge"] == judge).unwrap_or_else(|| panic!("{judge}"));
        check["summary"].as_str().unwrap()
    };
    for store in ["export of secrets ", ", inventory ", ", dump ", ", snapshot "] {
        let (_, points) = summary("recovery-points").split_once("after the oldest: ").unwrap();
        assert!(format!(", {points}").contains(store), "{store}: {drill:#}");
    }
    assert!(summary("photos").contains("compared 816 rows with 816 versions of 765 objects"), "{drill:#}");
    assert!(summary("photos").ends_with("no row names 0 of the objects"), "{drill:#}");
    assert!(summary("vault").ends_with("on all 34 rows of vault.api_keys"), "{drill:#}");
    for searched in [
        "5 addresses",
        " tables of PostgreSQL, ",
        " keys of 4 databases",
        "values of secrets",
        "configuration",
    ] {
        assert!(summary("lost-region").contains(searched), "{searched}: {drill:#}");
    }
    for judge in ["coherence", "jobs-coherence", "mails-coherence"] {
        assert!(summary(judge).contains(": looked at "), "{drill:#}");
    }
    assert!(summary("served").contains("a booking of before the disaster and a published story and a photo"));
    assert_eq!(drill["repairs"], Value::Array(Vec::new()));
}

/// The application starts without a bucket, and gets it from the step that comes later.
#[test]
fn photos_can_be_a_step_of_their_own() {
    if !(local_is_here() && redis_is_here() && named_is_here()) {
        return;
    }
    let place = Place::new();
    let mut runbook = comeback_fixtures::RUNBOOK.to_owned();
    for (before, after) in [
        ("| 5 DNS |", "| 5 Photos | platform on-call | 10 min |\n| 6 DNS |"),
        ("| 6 Verification |", "| 7 Verification |"),
        ("### Step 6:", "### Step 7:"),
        ("### Step 5:", "### Step 6:"),
    ] {
        assert!(runbook.contains(before), "{before}");
        runbook = runbook.replace(before, after);
    }
    std::fs::write(place.work().join("runbook.md"), runbook).unwrap();
    let photos = "\n[[plan.step]]\nname = \"Photos\"\nprocedure = \"content/photo-version\"\n";
    let settings = format!("{}{photos}", comeback_fixtures::PLAN);
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
    let output = place.run(&["run", "dr/full-system", "--runbook", "runbook.md", "--substrate", "local"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let report = place.report();
    let steps = report["drills"][0]["recovery"]["steps"].as_array().unwrap();
    let photos = steps.iter().find(|step| step["name"] == "Photos").unwrap();
    assert_eq!((&photos["verdict"], &photos["needs"][0]), (&"verified".into(), &"Application".into()));
    the_stores_belong_together(&report);
    assert_eq!(place.left_behind(), [""; 0]);
}

#[test]
fn a_plan_with_a_step_that_nobody_knows_is_refused_before_anything_starts() {
    let place = Place::new();
    let runbook = comeback_fixtures::RUNBOOK.replace("| 3 Redis |", "| 3 Stage three |");
    std::fs::write(place.work().join("runbook.md"), &runbook).unwrap();
    let run = ["run", "dr/full-system", "--runbook", "runbook.md", "--substrate", "local"];
    let output = place.as_it_is(&run).output().unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(
        complaint.starts_with(
            "error: dr/full-system: nothing says what the step \"Stage three\" of the plan does\n\
             hint: name its `procedure` in its [[plan.step]]: postgres/cross-region,"
        ),
        "{complaint}"
    );
    assert!(!place.work().join("evidence").exists(), "nothing was started");
    // Said in the settings, it is known.
    let settings = "[[plan.step]]\nname = \"Stage three\"\nprocedure = \"content/stories-csv\"\n";
    std::fs::write(place.work().join("comeback.toml"), settings).unwrap();
    let output = place.as_it_is(&run).output().unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    // A tier that no declared step restores is wrong as well, and told before.
    assert!(complaint.contains("no step restores the tier \"Critical\""), "{complaint}");
}
