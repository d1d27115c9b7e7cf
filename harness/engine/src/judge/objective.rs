//! Judges the documented limits: time to recovery, and loss.

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Citation, Finding, FindingCode, Objective};

use super::{Judge, Opinion};
use crate::evidence::Loss;

/// Compares the time to recovery with the runbook. Without a documented limit the verdict is *could not verify*:
/// there is no default.
pub struct TimeObjective<'a> {
    /// The limit, or why the runbook gives none.
    pub objective: &'a Result<Objective>,
    /// Time to recovery, from declared to recovered, in milliseconds.
    pub ttr_ms: u64,
    /// The steps of the recovery, and how long each took, in milliseconds.
    pub steps: Vec<(String, u64)>,
    /// Whether sample data was recovered: a time that it meets promises nothing for production.
    pub is_sample: bool,
    /// A wait that the drill shortened; the documented one is judged in its place.
    pub shortened: Option<&'a ShortenedWait>,
}

/// A wait that takes long in production, such as that for the TTL of a DNS record, and was drilled with a short one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortenedWait {
    /// What was waited for: `the TTL of the old record`.
    pub what: String,
    /// How long the drill waited for it, in milliseconds.
    pub drilled_ms: u64,
    /// How long it takes as documented, in milliseconds.
    pub documented_ms: u64,
    /// The place where that is documented.
    pub source: Citation,
}

impl ShortenedWait {
    /// The measured time with the documented wait in the place of the drilled one, in milliseconds.
    pub fn judged_ms(&self, measured_ms: u64) -> u64 {
        measured_ms.saturating_sub(self.drilled_ms).saturating_add(self.documented_ms)
    }

    /// The measured time, and how the judged one comes from it.
    fn told(&self, measured_ms: u64) -> String {
        format!(
            "{} were measured, {} of them for {}, which takes {} by {}",
            seconds(measured_ms),
            seconds(self.drilled_ms),
            self.what,
            seconds(self.documented_ms),
            self.source.quoted()
        )
    }
}

impl TimeObjective<'_> {
    /// The slowest steps, which together took most of the time.
    fn slowest(&self) -> String {
        let mut steps = self.steps.iter().collect::<Vec<_>>();
        steps.sort_by_key(|(_, elapsed_ms)| std::cmp::Reverse(*elapsed_ms));
        let named =
            steps.iter().take(SLOWEST_NAMED).map(|(title, ms)| format!("{} in {title:?}", seconds(*ms)));
        named.collect::<Vec<_>>().join(", ")
    }
}

#[async_trait]
impl Judge for TimeObjective<'_> {
    fn name(&self) -> &'static str {
        "time-objective"
    }

    async fn judge(&self) -> Result<Opinion> {
        let objective = self.objective.as_ref().map_err(Error::clone)?;
        let judged_ms = self.shortened.map_or(self.ttr_ms, |wait| wait.judged_ms(self.ttr_ms));
        let mut opinion = judge_limit(objective, judged_ms, "time to recovery", "recovered");
        if let Some(wait) = self.shortened {
            let told = wait.told(self.ttr_ms);
            for finding in &mut opinion.findings {
                finding.actual = format!("{} ({told})", finding.actual);
            }
            opinion.summary = format!("{}: {told}", opinion.summary);
        }
        if opinion.findings.is_empty() && self.is_sample {
            opinion.summary.push_str(": in time on sample data; production size not judged");
        }
        if !self.steps.is_empty() {
            let slowest = self.slowest();
            for finding in &mut opinion.findings {
                finding.actual = format!("{}: {slowest}", finding.actual);
                finding.remedy = format!("make the slowest step quicker, or {DOCUMENT}");
            }
        }
        Ok(opinion)
    }
}

/// Compares the measured loss with the recovery point objective of the runbook. If the limit is not understood, the
/// verdict is *could not verify*.
pub struct LossObjective<'a> {
    /// The limit, or the reason that it is not understood.
    pub objective: &'a Result<Objective>,
    /// What was lost.
    pub loss: &'a Loss,
}

impl LossObjective<'_> {
    /// The judge's name in reports.
    pub const NAME: &'static str = "loss-objective";
}

