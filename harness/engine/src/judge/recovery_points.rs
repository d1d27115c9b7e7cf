//! Are the stores of one moment: how far apart are the moments to which they came back?

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, Objective};
use jiff::{SignedDuration, Timestamp};

use super::objective::seconds;
use super::{Judge, Opinion};

/// Compares the recovery points of several stores. They may be as far apart as writes may be lost: what one store has of
/// the time between two of them, the other has lost.
pub struct RecoveryPoints<'a> {
    /// The stores, each with the moment to which it came back.
    pub points: &'a [(&'a str, Timestamp)],
    /// The recovery point objective; `None` if the runbook documents none.
    pub objective: &'a Result<Option<Objective>>,
}

#[async_trait]
impl Judge for RecoveryPoints<'_> {
    fn name(&self) -> &'static str {
        "recovery-points"
    }

    async fn judge(&self) -> Result<Opinion> {
        let by_time = |(_, at): &&(&str, Timestamp)| *at;
        let (Some(oldest), Some(newest)) =
            (self.points.iter().min_by_key(by_time), self.points.iter().max_by_key(by_time))
        else {
            return Err(Error::could_not_verify("no store has a recovery point"));
        };
        let apart = newest.1.duration_since(oldest.1);
        let apart_ms = u64::try_from(apart.max(SignedDuration::ZERO).as_millis()).unwrap_or(u64::MAX);
        let after = |at: Timestamp| {
            seconds(u64::try_from(at.duration_since(oldest.1).as_millis()).unwrap_or(u64::MAX))
        };
        let told = format!("{} is {} older than {}", oldest.0, seconds(apart_ms), newest.0);
        let all: Vec<_> = self.points.iter().map(|(store, at)| format!("{store} {}", after(*at))).collect();
        let all = format!("after the oldest: {}", all.join(", "));
        let objective = self.objective.as_ref().map_err(Error::clone)?;
        let Some(limit) = objective else {
            return Ok(Opinion::new(format!("{told}; the runbook documents no limit; {all}"), None));
        };
        let finding = (!limit.is_met_by(apart_ms)).then(|| {
            let expected = format!("at most {} apart, {}", seconds(limit.upper_ms), limit.source.quoted());
            Finding::new(FindingCode::PointsApart, oldest.0, expected, told.clone()).remedy(
                "take the backups of all stores at about the same time, and find out why this one is older",
            )
        });
        Ok(Opinion::new(format!("{told}, against {}; {all}", limit.source.quoted()), finding))
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::Citation;

    use super::*;

    #[tokio::test]
    async fn stores_may_be_apart_as_far_as_writes_may_be_lost() {
        let source = Citation {
            file: "runbook.md".to_owned(),
            line: 1,
            section: String::new(),
            text: "RPO: 1 h".to_owned(),
        };
        let hour = Ok(Some(Objective { lower_ms: None, upper_ms: 3_600_000, source }));
        let at = |time: &str| format!("2026-11-30T{time}Z").parse::<Timestamp>().unwrap();
        let judged = async |redis: &str, objective: &Result<Option<Objective>>| {
            let points = [("database", at("03:00:00")), ("redis", at(redis)), ("secrets", at("03:10:00"))];
            RecoveryPoints { points: &points, objective }.judge().await
        };
        let near = judged("02:10:01", &hour).await.unwrap();
        assert!(near.findings.is_empty() && near.summary.starts_with("redis is 3599.0 s older"), "{near:?}");
        let all = "after the oldest: database 2999.0 s, redis 0.0 s, secrets 3599.0 s";
        assert!(near.summary.ends_with(all), "{near:?}");
        let apart = judged("02:09:59", &hour).await.unwrap();
        assert_eq!(
            (apart.findings[0].code, &*apart.findings[0].subject),
            (FindingCode::PointsApart, "redis")
        );
        assert!(judged("02:09:59", &Ok(None)).await.unwrap().findings.is_empty());
        let unread = Err(Error::could_not_verify("not understood"));
        assert!(judged("03:00:00", &unread).await.is_err());
    }
}
