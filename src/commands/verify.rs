//! `comeback verify`: restores a backup of the user on a throw-away server, and judges what came back.

use std::sync::Arc;

use comeback_engine::artefact::{ArtefactKind, LocalPlace, Place, Verification, VerifyOptions, recognise};
use comeback_engine::clock::Clock;
use comeback_engine::evidence::{RunKind, RunStarted};
use comeback_engine::runner::{
    Applications, Ended, Ground, RunSettings, Scenario, Session, make_evidence_folder, run_drills,
};
use comeback_engine::substrate::{DockerSettings, Need, RunIdentity};
use comeback_error::Result;
use comeback_model::Statement;

use super::junit::ensure_can_be_written;
use super::report::{show, write_reports};
use super::run::planned;
use super::session::{announced, evidence_root, left_behind, sinks, tell_swept, with_problems};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{SubstrateArg, VerifyArgs};
use crate::config::Config;

/// What must be shown if the user does not say.
const REQUIRED: [Statement; 2] = [Statement::Restored, Statement::Sound];

pub(crate) async fn verify(args: VerifyArgs, config: Config) -> Result<u8> {
    if let Some(junit) = &args.evidence.junit {
        ensure_can_be_written(junit)?;
    }
    let seed = match args.seed {
        Some(seed) => seed,
        None => comeback_engine::secret::random_seed()?,
    };
    let options = Arc::new(options(&args, &config, seed));
    let place: Arc<dyn Place> = Arc::new(LocalPlace::new(&args.source));
    let artefact = recognise(&kinds(), place, &options).await?;
    let summary = artefact.summary();
    let verification = Verification {
        name: format!("verify/{}", short_name(&args.source)),
        title: summary.source,
        section: String::new(),
        suites: Vec::new(),
        requires: if args.require.is_empty() { REQUIRED.to_vec() } else { args.require.clone() },
        artefact: Ok(artefact),
    };
    run(Arc::new(verification), &args, &config, seed).await
}

/// Every kind of backup that this binary knows.
fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    comeback_postgres::artefacts::kinds()
}

fn options(args: &VerifyArgs, config: &Config, seed: u64) -> VerifyOptions {
    VerifyOptions {
        kind: args.kind.clone(),
        select: args.select.clone(),
        target: args.at.clone(),
        stanza: args.stanza.clone(),
        log: args.log.clone(),
        globals: args.globals.clone(),
        create_missing: args.create_missing.iter().copied().map(Into::into).collect(),
        decryptor: None,
        queries: config.queries.clone(),
        jobs: args
            .jobs
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, std::num::NonZero::get),
        uncontained: false,
        seed,
    }
}

/// The last part of a path or URL.
fn short_name(source: &str) -> &str {
    source.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(source)
}

async fn run(verification: Arc<dyn Scenario>, args: &VerifyArgs, config: &Config, seed: u64) -> Result<u8> {
    let identity = RunIdentity::random(args.keep)?;
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || left_behind(&run_id))?;
    let choice = args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into();
    let docker = DockerSettings { image: config.docker.image.clone() };
    let ground = Ground::prepare(choice, docker, Need::default(), tell_swept).await?;
    let clock = Clock::machine();
    let root = evidence_root(args.evidence.evidence_dir.as_ref(), config);
    let folder = make_evidence_folder(&root, &identity, &clock)?;
    let (sinks, junit) = sinks(&folder, args.evidence.junit.as_ref(), args.evidence.verbose);
    let mut session = Session::begin(identity, folder.clone(), Some(ground), cancel.clone(), sinks, clock)?;
    let scenarios = [verification];
    let run = RunStarted { kind: RunKind::Verification, seed, planned: planned(&scenarios), ..announced() };
    if let Some(place) = session.start_drills(run).await {
        let settings = RunSettings {
            place,
            runbook: None,
            seed,
            scale: String::new(),
            damage: None,
            shows_values: false,
            queries: Vec::new(),
            jobs: 1,
            keep: args.keep,
            applications: Applications::default(),
        };
        let scenarios: Vec<_> = scenarios.into_iter().enumerate().collect();
        run_drills(&scenarios, &settings, session.journal(), &cancel).await;
    }
    let Ended { record, torn_down } = session.end().await?;
    let problems = [torn_down, write_reports(&folder, &record), junit.last_written()];
    show(&record, &folder);
    let verdict = with_problems(record.verdict, problems);
    Ok(if cancel.is_cancelled() { INTERRUPTED } else { verdict.exit_code() })
}
