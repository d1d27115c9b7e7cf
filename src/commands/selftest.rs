//! `comeback selftest`: checks that each judge notices the damages that it is there for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_engine::clock::{Clock, Stopwatch};
use comeback_engine::damage::{DamageSpec, Damages, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::evidence::{DrillRecord, RunStarted};
use comeback_engine::runbook::Runbook;
use comeback_engine::runner::{
    Applications, Ground, RunSettings, Scenario, Session, make_evidence_folder, run_drills,
};
use comeback_engine::substrate::{DockerSettings, RunIdentity};
use comeback_error::{Context as _, Error, Result};
use comeback_fixtures::Scale;
use comeback_model::{Plan, SelfTest, SelfTestCase, SelfTestOutcome, WantedFinding};
use comeback_reports::{format, self_test, self_test_junit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::junit::ensure_can_be_written;
use super::recovery::plan_for;
use super::report::{SHARED, write_whole};
use super::run::planned;
use super::selection::select;
use super::session::{announced, evidence_root, tell_swept};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{SelftestArgs, SubstrateArg};
use crate::config::Config;
use crate::output;
use crate::recovery_plan::sample_plan;

/// The most damages in one drill. With more of them, one is more likely to hide another, and all are tried again.
const MOST_TOGETHER: usize = 12;

/// A drill to run, with its damages.
#[derive(Clone)]
struct Case {
    scenario: Arc<dyn Scenario>,
    /// None for a drill that must pass; several if they can share a drill.
    damages: Vec<&'static DamageSpec>,
    seed: u64,
}

impl Case {
    /// The same drill with one of its damages.
    fn alone(&self, damage: &'static DamageSpec) -> Self {
        Self { damages: vec![damage], ..self.clone() }
    }
}

/// What all cases share. They use the sample runbook: the judges are tested, not a document.
struct Setting {
    ground: Ground,
    runbook: Arc<Runbook>,
    plan: Option<Arc<Plan>>,
    folder: PathBuf,
    cancel: CancellationToken,
}

pub(crate) async fn selftest(args: SelftestArgs, config: Config) -> Result<u8> {
    if let Some(junit) = &args.junit {
        ensure_can_be_written(junit, "--junit")?;
    }
    let seed = match args.seed {
        Some(seed) => seed,
        None => comeback_engine::secret::random_seed()?,
    };
    let cases = plan(&args, seed)?;
    let choice = args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into();
    let docker = DockerSettings { image: config.docker.image.clone() };
    let jobs =
        args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, std::num::NonZero::get);
    let cancel = cancel_on_signals("removing what was started", || "`comeback clean` removes it".to_owned())?;
    let scenarios: Vec<_> = cases.iter().map(|case| case.scenario.clone()).collect();
    let need = comeback_scenarios::need(&scenarios, Scale::Ci, jobs, false);
    let ground = Ground::prepare(choice, docker, need, tell_swept).await?;
    let evidence = evidence_root(args.evidence_dir.as_ref(), &config);
    let clock = Clock::machine();
    let folder = make_evidence_folder(&evidence, &RunIdentity::random(false)?, &clock)?;
    let runbook = Arc::new(Runbook::parse(super::SAMPLE_RUNBOOK, comeback_fixtures::RUNBOOK));
    let (watch, started_at) = (Stopwatch::start(), clock.now());
    let damages = cases.iter().map(|case| case.damages.len()).sum::<usize>();
    output::error_line(&format!(
        "selftest: {} in {} on sample data, seed {seed}",
        format::plural(damages as u64, "damage"),
        format::plural(cases.len() as u64, "drill")
    ));
    let plan = plan_for(&scenarios, &runbook, &sample_plan()?, &Config::default())?;
    let setting = Arc::new(Setting { ground, runbook, plan, folder: folder.clone(), cancel: cancel.clone() });
    let (tried, substrate) = try_all(&cases, &setting, jobs).await;
    // Empty if nothing went wrong.
    let is_kept = std::fs::remove_dir(&folder).is_err();
    let test = SelfTest { seed, substrate, started_at, cases: tried, elapsed_ms: watch.elapsed_ms() };
    if let Some(junit) = &args.junit {
        write_whole(junit, self_test_junit(&test)?.as_bytes(), SHARED)?;
    }
    output::text(&self_test(&test));
    if is_kept {
        output::text(&format!("evidence of what went wrong: {}\n", folder.display()));
    }
    Ok(if cancel.is_cancelled() { INTERRUPTED } else { test.verdict().exit_code() })
}

/// The drills without a damage first, then those with damages. Each row of a table is tried once, in the first scenario
/// that has it; those for any backup once per store, because each store has a restore of its own that must refuse them.
/// Damages that leave the rest of a drill as it is share one.
fn plan(args: &SelftestArgs, seed: u64) -> Result<Vec<Case>> {
    let scenarios = if args.scenarios.is_empty() {
        comeback_scenarios::all()
    } else {
        select(&args.scenarios, None, comeback_scenarios::all())?
    };
    let is_class = |table: &&dyn Damages| args.class.is_empty() || args.class.contains(&table.class());
    let is_wanted = |damage: &&DamageSpec| args.damage.is_empty() || args.damage.contains(damage);
    let (mut intact, mut damaged, mut tried) = (Vec::new(), Vec::new(), BTreeSet::new());
    for scenario in scenarios {
        let (before, mut together) = (damaged.len(), Vec::new());
        for table in scenario.spec().damages.into_iter().filter(is_class) {
            let row = |damage: &DamageSpec| {
                let store = is_for_any_store(table).then(|| store_of(&scenario));
                (std::ptr::from_ref(table).addr(), damage.name, store)
            };
            let new = table.specs().into_iter().filter(is_wanted).filter(|damage| tried.insert(row(damage)));
            let (shared, single): (Vec<_>, Vec<_>) = new.partition(|damage| table.shares(damage));
            together.extend(shared);
            damaged.extend(single.into_iter().map(|damage| case(&scenario, vec![damage])));
        }
        damaged.extend(together.chunks(MOST_TOGETHER).map(|chunk| case(&scenario, chunk.to_vec())));
        if damaged.len() > before {
            intact.push(case(&scenario, Vec::new()));
        }
    }
    if damaged.is_empty() {
        return Err(Error::usage("no scenario has such a damage")
            .hint("`comeback list --damages` shows the damages of each scenario"));
    }
    let cases = intact.into_iter().chain(damaged).zip(seed..);
    Ok(cases.map(|(case, seed)| Case { seed, ..case }).collect())
}

fn case(scenario: &Arc<dyn Scenario>, damages: Vec<&'static DamageSpec>) -> Case {
    Case { scenario: scenario.clone(), damages, seed: 0 }
}

fn is_for_any_store(table: &dyn Damages) -> bool {
    [TO_ANY_BACKUP.class, TO_THE_CHOICE.class].contains(&table.class())
}

/// The first part of a scenario's name: `postgres` of `postgres/full-restore`.
fn store_of(scenario: &Arc<dyn Scenario>) -> String {
    scenario.spec().name.split('/').next().unwrap_or_default().to_owned()
}

/// Runs the cases, at most `jobs` at a time. Returns the outcomes in order, and the substrate.
async fn try_all(cases: &[Case], setting: &Arc<Setting>, jobs: usize) -> (Vec<SelfTestCase>, String) {
    let mut tried: Vec<Vec<SelfTestCase>> = vec![Vec::new(); cases.len()];
    let mut substrate = "none".to_owned();
    let (mut waiting, mut running) = (cases.iter().cloned().enumerate(), JoinSet::new());
    loop {
        while running.len() < jobs && !setting.cancel.is_cancelled() {
            let Some((place, case)) = waiting.next() else { break };
            let setting = setting.clone();
            running.spawn(async move { (place, try_one(place, &case, &setting).await) });
        }
        let Some(ended) = running.join_next().await else { break };
        // A case that panicked stays untried, and is reported as such.
        let Ok((place, (outcomes, on))) = ended else { continue };
        let done = tried.iter().filter(|outcomes| !outcomes.is_empty()).count() + 1;
        for case in &outcomes {
            let damage = case.damage.as_ref().map_or("no damage", |wanted| wanted.damage.as_str());
            let (all, label) = (cases.len(), case.outcome.label());
            output::error_line(&format!("{done:>4} of {all}  {}  {damage}: {label}", case.scenario));
        }
        substrate = on.unwrap_or(substrate);
        tried[place] = outcomes;
    }
    let untried = |(case, tried): (&Case, Vec<SelfTestCase>)| match tried[..] {
        [] => told(case, &SelfTestOutcome::CouldNotRun("it was not tried".to_owned()), 0),
        _ => tried,
    };
    (cases.iter().zip(tried).flat_map(untried).collect(), substrate)
}

fn wanted(spec: &DamageSpec) -> WantedFinding {
    WantedFinding {
        damage: spec.name.to_owned(),
        does: spec.does.to_owned(),
        judge: spec.judge.to_owned(),
        finding: spec.finding,
    }
}

/// The same outcome for every damage of a case.
fn told(case: &Case, outcome: &SelfTestOutcome, elapsed_ms: u64) -> Vec<SelfTestCase> {
    let of = |damage: Option<&DamageSpec>| SelfTestCase {
        scenario: case.scenario.spec().name,
        damage: damage.map(wanted),
        seed: case.seed,
        outcome: outcome.clone(),
        elapsed_ms,
    };
    if case.damages.is_empty() {
        return vec![of(None)];
    }
    case.damages.iter().map(|damage| of(Some(damage))).collect()
}

/// Tries a case. A damage that was not caught beside others is tried again alone: another may have hidden it.
async fn try_one(place: usize, case: &Case, setting: &Setting) -> (Vec<SelfTestCase>, Option<String>) {
    let (mut outcomes, mut substrate) = try_once(place, case, setting).await;
    if case.damages.len() > 1 {
        for (damage, outcome) in case.damages.iter().zip(&mut outcomes) {
            if outcome.outcome == SelfTestOutcome::Caught || setting.cancel.is_cancelled() {
                continue;
            }
            let (again, on) = try_once(place, &case.alone(damage), setting).await;
            substrate = on.or(substrate);
            if let Some(again) = again.into_iter().next() {
                *outcome = again;
            }
        }
    }
    (outcomes, substrate)
}

/// A run of its own, of one drill. Its evidence is kept only if it went wrong.
async fn try_once(place: usize, case: &Case, setting: &Setting) -> (Vec<SelfTestCase>, Option<String>) {
    let watch = Stopwatch::start();
    let name = match case.damages[..] {
        [] => case.scenario.spec().name.replace('/', "-"),
        [one] => one.name.to_owned(),
        [..] => format!("{}-damages", case.damages.len()),
    };
    let folder = setting.folder.join(format!("{place:02}-{name}"));
    let mut substrate = None;
    let record = drill(case, setting, &folder, &mut substrate).await;
    let elapsed_ms = watch.elapsed_ms() / case.damages.len().max(1) as u64;
    let outcomes = match record {
        Ok(record) => outcomes(case, &record, elapsed_ms),
        Err(error) => told(case, &SelfTestOutcome::CouldNotRun(error.to_string()), elapsed_ms),
    };
    // What was not caught beside others is tried again, and keeps the evidence of that.
    if case.damages.len() > 1 || outcomes.iter().all(|one| one.outcome == SelfTestOutcome::Caught) {
        // A folder that cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&folder);
    }
    (outcomes, substrate)
}

/// The outcome of each damage of a drill, or of the drill if it has none.
fn outcomes(case: &Case, drill: &DrillRecord, elapsed_ms: u64) -> Vec<SelfTestCase> {
    let mut cases = told(case, &SelfTestOutcome::of(drill, None), elapsed_ms);
    let wanted: Vec<_> = case.damages.iter().map(|damage| wanted(damage)).collect();
    for (case, outcome) in cases.iter_mut().zip(SelfTestOutcome::of_several(drill, &wanted)) {
        case.outcome = outcome;
    }
    cases
}

async fn drill(
    case: &Case,
    setting: &Setting,
    folder: &Path,
    kind: &mut Option<String>,
) -> Result<DrillRecord> {
    std::fs::create_dir(folder).context("creating a folder for the evidence")?;
    let (identity, ground) = (RunIdentity::random(false)?, Some(setting.ground.clone()));
    let mut session = Session::begin(
        identity,
        folder.to_owned(),
        ground,
        setting.cancel.clone(),
        Vec::new(),
        Clock::machine(),
    )?;
    let run = RunStarted {
        seed: case.seed,
        scale: Scale::Ci.to_string(),
        damage: damage_names(case),
        runbook: Some(setting.runbook.file().to_owned()),
        sample_runbook: true,
        planned: planned(std::slice::from_ref(&case.scenario)),
        ..announced()
    };
    if let Some(place) = session.start_drills(run).await {
        *kind = Some(place.substrate.kind().to_string());
        let settings = RunSettings {
            place,
            runbook: Some(setting.runbook.clone()),
            seed: case.seed,
            scale: Scale::Ci.to_string(),
            damages: case.damages.clone(),
            queries: Vec::new(),
            shows_values: false,
            jobs: 1,
            keep: false,
            applications: Applications::default(),
            plan: setting.plan.clone(),
            coherence: Vec::new(),
            settings_folder: PathBuf::new(),
        };
        run_drills(&[(0, case.scenario.clone())], &settings, session.journal(), &setting.cancel).await;
    }
    let ended = session.end().await?;
    ended.torn_down?;
    let drill = ended.record.drills.into_iter().next();
    drill.ok_or_else(|| Error::could_not_verify("no drill was planned"))
}

fn damage_names(case: &Case) -> Option<String> {
    let names: Vec<_> = case.damages.iter().map(|damage| damage.name).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
