//! The grammar of the commands that export and import secrets.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{EXIT_CODES, EvidenceArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    /// Write every secret and version into one file, encrypted with age to two keys at least
    Export(SecretsExportArgs),
    /// Decrypt an export, compare it with a store, and bring back what the store lacks
    #[command(after_help = EXIT_CODES)]
    Import(SecretsImportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct SecretsExportArgs {
    /// A public key of age that can open the export; twice at least: the daily and the break-glass one
    #[arg(long = "recipient", value_name = "KEY")]
    pub(crate) recipients: Vec<String>,
    /// The file to write, which must not exist; no private key may lie beside it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Where the secrets are: a folder, or Google Secret Manager as `gsm://PROJECT`
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
    /// Where the secrets go: a folder, or Google Secret Manager as `gsm://PROJECT`
    #[arg(long, value_name = "STORE")]
    pub(crate) store: Option<String>,
    /// Tell what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make the values and labels of the export the current ones, even where the store holds newer ones
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
