//! `comeback run`: drills, and everything around them.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_fixtures::Scale;
use comeback_harness::damage::DamageSpec;
use comeback_harness::evidence::{EventBody, JOURNAL_VERSION, Journal, PlannedDrill, Record, RunStarted};
use comeback_harness::model::Verdict;
use comeback_harness::runbook::{ObjectiveKind, Runbook};
use comeback_harness::runner::{Applications, RunSettings, Scenario, Suite, run_drills, tear_down};
use comeback_harness::substrate::{
    DockerSettings, Need, Room, RunIdentity, Scratch, Substrate, SubstrateChoice, SweepOptions, kind_of,
    open, run_folder, sweep,
};
use comeback_harness::{Context as _, Error, ErrorKind, Result, clock};
use tokio_util::sync::CancellationToken;

use super::junit::{JunitFiles, ensure_can_be_written};
use super::report::{PRIVATE, SHARED, show, write_reports};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{RunArgs, SubstrateArg};
use crate::config::Config;
use crate::suggest::closest;
use crate::{output, progress, provenance};

/// What a run is going to do, with every input checked.
struct Plan {
    scenarios: Vec<Arc<dyn Scenario>>,
    choice: SubstrateChoice,
    docker: DockerSettings,
    runbook: Arc<Runbook>,
    scale: Scale,
    seed: u64,
    evidence_root: PathBuf,
    jobs: usize,
}

pub(crate) async fn run(args: RunArgs, config: Config) -> Result<u8> {
    let plan = plan(&args, &config)?;
    for warning in doubts(&plan) {
        output::problem("warning", &warning);
    }
    let identity = RunIdentity::random(args.keep)?;
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || left_behind(&run_id))?;
    sweep_before(plan.choice).await?;
    let need = comeback_scenarios::need(&plan.scenarios, plan.scale, plan.jobs, args.keep);
    let room = check_room(plan.choice, &plan.docker, need).await?;
    let folder = evidence_folder(&plan.evidence_root, &identity)?;
    // From here on whoever looks finds a JUnit file, and it says error until the drills have said otherwise.
    let junit = JunitFiles::new([
        Some((folder.join("junit.xml"), PRIVATE)),
        args.junit.clone().map(|junit| (junit, SHARED)),
    ]);
    let kept = junit.clone();
    let verbose = args.verbose;
    let journal = Journal::create(
        &folder,
        Box::new(move |event, events| {
            progress::tell(event, events, verbose);
            kept.keep(event, events);
        }),
    )?;
    let substrate = open(plan.choice, &identity, &plan.docker).await;
    let header = Header {
        scenarios: &plan.scenarios,
        seed: plan.seed,
        scale: plan.scale,
        suite: args.suite.map(Suite::from),
        damage: args.damage,
        runbook: &plan.runbook,
        sample_runbook: args.runbook.sample_runbook,
    };
    journal.append(EventBody::RunStarted(Box::new(started(&header, &identity, substrate.as_ref().ok()))));
    let torn_down = match substrate {
        Ok(substrate) => drill(&args, config, &plan, (substrate, room), &folder, &journal, &cancel).await,
        Err(error) => {
            give_up(&journal, &plan, &error);
            Ok(())
        }
    };
    let interrupted = cancel.is_cancelled();
    journal.append(EventBody::RunEnded { interrupted });
    let record = journal.finish()?;
    let problems =
        [torn_down, write_reports(&folder, &record), append_step_summary(&record), junit.last_written()];
    show(&record, &folder);
    // What stayed behind, or was not written, changes nothing of what the drills proved; it must not look like
    // success.
    let mut verdict = record.verdict;
    for error in problems.into_iter().filter_map(Result::err) {
        output::problem("error", &error);
        verdict = Verdict::merge([verdict, Verdict::CouldNotVerify]);
    }
    Ok(if interrupted { INTERRUPTED } else { verdict.exit_code() })
}

