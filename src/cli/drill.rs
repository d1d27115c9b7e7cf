//! Defines `comeback drill`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{RunbookArgs, SuiteArg, values};

const START_EXIT_CODES: &str = "\
Exit codes:
  0    the disaster is declared, and the record is begun
  2    usage or configuration: nothing was written
  3    a file could not be read or written
Any other code means failure.";

const NOTE_EXIT_CODES: &str = "\
Exit codes:
  0    it is in the record
  2    usage: nothing was written
  3    a file could not be read or written
Any other code means failure.";

const ACT_EXIT_CODES: &str = "\
Exit codes:
  0    it is in the record; if the drill has ended with it: verified, on the word of people
  1    the drill has ended: a step failed
  2    usage: nothing was written
  3    a file could not be written; or the drill has ended, and could not be verified
  4    the drill has ended, later than the runbook promises
Any other code means failure.";

const STATUS_EXIT_CODES: &str = "\
Exit codes:
  0    it was shown, whatever the state of the drill
  2    usage, or a record that was edited
  3    a file could not be read
Any other code means failure.";

/// A recovery plan that people carry out.
#[derive(Debug, Subcommand)]
pub(crate) enum DrillCommand {
    /// Declare the disaster, and begin the record of a drill that people carry out
    #[command(after_help = START_EXIT_CODES)]
    Start(DrillStartArgs),
    /// Record that a step begins; without this, it begins when all that it needs is done
    #[command(after_help = NOTE_EXIT_CODES)]
    Begin(DrillBeginArgs),
    /// Record that a step is done, or failed; the last one ends the drill, which is judged then
    #[command(after_help = ACT_EXIT_CODES)]
    Done(DrillDoneArgs),
    /// Add a note to the record
    #[command(after_help = NOTE_EXIT_CODES)]
    Note(DrillNoteArgs),
    /// End the drill early; what was done is judged
    #[command(after_help = ACT_EXIT_CODES)]
    Abort(DrillAbortArgs),
    /// End a drill that can go no further because a step failed; what was done is judged
    #[command(after_help = ACT_EXIT_CODES)]
    Finish(WhichDrill),
    /// Show what is done, what can be done next, and how much time is left
    #[command(after_help = STATUS_EXIT_CODES)]
    Status(WhichDrill),
}

/// Which of the drills that are open.
#[derive(Debug, Args)]
pub(crate) struct WhichDrill {
    /// The drill, by the name it was started with, its run id or its folder; needed if several are open
    #[arg(long, value_name = "NAME")]
    pub(crate) drill: Option<String>,
    /// Folder for evidence, which holds the record
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
}

/// Who says what, and when it happened.
#[derive(Debug, Args)]
pub(crate) struct WhoAndWhen {
    /// Who says so; default: your account on this machine
    #[arg(long, value_name = "NAME", value_parser = values::said)]
    pub(crate) who: Option<String>,
    /// When it happened, if not now, such as 2026-11-22T05:41:00+01:00; the record says that it was written later
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) at: Option<Timestamp>,
}

#[derive(Debug, Args)]
pub(crate) struct DrillStartArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    /// A name for this drill, in reports and for --drill
    #[arg(long, value_name = "NAME", value_parser = values::drill_name)]
    pub(crate) drill: Option<String>,
    /// The test that this drill is part of
    #[arg(long)]
    pub(crate) suite: Option<SuiteArg>,
    /// Who declares the disaster; default: your account on this machine
    #[arg(long, value_name = "NAME", value_parser = values::said)]
    pub(crate) who: Option<String>,
    /// When it was declared, if not now; every time counts from there
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) declared_at: Option<Timestamp>,
    /// Folder for evidence; the drill creates a subfolder in it
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DrillBeginArgs {
    /// The step: its number, its name, or the beginning of its name
    pub(crate) step: String,
    /// It begins although something that it needs is not done; the judgement will say so
    #[arg(long)]
    pub(crate) out_of_order: bool,
    #[command(flatten)]
    pub(crate) said: WhoAndWhen,
    #[command(flatten)]
    pub(crate) which: WhichDrill,
}

#[derive(Debug, Args)]
pub(crate) struct DrillDoneArgs {
    /// The step: its number, its name, or the beginning of its name
    pub(crate) step: String,
    /// The step failed, for this reason
    #[arg(long, value_name = "WHY", value_parser = values::said)]
    pub(crate) failed: Option<String>,
    /// What shows that it is done: a sentence, an address, the output of a command; kept, and not checked
    #[arg(long, value_name = "TEXT", value_parser = values::said)]
    pub(crate) proof: Option<String>,
    /// A file that shows that it is done; copied into the evidence, and not checked
    #[arg(long, value_name = "FILE", conflicts_with = "proof")]
    pub(crate) proof_file: Option<PathBuf>,
    /// When it began, if that was later than it could
    #[arg(long, value_name = "TIME", value_parser = values::moment)]
    pub(crate) began_at: Option<Timestamp>,
    /// It began although something that it needs was not done; the judgement will say so
    #[arg(long)]
    pub(crate) out_of_order: bool,
    #[command(flatten)]
    pub(crate) said: WhoAndWhen,
    #[command(flatten)]
    pub(crate) which: WhichDrill,
}

#[derive(Debug, Args)]
pub(crate) struct DrillNoteArgs {
    /// What there is to remember
    #[arg(value_parser = values::said)]
    pub(crate) text: String,
    #[command(flatten)]
    pub(crate) said: WhoAndWhen,
    #[command(flatten)]
    pub(crate) which: WhichDrill,
}

#[derive(Debug, Args)]
pub(crate) struct DrillAbortArgs {
    /// Why
    #[arg(value_parser = values::said)]
    pub(crate) why: String,
    #[command(flatten)]
    pub(crate) said: WhoAndWhen,
    #[command(flatten)]
    pub(crate) which: WhichDrill,
}
