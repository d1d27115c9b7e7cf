//! Every drill on every substrate, through the binary. Each is run once; all assertions about it look at that run.

use std::collections::BTreeSet;
use std::process::Output;

use comeback_engine::substrate::SubstrateKind;
use serde_json::Value;

use super::{objects, secrets};
use crate::kit::leaks::{Learnt, watched_with};
use crate::kit::place::{Place, copy_program, text};
use crate::kit::require::{docker_is_here, is_root, local_is_here, named_is_here, redis_is_here};
use crate::kit::substrate_bench::left_behind;
use crate::redis::command_line;
use crate::{dns, dr};

/// A test for each scenario and substrate. [`Run::is_verified_and_gone`] looks at each; the braces hold what else a run
/// has to show.
macro_rules! drills {
    (|$run:ident| $($what:ident: $scenario:literal => $($substrate:ident $shows:block),+;)+) => {
        /// The scenarios of the table.
        const DRILLED: &[&str] = &[$($scenario),+];
        $(mod $what {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $substrate() {
                    let Some($run) = Run::of($scenario, stringify!($substrate)).await else { return };
                    $run.is_verified_and_gone();
                    $shows
                }
            )+
        })+
    };
}

drills! { |run|
    a_lost_server_comes_back: "postgres/full-restore" => local {}, docker {};
    // Containers are recovered to their targets in `postgres::pitr`.
    a_damaged_database_comes_back_as_it_was_before: "postgres/point-in-time" => local {};
    a_lost_region_comes_back: "postgres/cross-region" => local {}, docker {};
    a_lost_redis_server_comes_back: "redis/complete-loss" => local {}, docker {};
    a_corrupted_redis_server_gets_its_content_back: "redis/cache-corruption" =>
        local { Box::pin(command_line::a_restore_takes_its_steps_and_sees_what_it_sees(&run.report())).await; },
        docker {};
    deleted_stories_come_back: "content/stories-csv" => local {}, docker {};
    deleted_photos_come_back: "content/photo-version" =>
        local { objects::a_restore_takes_its_steps(&run.report()).await; },
        docker {};
    a_lost_store_of_secrets_comes_back: "secrets/restore" =>
        local { run.keeps_its_secrets(); secrets::an_import_takes_its_steps(&run.report()).await; },
        docker { run.keeps_its_secrets(); };
    an_application_moves_to_another_region_and_back: "dns/failover" =>
        local { dns::the_documented_ttl_counts(&run.report()); }, docker {};
    a_lost_region_comes_back_by_the_plan: "dr/full-system" =>
        local {
            dr::the_plan_is_timed_and_judged(&run.report());
            dr::clients_have_everything_back(&run.report());
            dr::the_stores_belong_together(&run.report());
            dr::own_rules_and_commands_count(&run.report());
        },
        docker {
            dr::clients_have_everything_back(&run.report());
            dr::own_rules_and_commands_count(&run.report());
        };
    the_service_moves_back_to_its_first_region: "dr/failback" =>
        local { dr::the_writes_moved_back_once(&run.report(), &run.place.evidence()); }, docker {};
}

/// A drill that has ended.
struct Run {
    scenario: &'static str,
    substrate: SubstrateKind,
    place: Place,
    output: Output,
    /// The secrets that it used; only drills of secrets are watched.
    learnt: Learnt,
}

impl Run {
    /// Runs a drill; nothing where this machine lacks what it needs.
    async fn of(scenario: &'static str, substrate: &str) -> Option<Self> {
        let kind = if substrate == "local" { SubstrateKind::Local } else { SubstrateKind::Docker };
        let store = scenario.split('/').next().unwrap();
        let is_here = match (kind, store) {
            (SubstrateKind::Docker, _) => docker_is_here().await,
            (SubstrateKind::Local, "dns") => named_is_here(),
            (SubstrateKind::Local, "dr") => local_is_here() && redis_is_here() && named_is_here(),
            (SubstrateKind::Local, "redis") => redis_is_here(),
            (SubstrateKind::Local, "secrets") => local_is_here() && redis_is_here(),
            (SubstrateKind::Local, _) => local_is_here(),
        };
        if !is_here {
            return None;
        }
        let place = Place::new();
        if scenario == "dr/full-system" {
            dr::write_settings(&place, dr::ACTIVATE, dr::RULES);
        }
        let args = ["run", scenario, "--scale", "ci", "--substrate", substrate];
        let mut command = place.comeback(&[&args[..], &["--junit", "junit.xml", "--seed", "11"]].concat());
        command.env("GITHUB_STEP_SUMMARY", place.work().join("summary.md"));
        if kind == SubstrateKind::Local {
            // A local drill needs no daemon, and says nothing of one.
            command.env("DOCKER_HOST", "unix:///nowhere/docker.sock");
        }
        let (output, learnt) = if store == "secrets" {
            watched_with(&place, command, Learnt::default())
        } else {
            (command.output().unwrap(), Learnt::default())
        };
        Some(Self { scenario, substrate: kind, place, output, learnt })
    }

