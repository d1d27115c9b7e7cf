//! Drills of DNS.

mod failover;

pub use failover::Failover;

use comeback_dns::ServiceName;
use comeback_engine::runner::Drill;
use comeback_error::{Error, Result};
use comeback_model::DocumentedTtl;

/// The TTL of the record in region A, in seconds. It stands for the documented one, and is long enough for the resolver
/// to remember the record when the name is moved.
pub(crate) const TTL_S: u32 = 3;
/// The TTL of the record in region B, in seconds.
pub(crate) const NEW_TTL_S: u32 = 1;

/// The TTL that the runbook documents, which the short one stands for.
pub(crate) fn documented_ttl(drill: &Drill) -> Result<DocumentedTtl> {
    drill.documented_ttl()?.ok_or_else(|| {
        Error::could_not_verify("the runbook documents no TTL for the records that are moved")
            .hint("write it into the section: `The records are published with a TTL of 300 seconds.`")
    })
}

/// The name of the application.
pub(crate) fn service() -> ServiceName {
    ServiceName { zone: "roadtrip.example.".to_owned(), host: "www.roadtrip.example.".to_owned() }
}
