//! What damages are done to.

/// What a damage is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DamageClass {
    /// What a workload wrote.
    Writes,
    /// A restored PostgreSQL cluster.
    Cluster,
    /// The choice of the newest backup.
    Choice,
    /// The bytes of any backup.
    Backup,
    /// What a base backup was made of.
    BaseBackup,
    /// The archive of the log.
    Archive,
    /// What a SQL export was made of.
    Export,
    /// What a Redis server holds.
    Keyspace,
    /// What a snapshot of Redis was made of.
    Snapshot,
    /// What an export of one table was made of.
    Csv,
    /// A bucket, its versions, and what was restored in it.
    Bucket,
    /// Secrets, their export and its keys.
    Secrets,
}

impl DamageClass {
    /// Every class.
    pub const ALL: &[Self] = &[
        Self::Writes,
        Self::Cluster,
        Self::Choice,
        Self::Backup,
        Self::BaseBackup,
        Self::Archive,
        Self::Export,
        Self::Keyspace,
        Self::Snapshot,
        Self::Csv,
        Self::Bucket,
        Self::Secrets,
    ];

    /// The name on the command line, such as `base-backup`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Cluster => "cluster",
            Self::Choice => "choice",
            Self::Backup => "backup",
            Self::BaseBackup => "base-backup",
            Self::Archive => "archive",
            Self::Export => "export",
            Self::Keyspace => "keyspace",
            Self::Snapshot => "snapshot",
            Self::Csv => "csv",
            Self::Bucket => "bucket",
            Self::Secrets => "secrets",
        }
    }
}

impl std::str::FromStr for DamageClass {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.iter().find(|class| class.name() == name).copied().ok_or_else(|| {
            let names = Self::ALL.iter().map(|class| class.name()).collect::<Vec<_>>().join(", ");
            format!("there is no class of damages named `{name}`: there are {names}")
        })
    }
}

impl std::fmt::Display for DamageClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}
