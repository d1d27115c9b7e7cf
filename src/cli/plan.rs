//! Defines `comeback plan`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RunbookArgs;

const PLAN_EXIT_CODES: &str = "\
Exit codes:
  0    the plan was shown; what its budgets cannot keep is shown too, and changes nothing here
  2    usage or configuration: runbook or settings are incomplete, or contradict themselves
  3    a file could not be read or written
Any other code means failure.";

#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// Show the plan of the full disaster recovery: steps, critical path, slack, tiers, and what the budgets cannot keep
    #[command(after_help = PLAN_EXIT_CODES)]
    Show(PlanShowArgs),
}

#[derive(Debug, Args)]
pub(crate) struct PlanShowArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    /// Folder with the evidence of earlier drills, whose times are shown beside the budgets
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Also draw the plan into this SVG file; an SVG file that exists is replaced
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}
