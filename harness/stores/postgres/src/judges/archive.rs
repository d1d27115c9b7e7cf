//! Judge of the log archive before a disaster: would a disaster now lose more than allowed?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::{Finding, FindingCode, Objective};

use crate::ArchiveHealth;
use crate::error::Result;

/// Segments that may be complete and in transit.
const SEGMENTS_ON_THEIR_WAY: u64 = 3;
/// How many bytes an idle server writes into its log by itself, without closing a segment.
const IDLE_BYTES: u64 = 8192;

/// Compares how far the archive is behind its server with the allowed loss.
///
/// It does not read the archived segments: a damaged segment is found when it is fetched.
pub struct ArchiveJudge<'a> {
    /// What was measured before the disaster.
    pub health: &'a ArchiveHealth,
    /// The allowed loss, if the runbook sets one; an error if the limit is not understood.
    pub loss_objective: &'a Result<Option<Objective>>,
}

#[async_trait]
impl Judge for ArchiveJudge<'_> {
    fn name(&self) -> &'static str {
        "log-archive"
    }

    async fn judge(&self) -> Result<Opinion> {
        let health = self.health;
        let summary = format!(
            "the archive reaches {}, {} bytes behind the server",
            health.archived_to,
            health.behind_bytes()
        );
        let mut findings: Vec<_> = health.gap.iter().cloned().collect();
        if let Some(failing) = &health.failing {
            let found = format!("it could not hand over {failing}");
            findings.push(behind("a server that hands over its log", found));
        }
        if health.waiting_segments > SEGMENTS_ON_THEIR_WAY {
            let found = format!("{} complete segments that are not in it", health.waiting_segments);
            findings.push(behind(&format!("at most {SEGMENTS_ON_THEIR_WAY} segments on their way"), found));
        }
        let objective = match self.loss_objective {
            Ok(objective) => objective.as_ref(),
            // Findings are reported even without a readable limit, but without the limit the archive cannot
            // pass.
            Err(error) if findings.is_empty() => return Err(error.clone()),
            Err(_) => None,
        };
        let too_old = objective.filter(|objective| !objective.is_met_by(health.handed_over_ms));
        if let Some(objective) = too_old.filter(|_| health.behind_bytes() > IDLE_BYTES) {
            let seconds = |ms: u64| format!("{:.1} s", ms as f64 / 1_000.0);
            let limit = format!("a segment at least every {}", seconds(objective.upper_ms));
            let found = format!("{} since the last one", seconds(health.handed_over_ms));
            findings.push(behind(&limit, found));
        }
        Ok(Opinion::new(summary, findings))
    }
}

fn behind(expected: &str, actual: String) -> Finding {
    Finding::new(FindingCode::ArchiveBehind, "log archive", expected, actual)
        .remedy("see pg_stat_archiver and the server's log for why, and take a base backup once it is mended")
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_model::{Citation, Lsn};

    async fn judged(change: impl FnOnce(&mut ArchiveHealth)) -> Vec<String> {
        let mut health = ArchiveHealth {
            insert_lsn: Lsn(0x600_0100),
            archived_to: Lsn(0x600_0000),
            waiting_segments: 0,
            handed_over_ms: 1_000,
            failing: None,
            gap: None,
        };
        change(&mut health);
        let text = |text: &str| text.to_owned();
        let source =
            Citation { file: text("runbook.md"), line: 1, section: text("4.1"), text: text("5 min") };
        let objective = Ok(Some(Objective { lower_ms: None, upper_ms: 300_000, source }));
        let judge = ArchiveJudge { health: &health, loss_objective: &objective };
        judge.judge().await.unwrap().findings.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn an_archive_that_keeps_up_is_no_finding() {
        assert_eq!(judged(|_| {}).await, [""; 0]);
        // An idle server has nothing to hand over.
        assert_eq!(judged(|health| health.handed_over_ms = 900_000).await, [""; 0]);
    }

    #[tokio::test]
    async fn an_archive_that_is_behind_is_noticed() {
        let old = judged(|health| {
            health.handed_over_ms = 900_000;
            health.insert_lsn = Lsn(0x680_0000);
        });
        let expected = "expected a segment at least every 300.0 s, found 900.0 s since the last one";
        assert_eq!(old.await, [format!("archive-behind log archive: {expected}")]);
        assert_eq!(judged(|health| health.waiting_segments = 4).await.len(), 1);
        assert_eq!(judged(|health| health.failing = Some("x at y".to_owned())).await.len(), 1);
    }
}
