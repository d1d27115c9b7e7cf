//! Defines the commands about the evidence of earlier runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    /// Names of declared backups; default: all of them
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Folder of the evidence; default: the one in the settings
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Print JSON, with every backup and every look at it
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// List the runs in the store of the evidence, the newest first
    List,
    /// Copy runs from this machine into the store; a run that is there is not copied again
    Push(EvidencePushArgs),
    /// Copy a run from the store into a folder, and compare every byte with what was kept
    Fetch(EvidenceFetchArgs),
}

#[derive(Debug, Args)]
pub(crate) struct EvidencePushArgs {
    /// The evidence folders of the runs; default: every run in the folder of the evidence that has ended
    #[arg(value_name = "DIR")]
    pub(crate) runs: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct EvidenceFetchArgs {
    /// The name of the run, as `comeback evidence list` shows it
    pub(crate) run: String,
    /// The folder in which a folder of the run's name is created; default: the folder of the evidence
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
