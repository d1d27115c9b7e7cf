//! Defines how the commands are told of a server of Redis.

use std::path::PathBuf;

use clap::Args;

/// The help of an option that names a server.
pub(super) const SERVER: &str = "The server: redis://HOST:PORT, redis://USER@HOST:PORT or unix:///PATH; rediss:// for \
    TLS; redis+sentinel://HOST:PORT,HOST:PORT/NAME for the primary that sentinels know by this name. Its password \
    comes from the environment variable REDISCLI_AUTH or from a file";

/// What a backup needs; [`comeback_redis::BACKUP_RULES`].
pub(super) const BACKUP_RIGHTS: &str = "\
Rights: the server is read as a replica reads it. A user for backups needs
  ACL SETUSER backup on >PASSWORD +info +time +psync +replconf +acl|users
A user of the sentinels, named as redis+sentinel://…/NAME?sentinel-user=USER, needs
  +info +sentinel|get-master-addr-by-name +sentinel|master

A replica is backed up while its link is up; its primary is asked with the same log-in how far ahead it is. \
A node of a cluster is refused: it holds only a part of the keys.";

/// What a restore needs; [`comeback_redis::RESTORE_RULES`].
pub(super) const RESTORE_RIGHTS: &str = "\
Rights: a user for restores needs those of a backup, and more. They are tried before anything is started.
  ACL SETUSER restore on >PASSWORD
    +info +time +psync +replconf +acl|users
    ~* +multi +exec +discard +select +config|get +dbsize +exists +set +del
    +restore +flushdb +swapdb +function|dump +function|restore

A replica and a node of a cluster are refused. Sentinels are asked again right before the content is exchanged: \
after a failover, the former primary is not written to.";

/// How to log in to the server; the names are those of redis-cli, where it has the option.
#[derive(Debug, Args)]
pub(crate) struct RedisLoginArgs {
    /// The file that holds the password
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// TLS: the file with the certificate that signed the server's; default: those that this machine trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) cacert: Option<String>,
    /// TLS: the file with the client's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) cert: Option<String>,
    /// TLS: the file with the key of the client's certificate
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<String>,
    /// TLS: the name that the server's certificate must have; default: the host in the address
    #[arg(long, value_name = "HOST")]
    pub(crate) sni: Option<String>,
    /// The file that holds the password of the sentinels
    #[arg(long, value_name = "FILE")]
    pub(crate) sentinel_password_file: Option<PathBuf>,
}
