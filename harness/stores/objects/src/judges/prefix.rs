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
        let (mut findings, mut compared, mut later, mut unnamed) = (Vec::new(), 0_u64, 0_u64, 0_u64);
        let mut histories = self.store.histories(self.prefix);
        while let Some(history) = histories.try_next().await? {
            let live = history.live();
            let Some(chosen) = history.live_at(self.moment) else {
                later += u64::from(live.is_some());
                continue;
            };
            compared += 1;
            match difference(chosen, live) {
                Some(finding) if findings.len() < MOST_FINDINGS => findings.push(finding),
                Some(_) => unnamed += 1,
                None => {}
            }
        }
        let moment = self.moment;
        let more = if unnamed > 0 { format!("; {unnamed} more differ") } else { String::new() };
        let summary = format!(
            "compared the live versions of {compared} objects with those of {moment}; {later} came later{more}"
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

#[cfg(test)]
mod tests {
    use comeback_engine::clock::Clock;
    use comeback_model::ObjectAttributes;
    use jiff::SignedDuration;

    use super::*;
    use crate::LocalBucket;

    #[tokio::test]
    async fn each_object_that_is_not_as_it_was_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(Timestamp::UNIX_EPOCH);
        let bucket = LocalBucket::create(folder.path(), None).await.unwrap().timed_by(clock.clone());
        let put = async |key: &str, bytes: &[u8]| {
            bucket.put(key, bytes, &ObjectAttributes::default()).await.unwrap();
        };
        for key in ["a", "b", "c"] {
            put(key, b"right").await;
        }
        clock.advance(SignedDuration::from_hours(1));
        let moment = clock.now();
        clock.advance(SignedDuration::from_hours(1));
        put("later", b"new").await;
        let judge = PrefixJudge { store: &bucket, prefix: "", moment };
        let opinion = judge.judge().await.unwrap();
        assert_eq!(opinion.findings, []);
        assert!(opinion.summary.contains("of 3 objects") && opinion.summary.ends_with("1 came later"));

        put("a", b"wrong").await;
        bucket.delete("b").await.unwrap();
        let findings = judge.judge().await.unwrap().findings;
        let named: Vec<_> = findings.iter().map(|one| (one.code, one.subject.as_str())).collect();
        assert_eq!(named, [(FindingCode::VersionWrong, "a"), (FindingCode::ObjectMissing, "b")]);
    }

    #[tokio::test]
    async fn findings_beyond_the_limit_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::standing_at(Timestamp::UNIX_EPOCH);
        let bucket = LocalBucket::create(folder.path(), None).await.unwrap().timed_by(clock.clone());
        for number in 0..MOST_FINDINGS + 2 {
            let key = format!("key-{number}");
            bucket.put(&key, b"right", &ObjectAttributes::default()).await.unwrap();
        }
        clock.advance(SignedDuration::from_hours(1));
        let moment = clock.now();
        clock.advance(SignedDuration::from_hours(1));
        for number in 0..MOST_FINDINGS + 2 {
            bucket.delete(&format!("key-{number}")).await.unwrap();
        }
        let opinion = PrefixJudge { store: &bucket, prefix: "", moment }.judge().await.unwrap();
        assert_eq!(opinion.findings.len(), MOST_FINDINGS);
        assert!(opinion.summary.ends_with("; 2 more differ"), "{}", opinion.summary);
    }
}
