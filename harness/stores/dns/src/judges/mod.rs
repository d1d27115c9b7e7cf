//! Judges of a record that was moved.

mod authoritative;
mod cache;
mod connections;
mod failback;
mod ttl_budget;

pub use authoritative::AuthoritativeJudge;
pub use cache::CacheJudge;
pub(crate) use cache::RESOLVER;
pub(crate) use connections::CLIENT;
pub use connections::ConnectionsJudge;
pub use failback::FailbackJudge;
pub use ttl_budget::TtlBudget;
