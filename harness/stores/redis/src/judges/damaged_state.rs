//! Judge of the evidence: was the content of a damaged server saved before anything was changed?

use async_trait::async_trait;
use comeback_engine::clock::Stopwatch;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::repository::Repository;
use comeback_error::Result;

use crate::{RedisAddress, take_snapshot};

/// Takes a snapshot of a damaged server. It does not judge the content.
pub struct DamagedState<'a> {
    /// The damaged server.
    pub server: &'a RedisAddress,
    /// Where to save the snapshot.
    pub evidence: &'a dyn Repository,
    /// The clock of the run.
    pub clock: Stopwatch,
}

#[async_trait]
impl Judge for DamagedState<'_> {
    fn name(&self) -> &'static str {
        "damaged-state"
    }

    async fn judge(&self) -> Result<Opinion> {
        let taken = take_snapshot(self.server, self.evidence, self.clock).await;
        let manifest = taken.map_err(|error| error.context("the damaged server could not be kept"))?.manifest;
        Ok(Opinion::new(format!("kept {} of the damaged server", manifest.content.figures()), []))
    }
}

#[cfg(test)]
mod tests {
    use comeback_engine::repository::LocalRepository;
    use comeback_error::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn a_server_that_cannot_be_read_could_not_be_kept() {
        let folder = tempfile::tempdir().unwrap();
        let evidence = LocalRepository::open(folder.path()).await.unwrap();
        let server = RedisAddress::parse("unix:///nowhere/redis.sock").unwrap();
        let judge = DamagedState { server: &server, evidence: &evidence, clock: Stopwatch::start() };
        let error = judge.judge().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CouldNotVerify);
        assert!(error.message().contains("the damaged server could not be kept"), "{error}");
        assert_eq!(evidence.list().await.unwrap(), [""; 0]);
    }
}
