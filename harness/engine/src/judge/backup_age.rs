//! Is the newest backup as new as its schedule promises?

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};
use jiff::{SignedDuration, Timestamp};

use super::{Judge, Opinion};

/// How old the newest backup may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgeLimit {
    /// The schedule, as the user wrote it.
    pub schedule: String,
    /// The greatest age that it allows.
    pub most: SignedDuration,
}

/// Compares the age of the newest backup with its schedule. A backup that does not say when it was taken counts from
/// when its newest file was written.
pub struct BackupAge<'a> {
    /// The backup, in findings.
    pub subject: &'a str,
    /// When it was taken or written; `None` if nobody says.
    pub taken_at: Option<Timestamp>,
    /// The present time.
    pub now: Timestamp,
    /// The limit.
    pub limit: &'a AgeLimit,
}

#[async_trait]
impl Judge for BackupAge<'_> {
    fn name(&self) -> &'static str {
        "backup-age"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { subject, now, limit: AgeLimit { schedule, most }, .. } = self;
        let taken_at = self.taken_at.ok_or_else(|| {
            Error::could_not_verify("neither the backup nor its place says when it was taken")
                .hint("leave `schedule` out of its [[backup]]")
        })?;
        let age = now.duration_since(taken_at);
        let told = SignedDuration::from_mins(age.as_mins());
        let summary = format!("the newest backup is {told:#} old, and `{schedule}` allows {most:#}");
        let finding = (age > *most).then(|| {
            let expected = format!("a backup not older than {most:#}, by the schedule `{schedule}`");
            Finding::new(FindingCode::BackupStale, *subject, expected, format!("the newest is of {taken_at}"))
                .remedy("look at the job that takes it: it failed, did not run, or writes to another place")
        });
        Ok(Opinion::new(summary, finding))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_backup_is_as_old_as_its_schedule_allows_or_stale() {
        let limit = AgeLimit { schedule: "0 3 * * *".to_owned(), most: SignedDuration::from_hours(36) };
        let now: Timestamp = "2026-11-30T15:00:00Z".parse().unwrap();
        let judged = async |taken_at: Option<&str>| {
            let taken_at = taken_at.map(|at| at.parse().unwrap());
            BackupAge { subject: "app", taken_at, now, limit: &limit }.judge().await
        };
        let good = judged(Some("2026-11-30T03:00:00Z")).await.unwrap();
        assert_eq!(good.summary, "the newest backup is 12h old, and `0 3 * * *` allows 36h");
        assert_eq!(good.findings, []);
        let stale = judged(Some("2026-11-29T02:59:00Z")).await.unwrap();
        assert_eq!(stale.findings[0].code, FindingCode::BackupStale);
        assert!(judged(None).await.unwrap_err().message().contains("says when it was taken"));
    }
}
