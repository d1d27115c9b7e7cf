//! Defines the commands that export and import secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EXIT_CODES, EvidenceArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Write every secret and version into one file, encrypted with age to at least two keys
    Export(SecretsExportArgs),
    /// Decrypt an export, compare it with a store, and import what the store lacks
    #[command(after_help = EXIT_CODES)]
    Import(SecretsImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SecretsExportArgs {
    /// An age public key to encrypt to; give at least two: the daily and the break-glass key
    #[arg(long = "recipient", value_name = "KEY")]
    pub(crate) recipients: Vec<String>,
    /// The file to write; it must not exist, and no private key may lie in its folder
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// The store to export: a folder, or Google Secret Manager as `gsm://PROJECT`
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct SecretsImportArgs {
    /// The file that the export wrote
    pub(crate) file: PathBuf,
    /// The file with the private key of one of the export's recipients
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: PathBuf,
    /// The store to import into: a folder, or Google Secret Manager as `gsm://PROJECT`
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Print what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make the export's values and labels current, even where the store holds newer ones
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
