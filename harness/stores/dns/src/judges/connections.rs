//! Judge of the clients: do their new connections go to the new address?

use std::net::SocketAddrV4;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode};

use crate::visitor::Visit;

/// The subject of the findings.
pub(crate) const CLIENT: &str = "client";

/// Looks at the visits of a client after the resolver had forgotten the old record.
pub struct ConnectionsJudge<'a> {
    /// The visits, each with a connection of its own.
    pub visits: &'a [Visit],
    /// Where they must be connected.
    pub expected: SocketAddrV4,
}

#[async_trait]
impl Judge for ConnectionsJudge<'_> {
    fn name(&self) -> &'static str {
        "new-connections"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { visits, expected } = self;
        if visits.is_empty() {
            return Err(Error::could_not_verify("no client connected after the change"));
        }
        let astray: Vec<_> = visits.iter().filter(|visit| **visit != Visit::At(*expected)).collect();
        let finding = astray.last().map(|last| {
            let actual = format!("{} of {} were not; the last: {last}", astray.len(), visits.len());
            Finding::new(FindingCode::TrafficAstray, CLIENT, format!("connected to {expected}"), actual)
                .remedy("restart the clients that hold on to a connection or to an address, and limit how long they do")
        });
        Ok(Opinion::new(format!("{} new connections of the client: {expected}", visits.len()), finding))
    }
}
