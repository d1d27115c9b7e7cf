//! Defines the command line.

mod archive;
mod backups;
mod drill;
mod evidence;
mod init;
mod keeping;
mod objects;
mod plan;
mod postgres;
mod redis;
mod secrets;
pub(crate) mod values;
mod verify;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use comeback_engine::damage::DamageSpec;
use comeback_engine::runner::Suite;
use comeback_engine::substrate::SubstrateChoice;
use comeback_fixtures::Scale;

use crate::repository::RepositoryUrl;

pub(crate) use archive::{ArchiveCheckArgs, ArchiveCommand, ArchiveGetArgs, ArchivePushArgs};
pub(crate) use backups::{
    BackupCommand, BackupFetchArgs, BackupListArgs, BackupRedisArgs, RestoreCommand, RestoreRedisArgs,
};
pub(crate) use drill::{
    DrillAbortArgs, DrillBeginArgs, DrillCommand, DrillDoneArgs, DrillNoteArgs, DrillStartArgs, WhichDrill,
    WhoAndWhen,
};
pub(crate) use evidence::{CoverageArgs, EvidenceCommand, EvidenceFetchArgs, EvidencePushArgs};
pub(crate) use init::InitArgs;
pub(crate) use keeping::{BackupCopyArgs, BackupPruneArgs};
pub(crate) use objects::RestoreObjectsArgs;
pub(crate) use postgres::{BackupFormat, BackupPostgresArgs, RestoreCsvArgs, RestorePostgresArgs};

pub(crate) use plan::{PlanCommand, PlanShowArgs};

pub(crate) use redis::RedisLoginArgs;

pub(crate) use verify::VerifyArgs;

pub(crate) use secrets::{SecretsCommand, SecretsExportArgs, SecretsImportArgs};

/// The help of `--repository`.
const REPOSITORY: &str = "The repository that holds backups: a folder, gs://BUCKET/PREFIX or s3://BUCKET/PREFIX; default: \
    the one in the settings";
/// The help of `--identity` of commands that read a repository.
const IDENTITY: &str =
    "The private key that opens an encrypted backup; may be repeated; default: the one in the settings";

const EXIT_CODES: &str = "\
Exit codes:
  0    verified: everything came back
  1    verification failed: something did not come back
  2    usage or configuration: nothing was started
  3    could not verify: a check could not run; treat it as not proven
  4    verified, but later than the runbook promises
  130  interrupted
Any other code means failure.";

const VERIFY_EXIT_CODES: &str = "\
Exit codes:
  0    verified: every required statement was shown
  1    verification failed: the backup is at fault
  2    usage or configuration: nothing was started
  3    could not verify: a check could not run, or nobody looked; treat it as not proven
  4    verified, but later than the runbook promises
  130  interrupted
Any other code means failure.";

/// The groups of commands in the help, by purpose.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Prove", &["verify", "run", "selftest", "list"]),
    ("Back up and restore", &["backup", "archive", "restore", "secrets"]),
    ("Plan", &["plan", "drill", "init"]),
    ("Evidence", &["report", "coverage", "evidence"]),
    ("Housekeeping", &["doctor", "clean", "completions", "help"]),
];

/// Proves that backups come back: completely, to the right moment, and within the time that the runbook promises.
#[derive(Debug, Parser)]
#[command(name = "comeback", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Settings file; default: comeback.toml in the current folder, if it exists
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Reads the command line. The error is clap's: a message, or the help that was asked for.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        let matches = grammar().try_get_matches()?;
        Self::from_arg_matches(&matches)
    }
}

/// The grammar, with the commands of the first help page in groups.
fn grammar() -> clap::Command {
    use std::fmt::Write as _;

    let mut command = Cli::command();
    command.build();
    let (header, literal) = (*command.get_styles().get_header(), *command.get_styles().get_literal());
    let about = |name: &str| command.find_subcommand(name).and_then(clap::Command::get_about);
    let mut groups = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(groups, "{header}{group}:{header:#}");
        for name in names {
            let about = about(name).map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(groups, "  {literal}{name:<11}{literal:#}  {about}");
        }
        groups.push('\n');
    }
    Cli::command().help_template(format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{groups}{header}Options:{header:#}\n{{options}}{{after-help}}"
    ))
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run drills: start, fill, back up, destroy, restore and judge servers
    #[command(after_help = EXIT_CODES)]
    Run(Box<RunArgs>),
    /// Verify a backup of your own: restore it on a throw-away server, and judge what came back
    #[command(after_help = VERIFY_EXIT_CODES)]
    Verify(Box<VerifyArgs>),
    /// Test the judges: inject each damage into a drill, which must then fail
    Selftest(SelftestArgs),
    /// Take, list, fetch, copy and prune backups
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Archive the log of a PostgreSQL server, and fetch it for a recovery
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Restore a backup, with the same code as the drills
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Export the secrets of a store, encrypted, or import an export
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// Show the plan of the full disaster recovery, as the runbook and the settings tell it
    #[command(subcommand)]
    Plan(PlanCommand),
    /// Record a recovery that people carry out by the plan: who did what when; then judge it
    #[command(subcommand)]
    Drill(DrillCommand),
    /// Write commented settings, after looking at your backups and your runbook
    Init(InitArgs),
    /// List the scenarios, their suites, objectives and damages
    List(ListArgs),
    /// Report what is installed, what is missing, and how to fix it
    Doctor(DoctorArgs),
    /// Remove what killed runs left behind
    Clean(CleanArgs),
    /// Regenerate the reports of a run from its journal
    Report(ReportArgs),
    /// Tell which of your backups were verified lately, what that showed, and what nobody looked at
    Coverage(CoverageArgs),
    /// Keep the evidence of runs where it outlives this machine, list it, and fetch it again
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// The sample application that drills recover, with its configuration in the environment
    #[command(hide = true)]
    SampleApp,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Names of the scenarios to run; without names, all scenarios of the suite
    pub(crate) scenarios: Vec<String>,
    /// Run the scenarios of this suite
    #[arg(long)]
    pub(crate) suite: Option<SuiteArg>,
    /// Where servers run
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// Amount of data: ci, small, medium, large, or a size such as 500MB
    #[arg(long)]
    pub(crate) scale: Option<Scale>,
    /// Seed that reproduces data, writes and damage; random by default, and printed
    #[arg(long, value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
    /// Number of drills to run at once
    #[arg(long, value_parser = values::at_least_one::<std::num::NonZeroUsize>)]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Keep the servers after the run, and print how to connect
    #[arg(long)]
    pub(crate) keep: bool,
    /// Inject this damage; the run must then fail, which proves that its judge works
    #[arg(long, value_name = "NAME", value_parser = values::damage)]
    pub(crate) damage: Option<&'static DamageSpec>,
    /// Show the values of restored rows in findings; they then become part of the evidence
    #[arg(long)]
    pub(crate) show_values: bool,
}