fn plan(args: &RunArgs, config: &Config) -> Result<Plan> {
    let suite = args.suite.map(Suite::from);
    let scenarios = select(&args.scenarios, suite)?;
    if let Some(damage) = args.damage {
        let blind = scenarios
            .iter()
            .find(|scenario| !scenario.spec().damages.iter().any(|table| table.specs().contains(&damage)));
        if let Some(scenario) = blind {
            return Err(Error::usage(format!("{} has no damage {damage}", scenario.spec().name))
                .hint("`comeback list --damages` shows what each scenario's judges notice"));
        }
    }
    if let Some(junit) = &args.junit {
        ensure_can_be_written(junit)?;
    }
    let runbook = super::load_runbook(&args.runbook, config)?.ok_or_else(|| {
        Error::usage("no runbook was named: there is nothing to drill by, and no objective to judge by")
            .hint("name yours with --runbook FILE, or as `runbook` under [run] in comeback.toml")
            .hint("to try Comeback without one, use --sample-runbook; the reports say so")
    })?;
    ensure_bound(&scenarios, &runbook)?;
    Ok(Plan {
        scenarios,
        choice: args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into(),
        docker: DockerSettings { image: config.docker.image.clone() },
        runbook,
        scale: args.scale.or(config.run.scale).unwrap_or_default(),
        seed: match args.seed {
            Some(seed) => seed,
            None => comeback_harness::secret::random_seed()?,
        },
        evidence_root: args
            .evidence_dir
            .clone()
            .or_else(|| config.run.evidence_dir.clone())
            .unwrap_or_else(|| PathBuf::from("evidence")),
        jobs: args.jobs.or(config.run.jobs).map_or(1, std::num::NonZero::get),
    })
}

/// The named scenarios, or those of the suite, in the order of the catalogue.
pub(super) fn select(names: &[String], suite: Option<Suite>) -> Result<Vec<Arc<dyn Scenario>>> {
    let all = comeback_scenarios::all();
    for name in names {
        if !all.iter().any(|scenario| scenario.spec().name == *name) {
            let known = all.iter().map(|scenario| scenario.spec().name).collect::<Vec<_>>();
            let error = Error::usage(format!("there is no scenario `{name}`"));
            let error = match closest(name, known.iter().map(String::as_str)) {
                Some(meant) => error.hint(format!("did you mean `{meant}`?")),
                None => error,
            };
            return Err(error.hint(format!("there are: {}", known.join(", "))));
        }
    }
    if names.is_empty() && suite.is_none() {
        return Err(Error::usage("nothing was selected to run")
            .hint("name scenarios, or a suite: `comeback run --suite ci`")
            .hint("`comeback list` shows what there is"));
    }
    let wanted = |scenario: &Arc<dyn Scenario>| {
        let spec = scenario.spec();
        let is_named = names.is_empty() || names.contains(&spec.name);
        is_named && suite.is_none_or(|suite| spec.suites.contains(&suite))
    };
    let selected: Vec<_> = all.into_iter().filter(wanted).collect();
    let outside = names.iter().find(|name| !selected.iter().any(|scenario| scenario.spec().name == **name));
    match (outside, suite) {
        (Some(name), Some(suite)) => Err(Error::usage(format!("{name} is not in the suite {suite}"))
            .hint("name scenarios or a suite; `comeback list` shows the suites of each scenario")),
        // Not usage: a gate that selects nothing must never look like one that passed.
        _ if selected.is_empty() => Err(Error::could_not_verify("no scenario was selected")),
        _ => Ok(selected),
    }
}

/// Refuses a runbook that lacks the section of a scenario: there is no procedure to drill.
fn ensure_bound(scenarios: &[Arc<dyn Scenario>], runbook: &Runbook) -> Result<()> {
    for scenario in scenarios {
        let spec = scenario.spec();
        runbook
            .section(&spec.section)
            .map_err(|error| error.context(&spec.name).into_kind(ErrorKind::Usage))?;
    }
    Ok(())
}

/// The objectives that are not understood, or missing where one is needed: each makes its drill end with *could not
/// verify* at best, and is better known now than then.
fn doubts(plan: &Plan) -> Vec<Error> {
    let of_one = |scenario: &Arc<dyn Scenario>| {
        let spec = scenario.spec();
        let section = plan.runbook.section(&spec.section).ok()?;
        let time = plan.runbook.objective(section, ObjectiveKind::TimeToRecovery).err();
        let loss = plan.runbook.documented(section, ObjectiveKind::RecoveryPoint).err();
        let doubt = |error: Error| error.context(format_args!("{} cannot be verified", spec.name));
        Some(time.into_iter().chain(loss).map(doubt).collect::<Vec<_>>())
    };
    plan.scenarios.iter().filter_map(of_one).flatten().collect()
}

pub(super) fn evidence_folder(root: &Path, identity: &RunIdentity) -> Result<PathBuf> {
    let name = format!("{}-{}", clock::now().strftime("%Y%m%dT%H%M%SZ"), identity.run_id);
    let folder = root.join(name);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| {
        Error::usage(format!("creating a folder for the evidence in {}: {error}", root.display()))
            .hint("name a folder that can be written to with --evidence-dir")
    })?;
    Ok(folder)
}

