//! `comeback drill start`: declares the disaster.

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{PlannedDrill, RunKind, RunStarted};
use comeback_engine::runner::{PeopleDrill, Suite, make_evidence_folder};
use comeback_engine::sha256::Sha256;
use comeback_engine::substrate::RunIdentity;
use comeback_error::{Error, Result};
use comeback_model::{Act, PersonAct};

use super::super::recovery::{plan_of, plan_settings};
use super::super::session::{announced, evidence_root};
use super::find;
use crate::cli::DrillStartArgs;
use crate::config::Config;
use crate::{output, who};

/// The name of a drill that was not given one.
const UNNAMED: &str = "dr/by-people";

/// Everything that is wrong is told before anything is written.
pub(super) fn start(args: &DrillStartArgs, config: &Config) -> Result<u8> {
    let runbook = super::super::load_runbook(&args.runbook, config)?.ok_or_else(|| {
        Error::usage("no runbook was named: it holds the steps of the plan, and their budgets")
            .hint("name yours with --runbook FILE, or as `runbook` under [service] in comeback.toml")
            .hint("to try it without one, use --sample-runbook; the reports say so")
    })?;
    let settings = plan_settings(args.runbook.sample_runbook, config)?;
    let plan = plan_of(&runbook, &settings, config)?;
    let root = evidence_root(args.evidence_dir.as_ref(), config);
    find::ensure_none_is_open(&root, args.drill.as_deref())?;
    let clock = Clock::machine();
    let declared = PersonAct {
        who: args.who.clone().unwrap_or_else(who::account),
        happened_at: args.declared_at.unwrap_or_else(|| clock.now()),
        utc_offset: who::utc_offset(),
        act: Act::Declared { runbook_sha256: Sha256::of(runbook.text().as_bytes()) },
    };
    PeopleDrill::check_declaration(&declared, &clock)?;
    let identity = RunIdentity::random(false)?;
    let run = RunStarted {
        kind: RunKind::People,
        run_id: identity.run_id.clone(),
        suite: args.suite.map(|suite| Suite::from(suite).to_string()),
        runbook: Some(runbook.file().to_owned()),
        sample_runbook: args.runbook.sample_runbook,
        planned: vec![PlannedDrill {
            scenario: args.drill.clone().unwrap_or_else(|| UNNAMED.to_owned()),
            title: "people carry out the plan".to_owned(),
            section: plan.title.clone(),
            substrate: "none".to_owned(),
            ..PlannedDrill::default()
        }],
        ..announced()
    };
    let folder = make_evidence_folder(&root, &identity, &clock)?;
    let drill = PeopleDrill::start(&folder, run, plan, declared, clock)?;
    let code = super::report(&folder, &drill.record()?)?;
    output::text(&format!("\nEvidence   {}\n", folder.display()));
    Ok(code)
}
