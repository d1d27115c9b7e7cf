//! Judges the choice of the backup: whether it is the newest one.

use async_trait::async_trait;
use comeback_error::Result;
use comeback_model::{Finding, FindingCode, Manifest};

use super::{Judge, Opinion};

/// Compares the manifest of the restored backup with the manifest that was recorded when the newest backup was
/// taken. This is necessary because an old backup under a new name restores without an error.
pub struct NewestBackup<'a> {
    /// The manifest that was recorded before the disaster.
    pub recorded: &'a Manifest,
    /// The manifest that the repository returned.
    pub restored: &'a Manifest,
}

#[async_trait]
impl Judge for NewestBackup<'_> {
    fn name(&self) -> &'static str {
        "newest-backup"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { recorded, restored } = self;
        let summary = format!("restored backup {}, taken at {}", restored.id, restored.taken_at);
        let described = |manifest: &Manifest| format!("backup {} of {}", manifest.id, manifest.taken_at);
        let finding = if restored.taken_at < recorded.taken_at {
            Some(Finding::new(
                FindingCode::BackupStale,
                &restored.id,
                described(recorded),
                described(restored),
            ))
        } else if restored != recorded {
            let changed = format!("{} with another manifest than was recorded", described(restored));
            Some(Finding::new(FindingCode::BackupDamaged, &restored.id, described(recorded), changed))
        } else {
            None
        };
        let finding = finding
            .map(|finding| finding.remedy("find out what replaced the newest backup in the repository"));
        Ok(Opinion::new(summary, finding))
    }
}
