//! Judge of the way back: everything that is judged of a failover, in one conclusion.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::Result;

use super::{AuthoritativeJudge, CacheJudge, ConnectionsJudge};

/// Judges that the record is back: at every authoritative server, in the resolver's cache and for new connections.
pub struct FailbackJudge<'a> {
    /// The authoritative servers.
    pub authoritative: AuthoritativeJudge<'a>,
    /// The resolver. It may have forgotten the record before the change.
    pub cache: CacheJudge<'a>,
    /// The client.
    pub connections: ConnectionsJudge<'a>,
}

#[async_trait]
impl Judge for FailbackJudge<'_> {
    fn name(&self) -> &'static str {
        "failback"
    }

    async fn judge(&self) -> Result<Opinion> {
        let opinions =
            [self.authoritative.judge().await?, self.cache.opinion(), self.connections.judge().await?];
        let summary = opinions.iter().map(|opinion| opinion.summary.as_str()).collect::<Vec<_>>().join("; ");
        Ok(Opinion::new(summary, opinions.into_iter().flat_map(|opinion| opinion.findings)))
    }
}
