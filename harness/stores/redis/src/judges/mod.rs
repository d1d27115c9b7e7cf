//! Judges of a restored Redis server.

mod access;
mod continuity;
mod damaged_state;
mod key_writes;
mod keyspace;
mod redis_log;

pub use access::AccessJudge;
pub use continuity::ContinuityJudge;
pub use damaged_state::DamagedState;
pub use key_writes::{KeyWritesJudge, measure_key_loss};
pub use keyspace::{KeyCounts, KeyspaceJudge};
pub use redis_log::RedisLogJudge;
