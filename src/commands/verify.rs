//! `comeback verify`: restores a backup of the user on a throw-away server, and judges what came back.

use std::sync::Arc;

use comeback_engine::artefact::{
    LiveSource, Recognised, RecordSlot, Recoverable, Verification, VerifyOptions,
};
use comeback_engine::clock::Clock;
use comeback_engine::evidence::{RunKind, RunStarted};
use comeback_engine::runbook::Runbook;
use comeback_engine::runner::{
    Applications, Ended, Ground, RunSettings, Scenario, Session, make_evidence_folder, run_drills,
};
use comeback_engine::substrate::{
    Cell, DockerSettings, Need, RunIdentity, SoftwareChoice, SubstrateChoice, SubstrateKind,
};
use comeback_error::{Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_postgres::PostgresAddress;
use comeback_reports::{artefact_line, format};

use super::junit::ensure_can_be_written;
use super::load_runbook;
use super::report::{show, write_reports};
use super::run::planned;
use super::session::{
    announced, evidence_root, history, keep_evidence, left_behind, sinks, tell_swept, with_problems,
};
use super::signals::{INTERRUPTED, cancel_on_signals};
use crate::cli::{RunbookArgs, SubstrateArg, VerifyArgs};
use crate::config::Config;
use crate::declared::{Declared, REQUIRED};
use crate::output;
use crate::places::{jobs, look_for, short_name};
use crate::reference::{self, Kept};
use crate::rolling::{Choice, look_for_oldest};

pub(crate) async fn verify(args: VerifyArgs, config: Config) -> Result<u8> {
    if let Some(junit) = &args.evidence.junit {
        ensure_can_be_written(junit, "--junit")?;
    }
    let seed = match args.seed {
        Some(seed) => seed,
        None => comeback_engine::secret::random_seed()?,
    };
    let declared = config.backups.iter().find(|backup| backup.name == args.source);
    let (from, name) = match declared {
        Some(declared) => (declared.from.as_str(), declared.name.as_str()),
        None => (args.source.as_str(), short_name(&args.source)),
    };
    let mut identity: Vec<_> =
        declared.iter().flat_map(|one| &one.identity).chain(&args.identity).cloned().collect();
    if config.repository.main.url.is_some() && from.parse().ok() == config.repository.main.url {
        identity.extend(config.repository.main.identity.iter().cloned());
    }
    let requires = match declared {
        _ if !args.require.is_empty() => args.require.clone(),
        Some(declared) => declared.requires().to_vec(),
        None => REQUIRED.to_vec(),
    };
    let named = args.reference.as_deref().map(Kept::named);
    let kept = named.as_ref().or_else(|| declared.map(Declared::reference));
    if args.record && kept.is_none() {
        return Err(Error::usage("it is not said where the restore is to be recorded")
            .hint("name a file with --reference FILE, or as `reference` of the [[backup]]"));
    }
    let reference = reference::read(kept, args.record)?.map(Arc::new);
    let options = options(&args, &config, declared, seed)?.compared_with(reference);
    let choice = match (&args.select, declared) {
        (Some(choice), _) => choice.clone(),
        (None, Some(declared)) => declared.choice().clone(),
        (None, None) => Choice::default(),
    };
    let age = declared.and_then(|declared| declared.age(&choice));
    reference::ensure_frozen_means_something(&options)?;
    let (record, before) = (options.record.clone(), options.reference.clone());
    let artefact = match choice {
        Choice::Select(_) => look_for(from, &identity, options).await,
        Choice::OldestUnverified => {
            let looked = history(args.evidence.evidence_dir.as_ref(), &config).looked().await?;
            look_for_oldest(name, from, &identity, options, &looked).await
        }
    };
    let artefact = artefact.map_err(|error| match declared {
        None if !config.backups.is_empty() => error.hint(known(&config)),
        _ => error,
    })?;
    if args.list {
        output::listing(&list(&artefact.recoverable(), &artefact.summary()));
        return Ok(0);
    }
    let runbook = runbook(declared, &config)?;
    let cell = declared.map_or_else(|| Some(Cell::of_this_machine()), Declared::cell);
    let software = software(&args, declared);
    let verification = Verification {
        name: format!("verify/{name}"),
        title: artefact.summary().source,
        section: declared.map_or_else(String::new, |one| one.section().to_owned()),
        suites: Vec::new(),
        requires,
        cell: if args.uncontained { None } else { cell },
        age,
        software,
        source: Arc::new(Recognised(artefact)),
    };
    let choice = args.substrate.or(config.run.substrate).unwrap_or(SubstrateArg::Auto).into();
    let choice = verification.software.substrate(choice);
    ensure_of_use(&verification.software, choice)?;
    let identity = RunIdentity::random(args.keep)?;
    let run_id = identity.run_id.clone();
    let code = run(identity, Arc::new(verification), choice, runbook, &args, &config, seed).await?;
    if let (Some(Kept { path, .. }), Some(slot), 0) = (kept, &record, code) {
        reference::write(path, from, &run_id, slot, before.as_deref())?;
    }
    Ok(code)
}

/// What a place can bring back, one line a backup. The chosen one is marked.
fn list(recoverable: &Recoverable, chosen: &ArtefactSummary) -> String {
    let mut lines = vec![chosen.source.clone()];
    for backup in &recoverable.backups {
        let mark = if backup.id == chosen.id { "→" } else { " " };
        lines.push(format!("{mark} {}", artefact_line(backup)));
    }
    lines.extend(recoverable.unrecognised.iter().map(|name| format!("? {name}: not recognised as a backup")));
    if let Some(log) = &recoverable.log {
        let stored = log.stored_at.map(|at| format!(", stored {}", format::instant(at))).unwrap_or_default();
        let segments = format::plural(log.segments, "segment");
        lines.push(format!("  log: {segments}, up to {}{stored}; gaps were not looked for", log.segment));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// What the servers come from: as the command line says, or else as the settings do.
fn software(args: &VerifyArgs, declared: Option<&Declared>) -> SoftwareChoice {
    let named = SoftwareChoice { image: args.image.clone(), bin: args.bin.clone() };
    match declared {
        Some(declared) if named.is_empty() => declared.software.clone(),
        _ => named,
    }
}

/// Refuses a choice of software that the substrate cannot use, if the user names the substrate as well.
fn ensure_of_use(software: &SoftwareChoice, choice: SubstrateChoice) -> Result<()> {
    let kind = match choice {
        SubstrateChoice::Docker => SubstrateKind::Docker,
        SubstrateChoice::Local => SubstrateKind::Local,
        SubstrateChoice::Auto => return Ok(()),
    };
    if software.is_empty() { Ok(()) } else { software.describe(kind).map(drop) }
}

/// The live system to compare with. Its address is checked before anything starts.
fn live_source(args: &VerifyArgs) -> Result<Option<LiveSource>> {
    let Some(url) = args.live.clone() else { return Ok(None) };
    let password = PostgresAddress::parse(&url)?.with_password_as_psql()?.password().cloned();
    Ok(Some(LiveSource { url, password }))
}

fn known(config: &Config) -> String {
    let names = config.backups.iter().map(|backup| backup.name.as_str()).collect::<Vec<_>>().join(", ");
    format!("comeback.toml declares the backups {names}")
}

/// The runbook whose objective judges a declared backup; `None` if the backup names no section.
fn runbook(declared: Option<&Declared>, config: &Config) -> Result<Option<Arc<Runbook>>> {
    let Some(declared) = declared.filter(|declared| !declared.section().is_empty()) else { return Ok(None) };
    let named = load_runbook(&RunbookArgs { runbook: None, sample_runbook: false }, config)?;
    let runbook = named.ok_or_else(|| {
        Error::usage(format!("the backup {} names a section, and no runbook is named", declared.name))
            .hint("name it as `runbook` under [service] in comeback.toml")
    })?;
    runbook.section(declared.section())?;
    Ok(Some(runbook))
}

/// The user's choices: those of the command line before those of the settings.
fn options(
    args: &VerifyArgs,
    config: &Config,
    declared: Option<&Declared>,
    seed: u64,
) -> Result<VerifyOptions> {
    let given = declared.map(Declared::choices).unwrap_or_default();
    let mut create_missing = given.create_missing;
    create_missing.extend(&args.create_missing);
    let mut frozen = given.frozen;
    frozen.extend(args.frozen.iter().cloned());
    let mut skip = given.skip;
    skip.extend(&args.skip);
    Ok(VerifyOptions {
        kind: args.kind.clone().or(given.kind),
        select: args.select.as_ref().map_or(given.select, Choice::select),
        target: args.at.clone().or(given.target),
        stanza: args.stanza.clone().or(given.stanza),
        log: args.log.clone().or(given.log),
        globals: args.globals.clone().or(given.globals),
        create_missing,
        jobs: jobs(args.jobs),
        seed,
        queries: if declared.is_some() { given.queries } else { config.queries.clone() },
        redis_queries: if declared.is_some() { given.redis_queries } else { config.redis_queries.clone() },
        database: args.database.clone().or(given.database),
        trusted_keys: config.repository.main.trusted()?,
        record: args.record.then(RecordSlot::default),
        source: live_source(args)?,
        frozen,
        skip,
        allow_empty: args.allow_empty || given.allow_empty,
        // A time that an objective judges is one of production-like settings.
        fast: declared.is_none_or(|one| one.section().is_empty()),
        ..given
    })
}

async fn run(
    identity: RunIdentity,
    verification: Arc<dyn Scenario>,
    choice: SubstrateChoice,
    runbook: Option<Arc<Runbook>>,
    args: &VerifyArgs,
    config: &Config,
    seed: u64,
) -> Result<u8> {
    let run_id = identity.run_id.clone();
    let cancel = cancel_on_signals("removing what was started", move || left_behind(&run_id))?;
    let docker = DockerSettings { image: config.docker.image.clone() };
    let ground = Ground::prepare(choice, docker, Need::default(), tell_swept).await?;
    let clock = Clock::machine();
    let root = evidence_root(args.evidence.evidence_dir.as_ref(), config);
    let folder = make_evidence_folder(&root, &identity, &clock)?;
    let (sinks, junit) = sinks(&folder, args.evidence.junit.as_ref(), args.evidence.verbose);
    let mut session = Session::begin(identity, folder.clone(), Some(ground), cancel.clone(), sinks, clock)?;
    let scenarios = [verification];
    let run = RunStarted {
        kind: RunKind::Verification,
        seed,
        runbook: runbook.as_ref().map(|runbook| runbook.file().to_owned()),
        durable: runbook.is_some(),
        planned: planned(&scenarios),
        ..announced()
    };
    if let Some(place) = session.start_drills(run).await {
        let settings = RunSettings {
            place,
            runbook,
            seed,
            scale: String::new(),
            damages: Vec::new(),
            shows_values: false,
            queries: Vec::new(),
            jobs: 1,
            keep: args.keep,
            applications: Applications::default(),
            plan: None,
            coherence: Vec::new(),
            settings_folder: config.folder.clone(),
        };
        let scenarios: Vec<_> = scenarios.into_iter().enumerate().collect();
        run_drills(&scenarios, &settings, session.journal(), &cancel).await;
    }
    let Ended { record, torn_down } = session.end().await?;
    let written = [torn_down, write_reports(&folder, &record), junit.last_written()];
    let problems = written.into_iter().chain([keep_evidence(&folder, config).await]);
    show(&record, &folder);
    let verdict = with_problems(record.verdict, problems);
    Ok(if cancel.is_cancelled() { INTERRUPTED } else { verdict.exit_code() })
}
