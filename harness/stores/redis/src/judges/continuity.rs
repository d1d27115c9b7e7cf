//! Judge of what clients saw while a keyspace was replaced.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::Seen;

/// Checks that clients saw only the old state, the new state or an error.
pub struct ContinuityJudge<'a> {
    /// What a client saw that kept looking.
    pub seen: &'a Seen,
}

#[async_trait]
impl Judge for ContinuityJudge<'_> {
    fn name(&self) -> &'static str {
        "continuity"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Seen { looks, errors, old, new, empty, back, longest_gap_ms, switch_ms } = self.seen;
        if *old == 0 || *new == 0 {
            return Err(Error::could_not_verify(format!(
                "the client saw the old state {old} times and the new state {new} times"
            ))
            .hint("it has to see both to say that there was nothing between them"));
        }
        let mut findings = Vec::new();
        if *empty > 0 {
            let actual = format!("an empty server, {empty} times in {looks} looks");
            findings.push(
                Finding::new(
                    FindingCode::EmptyServed,
                    "live server",
                    "the old state, the new state or an error",
                    actual,
                )
                .remedy("an application that finds nothing computes everything again, all at once"),
            );
        }
        if *back > 0 {
            let actual = format!("the old state again, {back} times");
            findings.push(
                Finding::new(
                    FindingCode::ContentDiffers,
                    "live server",
                    "the new state once it was seen",
                    actual,
                )
                .remedy("find out who else writes the damaged values"),
            );
        }
        let switch_ms = switch_ms.unwrap_or(0);
        let summary = format!(
            "{looks} looks: the old state {old} times, the new state {new} times, {errors} errors, {empty} empty; \
             the exchange took at most {switch_ms} ms, and no answer came for at most {longest_gap_ms} ms"
        );
        Ok(Opinion::new(summary, findings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn codes(seen: Seen) -> Result<Vec<FindingCode>> {
        Ok(ContinuityJudge { seen: &seen }.judge().await?.findings.into_iter().map(|one| one.code).collect())
    }

    #[tokio::test]
    async fn an_empty_server_is_a_finding_and_an_error_is_none() {
        let seen = Seen { looks: 9, old: 4, new: 3, errors: 2, ..Seen::default() };
        assert_eq!(codes(seen.clone()).await.unwrap(), []);
        let empty = Seen { empty: 1, ..seen.clone() };
        assert_eq!(codes(empty).await.unwrap(), [FindingCode::EmptyServed]);
        assert_eq!(codes(Seen { back: 1, ..seen.clone() }).await.unwrap(), [FindingCode::ContentDiffers]);
        assert!(codes(Seen { new: 0, ..seen }).await.is_err());
    }
}
