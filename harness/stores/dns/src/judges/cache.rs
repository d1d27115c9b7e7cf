//! Judge of a resolver's cache: does it forget the old record when its TTL has passed?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::procedures::Moved;

/// The subject of the findings.
pub(crate) const RESOLVER: &str = "resolver";

/// Looks at what a resolver answered right after the change, when it remembered the old record, and at last.
pub struct CacheJudge<'a> {
    /// What was changed, and what the resolver answered.
    pub moved: &'a Moved,
}

#[async_trait]
impl Judge for CacheJudge<'_> {
    fn name(&self) -> &'static str {
        "cache"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Moved { old, cached, .. } = self.moved;
        if !cached.is_at(old.address) {
            return Err(Error::could_not_verify(format!(
                "right after the change the resolver said {cached}: it remembered nothing that it could forget"
            ))
            .hint("run it again: the resolver has to be asked shortly before the change"));
        }
        Ok(self.opinion())
    }
}

impl CacheJudge<'_> {
    /// The opinion, whether or not the resolver remembered the old record.
    pub(super) fn opinion(&self) -> Opinion {
        let Moved { old, new, cached, outlived: (last, after_ms), .. } = self.moved;
        let seconds = *after_ms as f64 / 1_000.0;
        let longer = |answer: &crate::Answer, ttl_s| answer.records.iter().any(|record| record.ttl_s > ttl_s);
        let mut findings = Vec::new();
        if cached.is_at(old.address) && longer(cached, old.ttl_s) {
            findings
                .push(ignored(format!("at most the published TTL of {} s", old.ttl_s), cached.to_string()));
        }
        if !last.is_at(new.address) {
            findings.push(ignored(format!("{new}"), format!("{last}, {seconds:.1} s after the change")));
        } else if longer(last, new.ttl_s) {
            findings.push(ignored(format!("at most the published TTL of {} s", new.ttl_s), last.to_string()));
        }
        let summary =
            format!("right after the change the resolver said {cached}, and {seconds:.1} s after it {last}");
        Opinion::new(summary, findings)
    }
}

fn ignored(expected: String, actual: String) -> Finding {
    Finding::new(FindingCode::TtlIgnored, RESOLVER, expected, actual)
        .remedy("clients of this resolver stay where they are: flush its cache, and find the setting that lengthens TTLs")
}
