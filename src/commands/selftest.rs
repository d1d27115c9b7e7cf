//! `comeback selftest`: checks that each judge notices the damages that it is there for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_engine::clock::{Clock, Stopwatch};
use comeback_engine::damage::{DamageSpec, Damages, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::evidence::RunStarted;
use comeback_engine::runbook::Runbook;
use comeback_engine::runner::{
    Applications, Ground, RunSettings, Scenario, Session, make_evidence_folder, run_drills,
};
use comeback_engine::substrate::{DockerSettings, RunIdentity};
use comeback_error::{Context as _, Error, Result};
use comeback_fixtures::Scale;
use comeback_model::{SelfTest, SelfTestCase, SelfTestOutcome, WantedFinding};
use comeback_reports::{format, self_test, self_test_junit};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::junit::ensure_can_be_written;
use super::report::{SHARED, write_whole};
use super::run::{planned, select};
use super::session::{announced, evidence_root, tell_swept};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{SelftestArgs, SubstrateArg};
use crate::config::Config;
use crate::output;

/// A drill to run.
#[derive(Clone)]
struct Case {
    scenario: Arc<dyn Scenario>,
    damage: Option<&'static DamageSpec>,
    seed: u64,
}

/// What all cases share. They use the sample runbook: the judges are tested, not a document.
struct Setting {
    ground: Ground,
    runbook: Arc<Runbook>,
    folder: PathBuf,
    cancel: CancellationToken,
}

pub(crate) async fn selftest(args: SelftestArgs, config: Config) -> Result<u8> {
    if let Some(junit) = &args.junit {
        ensure_can_be_written(junit)?;
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
    output::error_line(&format!(
        "selftest: {} on sample data, seed {seed}",
        format::plural(cases.len() as u64, "drill")
    ));
    let setting = Arc::new(Setting { ground, runbook, folder: folder.clone(), cancel: cancel.clone() });
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

/// The drills without a damage first, then those with one. Each row of a table is tried once, in the first scenario that
/// has it; those for any backup once per store, because each store has a restore of its own that must refuse them.
fn plan(args: &SelftestArgs, seed: u64) -> Result<Vec<Case>> {
    let scenarios =
        if args.scenarios.is_empty() { comeback_scenarios::all() } else { select(&args.scenarios, None)? };
    let is_class = |table: &&dyn Damages| args.class.is_empty() || args.class.contains(&table.class());
    let is_wanted = |damage: &&DamageSpec| args.damage.is_empty() || args.damage.contains(damage);
    let (mut intact, mut damaged, mut tried) = (Vec::new(), Vec::new(), BTreeSet::new());
    for scenario in scenarios {
        let before = damaged.len();
        for table in scenario.spec().damages.into_iter().filter(is_class) {
            let row = |damage: &DamageSpec| {
                let store = is_for_any_store(table).then(|| store_of(&scenario));
                (std::ptr::from_ref(table).addr(), damage.name, store)
            };
            let new = table.specs().into_iter().filter(is_wanted).filter(|damage| tried.insert(row(damage)));
            let case = |damage| Case { scenario: scenario.clone(), damage: Some(damage), seed: 0 };
            damaged.extend(new.map(case));
        }
        if damaged.len() > before {
            intact.push(Case { scenario: scenario.clone(), damage: None, seed: 0 });
        }
    }
    if damaged.is_empty() {
        return Err(Error::usage("no scenario has such a damage")
            .hint("`comeback list --damages` shows the damages of each scenario"));
    }
    let cases = intact.into_iter().chain(damaged).zip(seed..);
    Ok(cases.map(|(case, seed)| Case { seed, ..case }).collect())
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
    let mut tried: Vec<Option<SelfTestCase>> = vec![None; cases.len()];
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
        let Ok((place, (case, on))) = ended else { continue };
        let done = tried.iter().flatten().count() + 1;
        let damage = case.damage.as_ref().map_or("no damage", |wanted| wanted.damage.as_str());
        output::error_line(&format!(
            "{done:>4} of {}  {}  {damage}: {}",
            cases.len(),
            case.scenario,
            case.outcome.label()
        ));
        substrate = on.unwrap_or(substrate);
        tried[place] = Some(case);
    }
    let untried = |(case, tried): (&Case, Option<SelfTestCase>)| {
        tried.unwrap_or_else(|| told(case, SelfTestOutcome::CouldNotRun("it was not tried".to_owned()), 0))
    };
    (cases.iter().zip(tried).map(untried).collect(), substrate)
}

fn wanted(spec: &DamageSpec) -> WantedFinding {
    WantedFinding {
        damage: spec.name.to_owned(),
        does: spec.does.to_owned(),
        judge: spec.judge.to_owned(),
        finding: spec.finding,
    }
}

fn told(case: &Case, outcome: SelfTestOutcome, elapsed_ms: u64) -> SelfTestCase {
    SelfTestCase {
        scenario: case.scenario.spec().name,
        damage: case.damage.map(wanted),
        seed: case.seed,
        outcome,
        elapsed_ms,
    }
}

/// A run of its own, of one drill. Its evidence is kept only if it went wrong.
async fn try_one(place: usize, case: &Case, setting: &Setting) -> (SelfTestCase, Option<String>) {
    let watch = Stopwatch::start();
    let name = case.damage.map_or(case.scenario.spec().name.replace('/', "-"), |one| one.name.to_owned());
    let folder = setting.folder.join(format!("{place:02}-{name}"));
    let mut substrate = None;
    let outcome = match drill(case, setting, &folder, &mut substrate).await {
        Ok(outcome) => outcome,
        Err(error) => SelfTestOutcome::CouldNotRun(error.to_string()),
    };
    if outcome == SelfTestOutcome::Caught {
        // A folder that cannot be removed does no harm.
        let _ = std::fs::remove_dir_all(&folder);
    }
    (told(case, outcome, watch.elapsed_ms()), substrate)
}

async fn drill(
    case: &Case,
    setting: &Setting,
    folder: &Path,
    kind: &mut Option<String>,
) -> Result<SelfTestOutcome> {
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
        damage: case.damage.map(ToString::to_string),
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
            damage: case.damage,
            queries: Vec::new(),
            shows_values: false,
            jobs: 1,
            keep: false,
            applications: Applications::default(),
        };
        run_drills(&[(0, case.scenario.clone())], &settings, session.journal(), &setting.cancel).await;
    }
    let ended = session.end().await?;
    ended.torn_down?;
    let drill = ended.record.drills.first().ok_or_else(|| Error::could_not_verify("no drill was planned"))?;
    Ok(SelfTestOutcome::of(drill, case.damage.map(wanted).as_ref()))
}
