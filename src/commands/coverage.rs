//! `comeback coverage`: which of the backups that are kept were ever verified.

use comeback_engine::artefact::{Recoverable, Select, VerifyOptions};
use comeback_engine::clock::Clock;
use comeback_error::{Error, Result};
use comeback_model::{Coverage, Looked, StoreCoverage};
use comeback_reports::{TerminalOptions, coverage_json, coverage_text};

use super::session::history;
use crate::cli::CoverageArgs;
use crate::config::Config;
use crate::declared::Declared;
use crate::output;
use crate::places::look_for;
use crate::suggest::closest;

/// Exits 3 if the backups of a store could not be listed, if something among them was not recognised, or if a run could not
/// be read: the picture has a gap.
pub(crate) async fn coverage(args: &CoverageArgs, config: &Config) -> Result<u8> {
    let wanted = wanted(&args.names, config)?;
    let runs = history(args.evidence_dir.as_ref(), config).runs().await?;
    for unreadable in &runs.unreadable {
        output::problem("warning", unreadable);
    }
    let looked = runs.looked();
    let mut stores = Vec::with_capacity(wanted.len());
    for declared in wanted {
        stores.push(of_store(declared, &looked).await);
    }
    let coverage = Coverage {
        at: Clock::machine().now(),
        evidence: runs.places,
        runs: runs.records.len(),
        unreadable_runs: runs.unreadable.len(),
        stores,
    };
    if args.json {
        output::listing(&coverage_json(&coverage)?);
    } else {
        let options =
            TerminalOptions { color: output::takes_colour(), width: output::width(), evidence_dir: None };
        output::painted(&coverage_text(&coverage, options));
    }
    let is_open = |store: &StoreCoverage| store.problem.is_some() || !store.unrecognised.is_empty();
    let has_gap = coverage.unreadable_runs > 0 || coverage.stores.iter().any(is_open);
    Ok(if has_gap { 3 } else { 0 })
}

fn wanted<'a>(names: &[String], config: &'a Config) -> Result<Vec<&'a Declared>> {
    if config.backups.is_empty() {
        return Err(Error::usage("no backup is declared").hint(
            "declare your backups as [[backup]] in comeback.toml; `comeback init` writes the first one",
        ));
    }
    let known = || config.backups.iter().map(|backup| backup.name.as_str());
    for name in names {
        if !known().any(|one| one == name) {
            let error = Error::usage(format!("no backup `{name}` is declared"));
            let meant = closest(name, known()).map(|meant| format!("did you mean `{meant}`?"));
            let all = known().collect::<Vec<_>>().join(", ");
            return Err(meant.into_iter().fold(error, Error::hint).hint(format!("there are: {all}")));
        }
    }
    let is_wanted = |backup: &&Declared| names.is_empty() || names.contains(&backup.name);
    Ok(config.backups.iter().filter(is_wanted).collect())
}

/// The backups are listed, and their beginnings read: nothing is restored.
async fn of_store(declared: &Declared, looked: &[Looked]) -> StoreCoverage {
    // Of a place with a newest backup that is none, the others are listed all the same.
    let options = VerifyOptions { select: Select::Random, ..declared.choices() };
    match look_for(&declared.from, &declared.identity, options).await {
        Ok(found) => {
            let Recoverable { backups, unrecognised, .. } = found.recoverable();
            let store = StoreCoverage::new(&declared.name, &declared.from, backups, looked);
            StoreCoverage { unrecognised, ..store }
        }
        Err(error) => StoreCoverage::unknown(&declared.name, &declared.from, error.message()),
    }
}