/// What the beginning of a journal says.
pub(super) struct Header<'a> {
    pub(super) scenarios: &'a [Arc<dyn Scenario>],
    pub(super) seed: u64,
    pub(super) scale: Scale,
    pub(super) suite: Option<Suite>,
    pub(super) damage: Option<&'static DamageSpec>,
    pub(super) runbook: &'a Runbook,
    pub(super) sample_runbook: bool,
}

pub(super) fn started(
    header: &Header<'_>,
    identity: &RunIdentity,
    substrate: Option<&Arc<dyn Substrate>>,
) -> RunStarted {
    let substrate = substrate.map_or("none".to_owned(), |substrate| substrate.kind().to_string());
    let planned = header.scenarios.iter().map(|scenario| {
        let spec = scenario.spec();
        PlannedDrill {
            scenario: spec.name,
            title: spec.title,
            section: spec.section,
            substrate: substrate.clone(),
            skipped: None,
        }
    });
    RunStarted {
        journal_version: JOURNAL_VERSION,
        run_id: identity.run_id.clone(),
        command_line: std::env::args().collect(),
        seed: header.seed,
        scale: header.scale.to_string(),
        suite: header.suite.map(|suite| suite.to_string()),
        damage: header.damage.map(|damage| damage.to_string()),
        runbook: Some(header.runbook.file().to_owned()),
        sample_runbook: header.sample_runbook,
        durable: true,
        provenance: provenance::collect(),
        planned: planned.collect(),
    }
}

async fn drill(
    args: &RunArgs,
    config: Config,
    plan: &Plan,
    (substrate, room): (Arc<dyn Substrate>, Option<Room>),
    folder: &Path,
    journal: &Journal,
    cancel: &CancellationToken,
) -> Result<()> {
    let scratch = Scratch::create(args.keep)?;
    let settings = RunSettings {
        scratch: scratch.path().to_owned(),
        substrate: substrate.clone(),
        room,
        logs: folder.join("logs"),
        runbook: plan.runbook.clone(),
        seed: plan.seed,
        scale: plan.scale.to_string(),
        damage: args.damage,
        shows_values: args.show_values,
        queries: config.queries,
        jobs: plan.jobs,
        keep: args.keep,
        applications: Applications::default(),
    };
    let scenarios: Vec<_> = plan.scenarios.iter().cloned().enumerate().collect();
    run_drills(&scenarios, &settings, journal, cancel).await;
    tear_down(&*substrate).await
}

/// What drills will take is there, before anything starts. Without a substrate, its opening tells why.
pub(super) async fn check_room(
    choice: SubstrateChoice,
    docker: &DockerSettings,
    need: Need,
) -> Result<Option<Room>> {
    let Ok(kind) = kind_of(choice, docker).await else { return Ok(None) };
    let Ok(room) = Room::of(kind).await else { return Ok(None) };
    room.check(need)?;
    Ok(Some(room))
}

/// Removes what killed runs left. That the daemon cannot be reached is told when it is chosen.
pub(super) async fn sweep_before(choice: SubstrateChoice) -> Result<()> {
    let swept = sweep(&SweepOptions::beside(choice)).await?;
    for removed in &swept.removed {
        output::error_line(&format!("removed what a killed run left: {removed}"));
    }
    for problem in &swept.problems {
        output::error_line(&format!("warning: {problem}"));
    }
    Ok(())
}

/// What a run that ends at once leaves to others.
pub(super) fn left_behind(run_id: &str) -> String {
    let folder = run_folder(run_id).filter(|folder| folder.exists());
    let folder = folder.map(|folder| format!("{}, and ", folder.display())).unwrap_or_default();
    format!(
        "what stays behind: {folder}Docker containers and networks with the label dev.comeback.run={run_id}\n\
         hint: `comeback clean` removes it"
    )
}

/// Without a substrate no drill can run, and each says so.
fn give_up(journal: &Journal, plan: &Plan, error: &Error) {
    for drill in 0..plan.scenarios.len() {
        let error = Some(error.into());
        journal.append(EventBody::DrillEnded { drill, verdict: Verdict::CouldNotVerify, error });
    }
}

/// Appends the summary where GitHub shows it.
fn append_step_summary(record: &Record) -> Result<()> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return Ok(());
    };
    let file = std::fs::File::options().append(true).create(true).open(&path);
    let mut file = file.context("opening $GITHUB_STEP_SUMMARY")?;
    let summary = comeback_reports::markdown(record);
    std::io::Write::write_all(&mut file, summary.as_bytes()).context("writing $GITHUB_STEP_SUMMARY")
}
