//! Defines the command that writes the first settings.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Your backups: files, folders or buckets
    #[arg(value_name = "BACKUP")]
    pub(crate) sources: Vec<String>,
    /// Your runbook
    #[arg(long, value_name = "FILE")]
    pub(crate) runbook: Option<PathBuf>,
    /// The private key that opens encrypted backups; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    /// The file to write; it must not exist
    #[arg(long, value_name = "FILE", default_value = "comeback.toml")]
    pub(crate) out: PathBuf,
}