/// Where a run or a restore leaves its evidence.
#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    /// Folder for evidence; each run creates a subfolder in it
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Also write the JUnit report here; it exists from the start and says error until the end
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Print more about what is going on
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookArgs {
    /// Your runbook; its procedures and objectives are drilled
    #[arg(long, value_name = "FILE")]
    pub(crate) runbook: Option<PathBuf>,
    /// Use the built-in sample runbook instead of your own; the reports say so
    #[arg(long, conflicts_with = "runbook")]
    pub(crate) sample_runbook: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Scenarios to test with all of their damages; without names, every damage is tried once
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// Try only this damage; may be repeated
    #[arg(long, value_name = "NAME", value_parser = values::damage)]
    pub(crate) damage: Vec<&'static DamageSpec>,
    /// Try only damages of this class; may be repeated
    #[arg(long, value_name = "CLASS", value_parser = values::damage_class)]
    pub(crate) class: Vec<&'static str>,
    /// Where servers run
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// Seed of the first drill; each later drill has the next; random by default, and printed
    #[arg(long, value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    /// Folder for the evidence of drills that went wrong
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Write a JUnit report to this file, with a case for each damage
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Number of drills to run at once; default: one for each processor
    #[arg(long, value_parser = values::at_least_one::<std::num::NonZeroUsize>)]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    /// Also show the damages that each scenario's judges detect
    #[arg(long)]
    pub(crate) damages: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The substrate to check; default: the same as for `run`
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// The repository to clean of unfinished backups; default: the one in the settings
    #[arg(long, value_name = "URL")]
    pub(crate) repository: Option<RepositoryUrl>,
    /// The substrate to sweep; default: both, but Docker only if its daemon answers
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// Also remove servers that were kept with --keep
    #[arg(long)]
    pub(crate) kept: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The evidence folder of a run
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SuiteArg {
    /// For every change; takes about a minute
    Ci,
    /// Every Sunday at 06:00
    Weekly,
    /// The newest of your backups, as comeback.toml declares them
    Monthly,
    /// The quarterly recovery test
    Quarterly,
}

impl From<SuiteArg> for Suite {
    fn from(arg: SuiteArg) -> Self {
        match arg {
            SuiteArg::Ci => Self::Ci,
            SuiteArg::Weekly => Self::Weekly,
            SuiteArg::Monthly => Self::Monthly,
            SuiteArg::Quarterly => Self::Quarterly,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SubstrateArg {
    /// Docker if it is available, local processes otherwise
    Auto,
    /// Containers
    Docker,
    /// Processes on this machine
    Local,
}

impl From<SubstrateArg> for SubstrateChoice {
    fn from(arg: SubstrateArg) -> Self {
        match arg {
            SubstrateArg::Auto => Self::Auto,
            SubstrateArg::Docker => Self::Docker,
            SubstrateArg::Local => Self::Local,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    /// The help of a command and of those below it.
    fn help(command: &clap::Command, before: &str, text: &mut String) {
        let name = format!("{before}{}", command.get_name());
        let help = command.clone().term_width(100).render_long_help();
        let _ = write!(text, "──── {name}\n{}\n\n", help.to_string().trim_end());
        let shown = |below: &&clap::Command| below.get_name() != "help" && !below.is_hide_set();
        for below in command.get_subcommands().filter(shown) {
            self::help(below, &format!("{name} "), text);
        }
    }

    #[test]
    fn the_help_of_every_command() {
        let mut command = grammar();
        command.build();
        let mut text = String::new();
        help(&command, "", &mut text);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn every_command_is_in_one_group() {
        let mut command = Cli::command();
        command.build();
        let shown = command.get_subcommands().filter(|one| !one.is_hide_set());
        let mut commands: Vec<_> = shown.map(clap::Command::get_name).collect();
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        commands.sort_unstable();
        grouped.sort_unstable();
        assert_eq!(grouped, commands);
    }
}
