//! The recovery plan of the runbook and the settings, for the commands that show it or carry it out.

use std::sync::Arc;

use comeback_engine::plan::{DeclaredStep, build};
use comeback_engine::runbook::Runbook;
use comeback_engine::runner::Scenario;
use comeback_error::{Error, Result};
use comeback_model::Plan;

use super::selection::{all, unknown_scenario};
use crate::config::Config;
use crate::output;
use crate::recovery_plan::{PlanSettings, sample_plan};

/// What is declared of the plan: with the sample runbook, the sample plan, unless the settings declare steps.
pub(super) fn plan_settings(is_sample: bool, config: &Config) -> Result<PlanSettings> {
    if is_sample && config.plan.steps.is_empty() { sample_plan() } else { Ok(config.plan.clone()) }
}

/// The recovery plan that scenarios carry out, if one does. Whatever is wrong with it is told before anything starts.
pub(super) fn plan_for(
    scenarios: &[Arc<dyn Scenario>],
    runbook: &Runbook,
    settings: &PlanSettings,
    config: &Config,
) -> Result<Option<Arc<Plan>>> {
    let following: Vec<_> = scenarios.iter().filter(|scenario| scenario.follows_plan()).collect();
    if following.is_empty() {
        return Ok(None);
    }
    let plan = plan_of(runbook, settings, config)?;
    for scenario in following {
        scenario.check_plan(&plan).map_err(|error| error.context(scenario.spec().name))?;
    }
    Ok(Some(Arc::new(plan)))
}

/// The plan of the runbook and the settings. Everything that is wrong with it is told.
pub(super) fn plan_of(runbook: &Runbook, settings: &PlanSettings, config: &Config) -> Result<Plan> {
    planned(runbook, settings, config).map_err(all_told)
}

/// The plan, or everything that is wrong with it.
fn planned(runbook: &Runbook, settings: &PlanSettings, config: &Config) -> Result<Plan, Vec<Error>> {
    let declared = &settings.steps;
    let built = runbook.plan(settings.section.as_deref()).and_then(|documented| build(&documented, declared));
    let unknown = unknown_procedures(declared, config);
    match built {
        Ok(plan) if unknown.is_empty() => Ok(plan),
        built => Err(built.err().into_iter().flatten().chain(unknown).collect()),
    }
}

/// Procedures that are no scenario, and that no scenario knows.
fn unknown_procedures(declared: &[DeclaredStep], config: &Config) -> Vec<Error> {
    let scenarios = all(config, 0);
    let beside =
        scenarios.iter().flat_map(|scenario| scenario.plan_procedures()).map(|name| (*name).to_owned());
    let known: Vec<_> = scenarios.iter().map(|scenario| scenario.spec().name).chain(beside).collect();
    let named = declared.iter().filter_map(|step| step.procedure.as_ref());
    let unknown = named.filter(|named| !known.contains(&named.value));
    unknown.map(|named| unknown_scenario(&named.value, &known).context(&named.place)).collect()
}

/// Prints all errors but the last, which the caller prints.
fn all_told(mut errors: Vec<Error>) -> Error {
    let last = errors.pop().unwrap_or_else(|| Error::usage("the plan is wrong"));
    for error in &errors {
        output::problem("error", error);
    }
    last
}
