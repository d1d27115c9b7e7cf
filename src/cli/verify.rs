//! Defines the command that verifies backups of the user.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use comeback_engine::artefact::{Creatable, Skippable};
use comeback_model::{RecoveryTarget, Statement};

use super::{EvidenceArgs, SubstrateArg, values};
use crate::rolling::Choice;

const BACKUP: &str = "The backup: a file or folder, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, - for the standard input, \
    or the name of a [[backup]] in comeback.toml";

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct VerifyArgs {
    #[arg(value_name = "BACKUP", help = BACKUP)]
    pub(crate) source: String,
    /// What it is, if its content is not to decide: sql, pg-dump, base-backup, base-tar, pgbackrest, barman, rdb, aof,
    /// csv, secrets, …; a wrong name lists them all
    #[arg(long = "as", value_name = "KIND")]
    pub(crate) kind: Option<String>,
    /// Which backup of a place that keeps several: latest (the default), random, oldest-unverified (the one whose
    /// verification is longest ago, by the evidence), or its name
    #[arg(long, value_name = "WHICH", value_parser = values::select)]
    pub(crate) select: Option<Choice>,
    /// Only list what can be recovered: the backups of the place, and where their log ends; nothing is restored
    #[arg(long, conflicts_with_all = ["record", "keep", "junit"])]
    pub(crate) list: bool,
    /// The moment to recover to: a time, a position in the log, or latest
    #[arg(long, value_name = "TIME|LSN|latest", value_parser = values::target)]
    pub(crate) at: Option<RecoveryTarget>,
    /// The stanza of a pgBackRest repository, or the server of a Barman one
    #[arg(long, value_name = "NAME")]
    pub(crate) stanza: Option<String>,
    /// The folder of the log segments that belong to a base backup
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// The file with roles and tablespaces beside a dump, as `pg_dumpall --globals-only` writes it
    #[arg(long, value_name = "FILE")]
    pub(crate) globals: Option<PathBuf>,
    /// The private key that opens an encrypted backup; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) identity: Vec<PathBuf>,
    /// What to make up if the backup needs it and it is not there; the report says so
    #[arg(long, value_name = "roles|tablespaces", value_delimiter = ',', value_parser = values::creatable)]
    pub(crate) create_missing: Vec<Creatable>,
    /// The database that your queries ask, if the backup has several
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The file with what was recorded of an earlier verified restore, to compare this one with
    #[arg(long, value_name = "FILE")]
    pub(crate) reference: Option<PathBuf>,
    /// Record this restore as the reference, if it is verified; one that is there is compared first
    #[arg(long)]
    pub(crate) record: bool,
    /// The live database to compare with, read in a transaction that cannot write; its password comes from
    /// PGPASSWORD, PGPASSFILE or ~/.pgpass
    #[arg(long = "source", value_name = "URL")]
    pub(crate) live: Option<String>,
    /// A table in which nothing changes any more: it is compared row by row with the live database, and kept so in what
    /// is recorded; may be repeated
    #[arg(long, value_name = "TABLE")]
    pub(crate) frozen: Vec<String>,
    /// A judge to leave out, which takes long on a large database; the report says so
    #[arg(long, value_name = "structure|constraints|page-checksums", value_delimiter = ',', value_parser = values::skippable)]
    pub(crate) skip: Vec<Skippable>,
    /// Let a backup pass that holds no row at all
    #[arg(long)]
    pub(crate) allow_empty: bool,
    /// The statements that must be shown; default: restored and sound
    #[arg(long, value_name = "STATEMENT", value_delimiter = ',', value_parser = values::statement)]
    pub(crate) require: Vec<Statement>,
    /// The Docker image that the throw-away server comes from, such as one with the extensions of the backup
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// The folder of server programs that it comes from as a process of this machine
    #[arg(long, value_name = "DIR")]
    pub(crate) bin: Option<PathBuf>,
    /// Where the throw-away server runs
    #[arg(long)]
    pub(crate) substrate: Option<SubstrateArg>,
    /// Number of connections and processes that load and check at once; default: one for each processor
    #[arg(long, value_parser = values::at_least_one::<NonZeroUsize>)]
    pub(crate) jobs: Option<NonZeroUsize>,
    /// Seed of random choices; random by default, and printed
    #[arg(long, value_parser = values::whole_number::<u64>)]
    pub(crate) seed: Option<u64>,
    /// Run the restored server without a cell around it; the report says so
    #[arg(long)]
    pub(crate) uncontained: bool,
    /// Keep the server after the run, and print how to connect
    #[arg(long)]
    pub(crate) keep: bool,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
