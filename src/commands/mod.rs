//! The commands, one file each.

mod clean;
mod doctor;
mod list;
mod report;
mod run;

use std::path::Path;
use std::sync::Arc;

use clap::CommandFactory as _;
use comeback_harness::runbook::Runbook;
use comeback_harness::{Error, Result};

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::output;

/// Runs the command; gives the exit code.
pub(crate) async fn dispatch(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "comeback", &mut script);
            output::text(&String::from_utf8_lossy(&script));
            Ok(0)
        }
        Command::Report(args) => report::report(&args.dir),
        Command::Run(args) => run::run(*args, Config::load(cli.config.as_deref())?).await,
        Command::List(args) => list::list(&args, &Config::load(cli.config.as_deref())?),
        Command::Doctor(args) => doctor::doctor(args.substrate, &Config::load(cli.config.as_deref())?).await,
        Command::Clean(args) => clean::clean(args.kept).await,
    }
}

/// The runbook that the user named, or the one of the sample application.
fn load_runbook(named: Option<&Path>) -> Result<Arc<Runbook>> {
    let Some(path) = named else {
        return Ok(Arc::new(Runbook::parse("fixtures/runbook.md", comeback_fixtures::RUNBOOK)));
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("reading the runbook {}: {error}", path.display()))
            .hint("name it with --runbook FILE, or as `runbook` under [run] in comeback.toml")
    })?;
    Ok(Arc::new(Runbook::parse(path.display().to_string(), text)))
}
