//! `comeback run`: runs drills.

use std::path::PathBuf;
use std::sync::Arc;

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{PlannedDrill, Record, RunStarted};
use comeback_engine::runbook::{ObjectiveKind, Runbook};
use comeback_engine::runner::{
    Applications, Ended, Ground, RunSettings, Scenario, Session, Suite, make_evidence_folder, run_drills,
};
use comeback_engine::substrate::{DockerSettings, RunIdentity, SubstrateChoice};
use comeback_error::{Context as _, Error, ErrorKind, Result};
use comeback_fixtures::Scale;

use super::junit::ensure_can_be_written;
use super::recovery::{plan_for, plan_settings};
use super::report::{show, write_reports};
use super::selection::{all, select};
use super::session::{
    announced, evidence_root, keep_evidence, left_behind, sinks, tell_swept, with_problems,
};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{RunArgs, SubstrateArg};
use crate::config::Config;
use crate::output;

/// A planned run, with every input checked.
struct Plan {
    recovery: Option<Arc<comeback_model::Plan>>,
    scenarios: Vec<Arc<dyn Scenario>>,
    choice: SubstrateChoice,
    docker: DockerSettings,
    runbook: Option<Arc<Runbook>>,
    scale: Scale,
    seed: u64,
    evidence_root: PathBuf,
    jobs: usize,
}

pub(crate) async fn run(args: RunArgs, mut config: Config) -> Result<u8> {
    // What was verified before is looked for where this run leaves its evidence.
    config.evidence.dir = args.evidence.evidence_dir.clone().or(config.evidence.dir);
    let plan = plan(&args, &config)?;
    for warning in doubts(&plan) {
        output::problem("warning", &warning);
    }
    let identity = RunIdentity::random(args.keep)?;
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || left_behind(&run_id))?;
    let need = comeback_scenarios::need(&plan.scenarios, plan.scale, plan.jobs, args.keep);
    let ground = Ground::prepare(plan.choice, plan.docker.clone(), need, tell_swept).await?;
    let clock = Clock::machine();
    let folder = make_evidence_folder(&plan.evidence_root, &identity, &clock)?;
    let (sinks, junit) = sinks(&folder, args.evidence.junit.as_ref(), args.evidence.verbose);
    let mut session = Session::begin(identity, folder.clone(), Some(ground), cancel.clone(), sinks, clock)?;
    let run = RunStarted {
        seed: plan.seed,
        scale: plan.scale.to_string(),
        suite: args.suite.map(|suite| Suite::from(suite).to_string()),
        damage: args.damage.map(ToString::to_string),
        runbook: plan.runbook.as_ref().map(|runbook| runbook.file().to_owned()),
        sample_runbook: args.runbook.sample_runbook,
        planned: planned(&plan.scenarios),
        ..announced()
    };
    if let Some(place) = session.start_drills(run).await {
        let settings = RunSettings {
            place,
            runbook: plan.runbook,
            seed: plan.seed,
            scale: plan.scale.to_string(),
            damages: args.damage.into_iter().collect(),
            shows_values: args.show_values,
            queries: std::mem::take(&mut config.queries),
            jobs: plan.jobs,
            keep: args.keep,
            applications: Applications::default(),
            plan: plan.recovery,
            coherence: std::mem::take(&mut config.coherence),
            settings_folder: config.folder.clone(),
        };
        let scenarios: Vec<_> = plan.scenarios.into_iter().enumerate().collect();
        run_drills(&scenarios, &settings, session.journal(), &cancel).await;
    }
    let Ended { record, torn_down } = session.end().await?;
    let written =
        [torn_down, write_reports(&folder, &record), append_step_summary(&record), junit.last_written()];
    let problems = written.into_iter().chain([keep_evidence(&folder, &config).await]);
    show(&record, &folder);
    // Failures to clean up or to write reports do not change what the drills proved.
    let verdict = with_problems(record.verdict, problems);
    Ok(if cancel.is_cancelled() { INTERRUPTED } else { verdict.exit_code() })
}

/// The planned drills. The session fills in their substrate.
pub(super) fn planned(scenarios: &[Arc<dyn Scenario>]) -> Vec<PlannedDrill> {
    let planned = scenarios.iter().map(|scenario| {
        let spec = scenario.spec();
        PlannedDrill {
            scenario: spec.name,
            title: spec.title,
            section: spec.section,
            requires: spec.requires,
            ..PlannedDrill::default()
        }
    });
    planned.collect()
}

