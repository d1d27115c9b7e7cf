//! The commands, one file each.

pub(crate) mod archive;
mod backup;
mod clean;
mod copy;
mod coverage;
mod doctor;
mod drill;
mod earlier;
mod evidence;
mod init;
mod junit;
mod line;
mod list;
mod objects;
mod plan;
mod postgres;
mod prune;
mod recovery;
mod redis;
mod report;
mod restore;
mod run;
mod sample_app;
mod secrets;
mod selection;
mod selftest;
mod session;
mod signals;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::CommandFactory as _;
use comeback_engine::repository::Repository;
use comeback_engine::runbook::Runbook;
use comeback_engine::substrate::set_scratch_dir;
use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::Manifest;

use crate::cli::{Cli, Command, RunbookArgs};
use crate::config::Config;
use crate::output;
use crate::repository::{self, RepositoryUrl};

/// Runs the command; returns the exit code.
pub(crate) async fn dispatch(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "comeback", &mut script);
            output::listing(&String::from_utf8_lossy(&script));
            Ok(0)
        }
        Command::Report(args) => report::report(&args.dir),
        Command::Run(args) => run::run(*args, settings(cli.config.as_deref())?).await,
        Command::Verify(args) => verify::verify(*args, settings(cli.config.as_deref())?).await,
        Command::Selftest(args) => selftest::selftest(args, settings(cli.config.as_deref())?).await,
        Command::Backup(command) => backup::backup(command, &settings(cli.config.as_deref())?).await,
        Command::Archive(command) => archive::archive(command, &settings(cli.config.as_deref())?).await,
        Command::Restore(command) => restore::restore(command, &settings(cli.config.as_deref())?).await,
        Command::Secrets(command) => secrets::secrets(command, &settings(cli.config.as_deref())?).await,
        Command::Drill(command) => drill::drill(&command, &settings(cli.config.as_deref())?).await,
        Command::Plan(command) => plan::plan(&command, &settings(cli.config.as_deref())?).await,
        Command::Coverage(args) => coverage::coverage(&args, &settings(cli.config.as_deref())?).await,
        Command::Evidence(command) => evidence::evidence(&command, &settings(cli.config.as_deref())?).await,
        Command::Init(args) => init::init(&args).await,
        Command::List(args) => list::list(&args, &settings(cli.config.as_deref())?),
        Command::Doctor(args) => doctor::doctor(args.substrate, &settings(cli.config.as_deref())?).await,
        Command::SampleApp => sample_app::sample_app().await,
        Command::Clean(args) => clean::clean(&args, &settings(cli.config.as_deref())?).await,
    }
}

/// Loads the settings; their limits apply to everything that this process waits for.
fn settings(named: Option<&Path>) -> Result<Config> {
    let config = Config::load(named)?;
    wait::set_limits(config.limits);
    if let Some(dir) = &config.scratch.dir {
        if !dir.is_dir() {
            return Err(Error::usage(format!("`dir` under [scratch] is no folder: {}", dir.display()))
                .hint("create it, on the volume where restored data may lie"));
        }
        set_scratch_dir(dir.clone());
    }
    Ok(config)
}

/// The name under which reports cite the sample runbook: the user has no such file.
const SAMPLE_RUNBOOK: &str = "sample runbook (built in)";

/// The runbook that the command line or the settings name; `None` if neither names one.
fn load_runbook(args: &RunbookArgs, config: &Config) -> Result<Option<Arc<Runbook>>> {
    if args.sample_runbook {
        return Ok(Some(Arc::new(Runbook::parse(SAMPLE_RUNBOOK, comeback_fixtures::RUNBOOK))));
    }
    let Some(path) = args.runbook.as_ref().or(config.service.runbook.as_ref()) else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("reading the runbook {}: {error}", path.display()))
            .hint("name it with --runbook FILE, or as `runbook` under [service] in comeback.toml")
    })?;
    Ok(Some(Arc::new(Runbook::parse(path.display().to_string(), text))))
}

/// The repository that the user named, or else that of the settings. Only commands that write backups may create it.
async fn open_repository(
    named: Option<&RepositoryUrl>,
    config: &Config,
    may_make: bool,
) -> Result<Arc<dyn Repository>> {
    open_repository_with(named, config, may_make, &[]).await
}

/// The same, with private keys of the command line.
async fn open_repository_with(
    named: Option<&RepositoryUrl>,
    config: &Config,
    may_make: bool,
    identity: &[PathBuf],
) -> Result<Arc<dyn Repository>> {
    repository::open_repository(named, &config.repository.main, may_make, identity).await
}

/// Removes what killed backups left. If that fails, the backup is taken all the same.
async fn sweep(repository: &dyn Repository) {
    match repository.sweep_unfinished().await {
        Ok(names) => {
            for name in names {
                output::text(&format!("removed what a killed backup left: {name}\n"));
            }
        }
        Err(error) => output::problem("warning", &error.context("what killed backups left is still there")),
    }
}

/// The snapshot of Redis that the user named.
async fn snapshot_named(repository: &dyn Repository, id: &str) -> Result<Manifest> {
    let known = repository.list().await?;
    if !known.iter().any(|one| one == id) {
        return Err(Error::usage(format!("there is no backup {id} in {}", repository.location()))
            .hint("`comeback backup list` shows what there is"));
    }
    let manifest = repository.manifest(id).await?;
    manifest.content.keyspace()?;
    Ok(manifest)
}
