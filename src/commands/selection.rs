//! Which scenarios there are, and which a command line selects.

use std::sync::Arc;

use comeback_engine::runner::{Scenario, Suite};
use comeback_error::{Error, Result};

use super::session;
use crate::config::Config;
use crate::places::jobs;
use crate::suggest::closest;

/// Every scenario: the drills, then the backups that the settings declare.
pub(super) fn all(config: &Config, seed: u64) -> Vec<Arc<dyn Scenario>> {
    let history = session::history(None, config);
    let declared = config.backups.iter().map(|backup| backup.verification(jobs(None), seed, &history));
    let declared = declared.map(|verification| Arc::new(verification) as Arc<dyn Scenario>);
    comeback_scenarios::all().into_iter().chain(declared).collect()
}

/// The named scenarios, or those of the suite, in the order of the catalogue.
pub(super) fn select(
    names: &[String],
    suite: Option<Suite>,
    all: Vec<Arc<dyn Scenario>>,
) -> Result<Vec<Arc<dyn Scenario>>> {
    for name in names {
        if !all.iter().any(|scenario| scenario.spec().name == *name) {
            let known = all.iter().map(|scenario| scenario.spec().name).collect::<Vec<_>>();
            return Err(unknown_scenario(name, &known));
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
        // Not a usage error: a gate that selects nothing must never look like one that passed.
        _ if selected.is_empty() => Err(Error::could_not_verify("no scenario was selected")
            .hint("declare your backups as [[backup]] in comeback.toml; each names its suites")),
        _ => Ok(selected),
    }
}

/// The error for a name that no scenario has.
pub(super) fn unknown_scenario(name: &str, known: &[String]) -> Error {
    let error = Error::usage(format!("there is no scenario `{name}`"));
    let error = match closest(name, known.iter().map(String::as_str)) {
        Some(meant) => error.hint(format!("did you mean `{meant}`?")),
        None => error,
    };
    error.hint(format!("there are: {}", known.join(", ")))
}
