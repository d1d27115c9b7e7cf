//! Defines the commands that back up and restore real PostgreSQL servers.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use comeback_error::{Error, Result};
use comeback_model::{Lsn, RecoveryPoint, RecoveryTarget};
use jiff::Timestamp;

use super::{EvidenceArgs, IDENTITY, REPOSITORY, values};
use crate::repository::RepositoryUrl;

const SERVER: &str = "The server: postgres://USER@HOST:PORT/DATABASE, or postgres://USER@/DATABASE?host=/SOCKET/FOLDER; \
    its password comes from --password-file, PGPASSWORD, PGPASSFILE or ~/.pgpass";

/// What the role of the source must be allowed to do.
pub(crate) const GRANTS: &str = "\
What the role needs, if it is no superuser (checked before the backup begins):
  csv     SELECT on the table and on the sequences of its columns
  dump    pg_read_all_data, BYPASSRLS if a table has row-level security,
          lo_compat_privileges = on if there are large objects of others
  base    that, the attribute REPLICATION, a line for `replication` in pg_hba.conf,
          EXECUTE on pg_ls_waldir, pg_read_binary_file, pg_create_restore_point,
          pg_switch_wal and pg_show_all_file_settings in the database of the address,
          and the right to lock tables: pg_maintain, or before PostgreSQL 17 pg_write_all_data;
          a superuser, if there are large objects of others
  base --no-barrier
          REPLICATION, the line in pg_hba.conf, EXECUTE on pg_ls_waldir and pg_read_binary_file
A base backup keeps a lock on each table until its rows are read, as pg_dump does (ACCESS SHARE):
reads and writes pass, and ALTER TABLE waits. --no-barrier takes no lock.
The client programs pg_basebackup, pg_dump and pg_dumpall run on this machine, as you.";

/// What becomes of a restored cluster.
pub(crate) const RESTORED_CLUSTER: &str = "\
A base backup is recovered beside the folder, and gets its name only when its files are those of the
backup and it has opened. Its rows and definitions are compared too, unless you name a target or the
backup was taken with --no-barrier: then nothing is recorded of that moment.
It is stopped then, with its own configuration. Before you start it, look at archive_command,
primary_conninfo, listen_addresses and the paths in postgresql.conf. It belongs to you; if you
are root, to the owner of the folder above, or to postgres if that is root.
A dump creates the roles that are missing, and leaves the others as they are.
A restore that fails or is interrupted removes what it created. One that is killed leaves a
folder .comeback-restore-* beside the target, or a part of the new database.

Exit codes:
  0    verified: everything came back
  1    verification failed: something did not come back
  2    usage or configuration: nothing was started
  3    could not verify: a check could not run; treat it as not proven
  130  interrupted
Any other code means failure.";

#[derive(Debug, Args)]
pub(crate) struct BackupPostgresArgs {
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) from: String,
    /// What to take: the whole cluster as files, one database as a dump, or the rows of one table
    #[arg(long, value_enum, default_value = "base")]
    pub(crate) format: BackupFormat,
    /// The database of the dump or of the table; default: that of the address
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The table of a csv export, as in SQL: public.stories
    #[arg(long, value_name = "TABLE", required_if_eq("format", "csv"))]
    pub(crate) table: Option<String>,
    /// Lock no table and set no restore point: the backup can be restored, but never judged `exact`; works on a standby
    #[arg(long)]
    pub(crate) no_barrier: bool,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The folder of PostgreSQL's client programs, at least as new as the server
    #[arg(long, value_name = "DIR")]
    pub(crate) bin: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    /// Then remove backups of the same kind and source that are older than this, but never the newest good one
    #[arg(long, value_name = "DAYS", value_parser = values::at_least_one::<NonZeroU32>)]
    pub(crate) keep_days: Option<NonZeroU32>,
}

/// What a backup of PostgreSQL consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackupFormat {
    /// The files of the whole cluster
    Base,
    /// One database and the roles, as `pg_dump --format=custom` writes it
    Dump,
    /// The rows of one table
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct RestorePostgresArgs {
    /// The backup's id, as `comeback backup list` shows it
    pub(crate) id: String,
    /// Where it comes back. A base backup: a folder that does not exist or is empty, which becomes the data directory.
    /// A dump: postgres://USER@HOST:PORT, a running server that does not have the database
    #[arg(long, value_name = "DIR|URL")]
    pub(crate) to: String,
    /// Recover to this time; the log comes from the archive in the repository
    #[arg(long, value_name = "TIME", value_parser = values::moment, group = "target")]
    pub(crate) at: Option<Timestamp>,
    /// Recover to this position in the log
    #[arg(long, value_name = "LSN", value_parser = values::position, group = "target")]
    pub(crate) lsn: Option<Lsn>,
    /// Recover to the end of this transaction
    #[arg(long, value_name = "XID", value_parser = values::whole_number::<u32>, group = "target")]
    pub(crate) xid: Option<u32>,
    /// Recover to this restore point, as `pg_create_restore_point` set it
    #[arg(long, value_name = "NAME", group = "target")]
    pub(crate) name: Option<String>,
    /// Stop before what is exactly at that time, position or transaction
    #[arg(long, requires = "target", conflicts_with = "name")]
    pub(crate) exclusive: bool,
    /// The file that holds the password of the server
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// The folder of PostgreSQL's programs
    #[arg(long, value_name = "DIR")]
    pub(crate) bin: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    #[arg(long, value_name = "FILE", help = IDENTITY)]
    pub(crate) identity: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}

impl RestorePostgresArgs {
    /// The target of the recovery, if one was named.
    pub(crate) fn target(&self) -> Result<Option<RecoveryTarget>> {
        let point = match (self.at, self.lsn, self.xid, &self.name) {
            (None, None, None, None) => return Ok(None),
            (Some(at), None, None, None) => RecoveryPoint::Time(at),
            (None, Some(lsn), None, None) => RecoveryPoint::Lsn(lsn),
            (None, None, Some(xid), None) => RecoveryPoint::Xid(xid),
            (None, None, None, Some(name)) => RecoveryPoint::Name(name.clone()),
            _ => return Err(Error::usage("a recovery has one target: --at, --lsn, --xid or --name")),
        };
        let to = if self.exclusive { RecoveryTarget::before } else { RecoveryTarget::including };
        Ok(Some(to(point)))
    }
}

#[derive(Debug, Args)]
pub(crate) struct RestoreCsvArgs {
    /// The backup's id, as `comeback backup list` shows it
    pub(crate) id: String,
    #[arg(long, value_name = "URL", help = SERVER)]
    pub(crate) to: String,
    /// The table, as in SQL: public.stories. It exists and is empty; other sessions see no row before all are proven
    #[arg(long, value_name = "TABLE")]
    pub(crate) table: String,
    /// The database of the table; default: that of the export
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    #[arg(long, value_name = "URL", help = REPOSITORY)]
    pub(crate) repository: Option<RepositoryUrl>,
    #[arg(long, value_name = "FILE", help = IDENTITY)]
    pub(crate) identity: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: EvidenceArgs,
}
