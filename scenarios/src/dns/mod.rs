//! Drills of DNS.

mod failover;

pub use failover::Failover;

use comeback_dns::ServiceName;

/// The TTL of the record in region A, in seconds. It stands for the documented one, and is long enough for the resolver
/// to remember the record when the name is moved.
pub(crate) const TTL_S: u32 = 3;
/// The TTL of the record in region B, in seconds.
pub(crate) const NEW_TTL_S: u32 = 1;

/// The name of the application.
pub(crate) fn service() -> ServiceName {
    ServiceName { zone: "roadtrip.example.".to_owned(), host: "www.roadtrip.example.".to_owned() }
}
