//! The command line's grammar.

mod backups;
mod objects;
mod secrets;
mod values;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use comeback_engine::damage::DamageSpec;
use comeback_engine::runner::Suite;
use comeback_engine::substrate::SubstrateChoice;
use comeback_fixtures::Scale;

pub(crate) use backups::{
    BackupCommand, BackupFetchArgs, BackupListArgs, BackupRedisArgs, RestoreCommand, RestoreRedisArgs,
};
pub(crate) use objects::RestoreObjectsArgs;

pub(crate) use secrets::{SecretsCommand, SecretsExportArgs, SecretsImportArgs};

const EXIT_CODES: &str = "\
Exit codes:
  0    verified: everything came back
  1    verification failed: something did not
  2    usage or configuration: nothing was started
  3    could not verify: nobody looked, or nobody could
  4    verified, but later than the runbook promises
  130  interrupted
Any other code means failure.";

/// The commands as the help shows them: what they are for, and their names.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Prove", &["run", "selftest", "list"]),
    ("Back up, bring back", &["backup", "restore", "secrets"]),
    ("Evidence", &["report"]),
    ("Housekeeping", &["doctor", "clean", "completions", "help"]),
];

/// Proves that backups come back: completely, to the right moment, and inside the time that the runbook promises.
#[derive(Debug, Parser)]
#[command(name = "comeback", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Settings; comeback.toml of the current folder where there is one
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
    /// Test the judges: inject each damage into a drill, which must then fail
    Selftest(SelftestArgs),
    /// Take backups, list them, fetch them
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Bring a backup back, with the code that the drills run
    #[command(subcommand)]
    Restore(RestoreCommand),
    /// Export the secrets of a store, encrypted; import them again
    #[command(subcommand)]
    Secrets(SecretsCommand),
    /// List the scenarios, their suites, objectives and damages
    List(ListArgs),
    /// Say what is there, what is not, and what to do about it
    Doctor(DoctorArgs),
    /// Remove what killed runs left behind
    Clean(CleanArgs),
    /// Make the reports of a run again from its journal
    Report(ReportArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The scenarios to run, by name; all of the suite where none is named
    pub(crate) scenarios: Vec<String>,
    /// Run the scenarios of this occasion
    #[arg(long)]
    pub(crate) suite: Option<SuiteArg>,
    /// Where servers run
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// How much data: ci, small, medium, large, or a size such as 500MB
    #[arg(long)]
    pub(crate) scale: Option<Scale>,
    /// Reproduces data, writes and damage; random where it is not given, and printed
    #[arg(long, value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    /// Where the evidence of each run gets a folder of its own
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Write the JUnit report here too; it exists, and says error, from the start
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// How many drills run at once
    #[arg(long, value_parser = values::at_least_one::<std::num::NonZeroUsize>)]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
    /// Keep the servers after the run, and print how to connect
    #[arg(long)]
    pub(crate) keep: bool,
    /// Inject this damage: the run must then fail, or the judges are worth nothing
    #[arg(long, value_name = "NAME", value_parser = values::damage)]
    pub(crate) damage: Option<&'static DamageSpec>,
    /// Show in findings what a restored row holds: its values are then part of the evidence
    #[arg(long)]
    pub(crate) show_values: bool,
    /// Tell more about what is going on
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// Where a restore is told.
#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    /// Where the evidence of each restore gets a folder of its own
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Write the JUnit report here too; it exists, and says error, from the start
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Tell more about what is going on
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RunbookArgs {
    /// Your runbook, whose procedures and objectives are drilled
    #[arg(long, value_name = "FILE")]
    pub(crate) runbook: Option<PathBuf>,
    /// Use the built-in sample runbook in place of one of yours; the reports say so
    #[arg(long, conflicts_with = "runbook")]
    pub(crate) sample_runbook: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Scenarios, with all of their damages; every damage once, if none is named
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,
    /// Only this damage; may be given again
    #[arg(long, value_name = "NAME", value_parser = values::damage)]
    pub(crate) damage: Vec<&'static DamageSpec>,
    /// Only damages of this class; may be given again
    #[arg(long, value_name = "CLASS", value_parser = values::damage_class)]
    pub(crate) class: Vec<&'static str>,
    /// Where servers run
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// The seed of the first drill, each further one has the next; random where it is not given, and printed
    #[arg(long, value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    /// Where the evidence of drills that went wrong gets a folder
    #[arg(long, value_name = "DIR")]
    pub(crate) evidence_dir: Option<PathBuf>,
    /// Write a JUnit report here, with a case for each damage
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// How many drills run at once; one for each processor where it is not given
    #[arg(long, value_parser = values::at_least_one::<std::num::NonZeroUsize>)]
    pub(crate) jobs: Option<std::num::NonZeroUsize>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) runbook: RunbookArgs,
    /// Show what damages each scenario's judges notice, too
    #[arg(long)]
    pub(crate) damages: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The substrate to look at; the run's choice where none is named
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
}

#[derive(Debug, Args)]
pub(crate) struct CleanArgs {
    /// The repository in which killed backups left unfinished ones; that of the settings where none is named
    #[arg(long, value_name = "DIR")]
    pub(crate) repository: Option<PathBuf>,
    /// The substrate to sweep; both where none is named, but for a Docker daemon that is not there
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// Remove servers that were kept with --keep, too
    #[arg(long)]
    pub(crate) kept: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The evidence folder of a run
    pub(crate) dir: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SuiteArg {
    /// On every change: a gate of a minute
    Ci,
    /// Every Sunday at 06:00
    Weekly,
    /// The quarterly recovery test
    Quarterly,
}

impl From<SuiteArg> for Suite {
    fn from(arg: SuiteArg) -> Self {
        match arg {
            SuiteArg::Ci => Self::Ci,
            SuiteArg::Weekly => Self::Weekly,
            SuiteArg::Quarterly => Self::Quarterly,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SubstrateArg {
    /// Docker if it can, local processes otherwise
    Auto,
    /// Containers
    Docker,
    /// Processes of this machine
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
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
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
        let mut commands: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut grouped: Vec<_> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        (commands.sort_unstable(), grouped.sort_unstable());
        assert_eq!(grouped, commands);
    }
}
