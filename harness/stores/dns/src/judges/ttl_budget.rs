//! Judge of the documented TTL: can it pass in the time that the runbook allows?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{DocumentedTtl, Finding, FindingCode, Objective};

use crate::zone::ServiceName;

/// Compares the TTL that the runbook documents with the time limit of its section. A TTL that takes all of that time
/// cannot be kept, however quick everything else is.
pub struct TtlBudget<'a> {
    /// The service's name.
    pub name: &'a ServiceName,
    /// The documented TTL.
    pub ttl: &'a DocumentedTtl,
    /// The time limit, or why the runbook gives none.
    pub objective: &'a Result<Objective>,
}

#[async_trait]
impl Judge for TtlBudget<'_> {
    fn name(&self) -> &'static str {
        "ttl-budget"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { name, ttl, objective } = self;
        let objective = objective.as_ref().map_err(Error::clone)?;
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let (ttl_s, limit_s) = (seconds(ttl.ms), seconds(objective.upper_ms));
        let summary = format!(
            "a TTL of {ttl_s} s, {}, leaves {} s of {limit_s} s, {}",
            ttl.source.quoted(),
            (limit_s - ttl_s).max(0.0),
            objective.source.quoted()
        );
        let finding = (ttl.ms >= objective.upper_ms).then(|| {
            let limit = format!("less than the time limit of {limit_s} s, {}", objective.source.quoted());
            Finding::new(FindingCode::TtlTooLong, name.to_string(), limit, format!("a TTL of {ttl_s} s"))
                .remedy("publish the record with a shorter TTL, now: one that is shortened in a disaster comes too late")
        });
        Ok(Opinion::new(summary, finding))
    }
}
