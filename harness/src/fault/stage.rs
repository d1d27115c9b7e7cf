//! When each damage is injected.

/// When a damage is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageStage {
    /// Into the repository, between the backup and the restore.
    Repository,
    /// Into the archive of the log, between the disaster and the restore.
    Archive,
    /// Into the file of an export of secrets, before it is put into the repository.
    ExportFile,
    /// Into an encrypted export in the repository, or into the key that opens it.
    Export,
    /// Into the server that a secret opens, between the backup and the disaster.
    Rotation,
    /// Into the restored server, before the judges look.
    Restored,
    /// Into what the workload wrote to the restored server, which takes its ledger.
    Writes,
    /// Into the settings of a bucket, while all is well.
    Settings,
    /// Into the old versions that a bucket keeps, between the disaster and the restore.
    Versions,
}