    fn report(&self) -> Value {
        self.place.report()
    }

    /// Every run is verified, says in its reports on what data, and leaves nothing behind.
    fn is_verified_and_gone(&self) {
        let (place, output) = (&self.place, &self.output);
        let (told, complaint) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{told}{complaint}");
        assert_eq!(place.left_behind(), [""; 0]);
        let report = self.report();
        assert_eq!(
            (&report["verdict"], &report["run"]["seed"]),
            (&Value::from("verified"), &Value::from(11))
        );
        if self.substrate == SubstrateKind::Docker {
            let run_id = report["run"]["run_id"].as_str().unwrap();
            assert_eq!(left_behind(SubstrateKind::Docker, run_id), [""; 0]);
        } else {
            assert!(![&told, &complaint].iter().any(|said| said.contains("Docker")), "{told}{complaint}");
        }
        let summary = std::fs::read_to_string(place.work().join("summary.md")).unwrap();
        assert!(summary.contains(self.scenario), "{summary}");
        let evidence = place.evidence();
        says_what_it_ran_on(&report, &evidence, &told);
        assert_eq!(
            std::fs::read(place.work().join("junit.xml")).unwrap(),
            std::fs::read(evidence.join("junit.xml")).unwrap()
        );
        reports_are_made_again_from_the_journal_alone(place);
    }

    /// No secret that it worked with was told, left behind, or in the arguments of a process.
    fn keeps_its_secrets(&self) {
        self.learnt.assert_kept(secrets::LEARNT_IN_A_DRILL, &self.place, &self.output);
    }
}

/// An objective met on sample data says nothing about production, and every report says so.
fn says_what_it_ran_on(report: &Value, evidence: &std::path::Path, told: &str) {
    let bytes = report["drills"][0]["sample_bytes"].as_u64().unwrap();
    let on = format!("{} of sample data", comeback_reports::format::bytes(bytes));
    let in_time = format!("in time on {on}; production size not judged");
    assert_eq!(report["drills"][0]["objective"]["state"], "in_time_on_sample_data");
    assert_eq!(report["run"]["sample_runbook"], true);
    let sample = "built-in sample runbook";
    // A line may be wrapped anywhere.
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [format!("verified on {on}").as_str(), &in_time, sample] {
        assert!(told.contains(wanted), "{wanted}: {told}");
    }
    for name in ["junit.xml", "report.html", "summary.md"] {
        let text = std::fs::read_to_string(evidence.join(name)).unwrap();
        assert!(text.contains(&in_time) && text.contains(sample), "{name}: {text}");
    }
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
fn every_scenario_is_in_the_table() {
    let all: BTreeSet<_> = comeback_scenarios::all().iter().map(|scenario| scenario.spec().name).collect();
    assert_eq!(DRILLED.iter().copied().map(str::to_owned).collect::<BTreeSet<_>>(), all);
}

#[test]
fn a_lost_server_comes_back_for_an_ordinary_user() {
    use std::os::unix::fs::PermissionsExt as _;
    if !local_is_here() || !is_root() {
        // For an ordinary user, the table has shown it.
        return;
    }
    let place = Place::new();
    // Where the checkout is, an ordinary user may have no way in.
    let binary = place.work().join("comeback");
    copy_program(&binary);
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new("setpriv");
    place.settle(&mut command);
    let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", binary.to_str().unwrap()];
    let output = command
        .args(user)
        .args(["run", "postgres/full-restore", "--scale", "ci", "--substrate", "local", "--sample-runbook"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(place.left_behind(), [""; 0]);
}
