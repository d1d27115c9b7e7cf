//! `comeback evidence`: keeps the evidence of runs where it outlives this machine.

use std::path::{Path, PathBuf};

use comeback_engine::evidence::{Ending, Record, read_journal};
use comeback_engine::evidence_store::{EvidenceStore, Keeping};
use comeback_error::{Error, Result};

use super::session::{evidence_root, make_private};
use crate::cli::{EvidenceCommand, EvidenceFetchArgs, EvidencePushArgs};
use crate::config::Config;
use crate::history::folders;
use crate::output;
use crate::repository::open;

pub(crate) async fn evidence(command: &EvidenceCommand, config: &Config) -> Result<u8> {
    match command {
        EvidenceCommand::List => list(config).await,
        EvidenceCommand::Push(args) => push(args, config).await,
        EvidenceCommand::Fetch(args) => fetch(args, config).await,
    }
}

async fn store(config: &Config, may_make: bool) -> Result<EvidenceStore> {
    let url = config.evidence.store.as_ref().ok_or_else(|| {
        Error::usage("no store of the evidence was named")
            .hint("name a folder or a bucket as `store` under [evidence] in comeback.toml")
    })?;
    Ok(EvidenceStore::new(open(url, may_make).await?))
}

async fn list(config: &Config) -> Result<u8> {
    for run in store(config, false).await?.runs().await? {
        output::listing(&format!("{run}\n"));
    }
    Ok(0)
}

/// Copies every run that can be copied. A run that is still going has no end yet, and would never be replaced.
async fn push(args: &EvidencePushArgs, config: &Config) -> Result<u8> {
    if let Some(url) = &config.evidence.store {
        make_private(url)?;
    }
    let store = store(config, true).await?;
    let named = !args.runs.is_empty();
    let runs = if named { args.runs.clone() } else { folders(&evidence_root(None, config))? };
    let mut failed = 0;
    for run in runs {
        match push_one(&store, &run).await {
            Ok(Some(Keeping::Stored)) => {
                output::text(&format!("kept {} in {}\n", run.display(), store.location()));
            }
            Ok(Some(Keeping::WasThere)) => output::text(&format!("{} is there already\n", run.display())),
            Ok(None) if named => {
                return Err(Error::could_not_verify(format!("the run in {} has no end", run.display()))
                    .hint("if it was killed, it stays where it is: the store keeps runs that have ended"));
            }
            Ok(None) => output::text(&format!("{} has no end: it stays here\n", run.display())),
            Err(error) if named => return Err(error),
            Err(error) => {
                output::problem("warning", &error);
                failed += 1;
            }
        }
    }
    Ok(if failed > 0 { 3 } else { 0 })
}

/// Keeps a run; `None` if it has no end.
async fn push_one(store: &EvidenceStore, run: &Path) -> Result<Option<Keeping>> {
    let record = Record::from_events(&read_journal(run)?)?;
    if record.ending == Ending::Unfinished {
        return Ok(None);
    }
    // The store knows a run by the name of its folder, however the path to it is written.
    let whole = run.canonicalize();
    let whole = whole.map_err(|error| Error::usage(format!("reading {}: {error}", run.display())))?;
    store.keep(&whole).await.map(Some)
}

async fn fetch(args: &EvidenceFetchArgs, config: &Config) -> Result<u8> {
    let store = store(config, false).await?;
    if !store.runs().await?.contains(&args.run) {
        return Err(Error::usage(format!("there is no run {} in {}", args.run, store.location()))
            .hint("`comeback evidence list` shows what there is"));
    }
    let out: PathBuf = args.out.clone().unwrap_or_else(|| evidence_root(None, config));
    let folder = store.fetch(&args.run, &out).await?;
    output::text(&format!("fetched {} to {}\n", args.run, folder.display()));
    Ok(0)
}