fn plan(args: &RunArgs, config: &Config) -> Result<Plan> {
    let suite = args.suite.map(Suite::from);
    let seed = match args.seed {
        Some(seed) => seed,
        None => comeback_engine::secret::random_seed()?,
    };
    let scenarios = select(&args.scenarios, suite, all(config, seed))?;
    if let Some(damage) = args.damage {
        let blind = scenarios
            .iter()
            .find(|scenario| !scenario.spec().damages.iter().any(|table| table.specs().contains(&damage)));
        if let Some(scenario) = blind {
            return Err(Error::usage(format!("{} has no damage {damage}", scenario.spec().name))
                .hint("`comeback list --damages` shows what each scenario's judges notice"));
        }
    }
    if let Some(junit) = &args.evidence.junit {
        ensure_can_be_written(junit, "--junit")?;
    }
    let runbook = super::load_runbook(&args.runbook, config)?;
    if runbook.is_none() && scenarios.iter().any(follows_a_section) {
        return Err(Error::usage(
            "no runbook was named: there is nothing to drill by, and no objective to judge by",
        )
        .hint("name yours with --runbook FILE, or as `runbook` under [service] in comeback.toml")
        .hint("to try Comeback without one, use --sample-runbook; the reports say so"));
    }
    if let Some(runbook) = &runbook {
        ensure_bound(&scenarios, runbook)?;
    }
    let recovery = match &runbook {
        Some(runbook) => {
            let settings = plan_settings(args.runbook.sample_runbook, config)?;
            plan_for(&scenarios, runbook, &settings, config)?
        }
        None => None,
    };
    Ok(Plan {
        recovery,
        scenarios,
        choice: args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into(),
        docker: DockerSettings { image: config.docker.image.clone() },
        runbook,
        scale: args.scale.unwrap_or_else(|| scale_of(suite, config)),
        seed,
        evidence_root: evidence_root(args.evidence.evidence_dir.as_ref(), config),
        jobs: args.jobs.or(config.run.jobs).map_or(1, std::num::NonZero::get),
    })
}

/// How much data a suite drills with, unless the command says.
fn scale_of(suite: Option<Suite>, config: &Config) -> Scale {
    let run = &config.run;
    match suite {
        Some(Suite::Quarterly) => run.quarterly_scale.or(run.scale).unwrap_or(Scale::Small),
        _ => run.scale.unwrap_or_default(),
    }
}

/// Whether a scenario follows a section of the runbook. The verification of a backup may follow none.
fn follows_a_section(scenario: &Arc<dyn Scenario>) -> bool {
    !scenario.spec().section.is_empty()
}

/// Refuses a runbook that lacks the section of a scenario: there is no procedure to drill.
fn ensure_bound(scenarios: &[Arc<dyn Scenario>], runbook: &Runbook) -> Result<()> {
    for scenario in scenarios.iter().filter(|scenario| follows_a_section(scenario)) {
        let spec = scenario.spec();
        runbook
            .section(&spec.section)
            .map_err(|error| error.context(&spec.name).into_kind(ErrorKind::Usage))?;
    }
    Ok(())
}

/// The objectives that cannot be read, or that are missing where one is needed. Each lets its drill end with *could
/// not verify* at best, so the user hears of it before the run.
fn doubts(plan: &Plan) -> Vec<Error> {
    let of_one = |scenario: &Arc<dyn Scenario>| {
        let (spec, runbook) = (scenario.spec(), plan.runbook.as_ref()?);
        let section = runbook.section(&spec.section).ok()?;
        let time = runbook.objective(section, ObjectiveKind::TimeToRecovery).err();
        let loss = runbook.documented(section, ObjectiveKind::RecoveryPoint).err();
        let doubt = |error: Error| error.context(format_args!("{} cannot be verified", spec.name));
        Some(time.into_iter().chain(loss).map(doubt).collect::<Vec<_>>())
    };
    plan.scenarios.iter().filter_map(of_one).flatten().collect()
}

/// Appends the summary to the file that GitHub shows.
fn append_step_summary(record: &Record) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let file = std::fs::File::options().append(true).create(true).open(&path);
    let mut file = file.context("opening $GITHUB_STEP_SUMMARY")?;
    let summary = comeback_reports::markdown(record);
    std::io::Write::write_all(&mut file, summary.as_bytes()).context("writing $GITHUB_STEP_SUMMARY")
}