#[async_trait]
impl Judge for LossObjective<'_> {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    async fn judge(&self) -> Result<Opinion> {
        let objective = self.objective.as_ref().map_err(Error::clone)?;
        let mut opinion = judge_limit(objective, self.loss.rpo_ms, "recovery point", "lost");
        for finding in &mut opinion.findings {
            finding.remedy = format!("back up or archive more often, or {DOCUMENT}");
        }
        Ok(opinion)
    }
}

/// How many steps a missed objective names.
const SLOWEST_NAMED: usize = 3;
/// The remedy that is always possible.
const DOCUMENT: &str = "document a limit that it can keep";

pub(super) fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1_000.0)
}

pub(super) fn judge_limit(objective: &Objective, measured_ms: u64, subject: &str, what: &str) -> Opinion {
    let source = &objective.source;
    let summary = format!("{what} {} against {}", seconds(measured_ms), source.quoted());
    let missed = || {
        let limit = format!("at most {} ({}:{})", seconds(objective.upper_ms), source.file, source.line);
        Finding::new(FindingCode::ObjectiveMissed, subject, limit, seconds(measured_ms))
            .remedy(format!("make the recovery quicker, or {DOCUMENT}"))
    };
    let findings = if objective.is_met_by(measured_ms) { Vec::new() } else { vec![missed()] };
    Opinion::new(summary, findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn four_minutes() -> Objective {
        let text = |text: &str| text.to_owned();
        let source =
            Citation { file: text("runbook.md"), line: 1, section: text("4.1"), text: text("RTO: 4 min") };
        Objective { lower_ms: None, upper_ms: 240_000, source }
    }

    async fn time(ttr_ms: u64, is_sample: bool) -> Opinion {
        let steps = [("fetch it", 40_000), ("load it", 200_000), ("look", 5), ("switch", 1_000)];
        let steps = steps.map(|(title, ms)| (title.to_owned(), ms)).to_vec();
        TimeObjective { objective: &Ok(four_minutes()), ttr_ms, steps, is_sample, shortened: None }
            .judge()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_missed_objective_names_the_slowest_steps() {
        let finding = time(241_005, true).await.findings.remove(0);
        assert_eq!(
            finding.actual,
            "241.0 s: 200.0 s in \"load it\", 40.0 s in \"fetch it\", 1.0 s in \"switch\""
        );
        assert!(finding.remedy.contains("slowest step"), "{}", finding.remedy);
    }

    #[tokio::test]
    async fn in_time_on_sample_data_is_no_promise_for_production() {
        let (sample, production) = (time(2_500, true).await, time(2_500, false).await);
        assert!(sample.findings.is_empty() && production.findings.is_empty());
        assert!(sample.summary.ends_with("in time on sample data; production size not judged"));
        assert!(!production.summary.contains("sample"), "{}", production.summary);
    }

    #[tokio::test]
    async fn a_wait_that_the_drill_shortened_counts_as_documented() {
        let source = four_minutes().source;
        let mut wait = ShortenedWait {
            what: "the TTL of the old record".to_owned(),
            drilled_ms: 2_000,
            documented_ms: 120_000,
            source: Citation { line: 9, text: "a TTL of 120 s".to_owned(), ..source },
        };
        let time = async |wait: &ShortenedWait| {
            let objective = &Ok(four_minutes());
            let shortened = Some(wait);
            let steps = Vec::new();
            TimeObjective { objective, ttr_ms: 3_000, steps, is_sample: false, shortened }
                .judge()
                .await
                .unwrap()
        };
        let met = time(&wait).await;
        assert_eq!(met.findings, []);
        assert_eq!(
            met.summary,
            "recovered 121.0 s against `RTO: 4 min` (runbook.md:1): 3.0 s were measured, 2.0 s of them for the TTL of \
             the old record, which takes 120.0 s by `a TTL of 120 s` (runbook.md:9)"
        );
        wait.documented_ms = 239_001;
        let missed = time(&wait).await.findings.remove(0).actual;
        assert!(missed.starts_with("240.0 s (3.0 s were measured"), "{missed}");
    }

    #[tokio::test]
    async fn a_loss_objective_that_is_not_understood_is_not_dropped() {
        let loss = Loss { lost_writes: 0, acknowledged_writes: 1, rpo_ms: 0 };
        let misread = Err(Error::could_not_verify("not understood"));
        let judged = LossObjective { objective: &misread, loss: &loss }.judge().await;
        assert_eq!(judged.unwrap_err().message(), "not understood");
    }
}
