//! Judge of a restored prefix without an inventory: the bucket's own versions show what was there.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::Result;
use comeback_model::{Finding, FindingCode, ObjectVersion};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;

use crate::ObjectStore;

/// How many findings to report one by one.
const MOST_FINDINGS: usize = 50;
const REMEDY: &str = "find out who writes to the bucket, and restore it again";

/// Compares the live version of every object with the one that was live at a moment: size and CRC32C, as
/// reported by the store. It reads no bytes: the restore has read those that it restored.
pub struct PrefixJudge<'a> {
    /// The bucket.
    pub store: &'a dyn ObjectStore,
    /// The prefix of the keys.
    pub prefix: &'a str,
    /// The moment.
    pub moment: Timestamp,
}

#[async_trait]
impl Judge for PrefixJudge<'_> {
    fn name(&self) -> &'static str {
        "live-versions"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut findings, mut compared, mut later) = (Vec::new(), 0_u64, 0_u64);
        let mut histories = self.store.histories(self.prefix);
        while let Some(history) = histories.try_next().await? {
            let live = history.live();
            let Some(chosen) = history.live_at(self.moment) else {
                later += u64::from(live.is_some());
                continue;
            };
            compared += 1;
            let finding = difference(chosen, live);
            findings.extend(finding.filter(|_| findings.len() < MOST_FINDINGS));
        }
        let moment = self.moment;
        let summary = format!(
            "compared the live versions of {compared} objects with those of {moment}; {later} came later"
        );
        Ok(Opinion::new(summary, findings))
    }
}

fn difference(chosen: &ObjectVersion, live: Option<&ObjectVersion>) -> Option<Finding> {
    let Some(live) = live else {
        let finding = Finding::new(FindingCode::ObjectMissing, &chosen.key, chosen.to_string(), "no object");
        return Some(finding.remedy(REMEDY));
    };
    let is_other = chosen.crc32c.zip(live.crc32c).is_some_and(|(one, other)| one != other);
    (chosen.bytes != live.bytes || is_other).then(|| {
        Finding::new(FindingCode::VersionWrong, &chosen.key, chosen.to_string(), live.to_string())
            .remedy(REMEDY)
    })
}
