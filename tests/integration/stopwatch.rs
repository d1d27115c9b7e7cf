//! The time to recovery equals what an outside observer measures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{
    EventBody, JOURNAL_VERSION, Journal, PlannedDrill, Provenance, Record, RunKind, RunStarted,
};
use comeback_engine::runbook::Runbook;
use comeback_engine::runner::{Application, Applications, RunPlace, RunSettings, Scenario, run_drills};
use comeback_engine::substrate::Scratch;
use comeback_model::{Milestone, Verdict};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tokio_util::sync::CancellationToken;

use crate::kit::substrates;

/// Watches the application from outside, by its connections: from the moment when it lost its database to the moment
/// when it has one that answers a read and accepts a write. That moment lies between the start and the end of the
/// first probe that succeeds.
async fn watch_from_outside(application: Application<PgConnectOptions>) -> (Duration, Duration) {
    let mut switched = application.watch();
    switched.wait_for(Option::is_some).await.unwrap();
    switched.wait_for(Option::is_none).await.unwrap();
    let lost = Instant::now();
    let database = switched.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    let probed = lost.elapsed();
    let mut connection = database.connect().await.unwrap();
    sqlx::raw_sql("begin; select count(*) from roadtrip.users; insert into roadtrip.write_log (n, payload) values (-1, ''); rollback")
        .execute(&mut connection)
        .await
        .unwrap();
    let answered = lost.elapsed();
    connection.close().await.unwrap();
    (probed, answered)
}

fn started(scenario: &dyn Scenario) -> RunStarted {
    let spec = scenario.spec();
    RunStarted {
        journal_version: JOURNAL_VERSION,
        kind: RunKind::default(),
        run_id: "0badcafe".to_owned(),
        command_line: Vec::new(),
        seed: 1,
        scale: "ci".to_owned(),
        suite: None,
        damage: None,
        runbook: None,
        sample_runbook: false,
        durable: true,
        provenance: Provenance::default(),
        planned: vec![PlannedDrill {
            scenario: spec.name,
            title: spec.title,
            section: spec.section,
            substrate: "local".to_owned(),
            ..PlannedDrill::default()
        }],
    }
}

async fn drill(scenario: Arc<dyn Scenario>, applications: &Applications) -> Option<Record> {
    let substrate = substrates::local()?;
    let (scratch, folder) = (Scratch::create(false).unwrap(), tempfile::tempdir().unwrap());
    let journal = Journal::create(folder.path(), Vec::new(), Clock::machine()).unwrap();
    journal.append(EventBody::RunStarted(Box::new(started(&*scenario))));
    let (scratch, logs) = (scratch.path().to_owned(), folder.path().to_owned());
    let settings = RunSettings {
        place: RunPlace { substrate, room: None, scratch, logs },
        runbook: Some(Arc::new(Runbook::parse("runbook.md", comeback_fixtures::RUNBOOK))),
        seed: 1,
        scale: "ci".to_owned(),
        damages: Vec::new(),
        queries: Vec::new(),
        shows_values: false,
        jobs: 1,
        keep: false,
        applications: applications.clone(),
        plan: None,
        coherence: Vec::new(),
        settings_folder: std::path::PathBuf::new(),
    };
    run_drills(&[(0, scenario)], &settings, &journal, &CancellationToken::new()).await;
    journal.append(EventBody::RunEnded { interrupted: false });
    Some(journal.finish().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ttr_is_what_an_outside_stopwatch_shows() {
    // The others give the application no database, or start it from this program, which is another one here; their
    // milestones are set by the same code.
    let stores = ["redis/", "secrets/", "content/photo-version", "dns/", "dr/"];
    let of_databases =
        |scenario: &Arc<dyn Scenario>| !stores.iter().any(|store| scenario.spec().name.starts_with(store));
    for scenario in comeback_scenarios::all().into_iter().filter(of_databases) {
        let applications = Applications::default();
        let watched = applications.of();
        // A thread and a runtime of its own: what the drill computes must not hold the stopwatch up.
        let outside = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(watch_from_outside(watched))
        });
        let Some(record) = drill(scenario, &applications).await else { return };
        assert_eq!(record.verdict, Verdict::Verified, "{record:#?}");
        let (probed, answered) = outside.join().unwrap();
        let drill = &record.drills[0];
        let ttr = Duration::from_millis(drill.ttr_ms().unwrap());
        let allowed = (probed / 50).max(Duration::from_millis(50));
        assert!(
            probed <= ttr + allowed && ttr <= answered + allowed,
            "{}: the harness says {ttr:?}, the stopwatch {probed:?} to {answered:?}",
            drill.plan.scenario
        );
        assert!(drill.milestones_ms.contains_key(Milestone::Verified.label()));
    }
}
