//! Judges of a restored Redis server.

mod access;
mod acknowledged;
mod append_only;
mod continuity;
mod damaged_state;
mod file_checksum;
mod key_writes;
mod keyspace;
mod queries;
mod redis_log;
mod reference;

pub use access::AccessJudge;
pub use acknowledged::AcknowledgedKeys;
pub(crate) use acknowledged::SUBJECT;
pub use append_only::AppendOnlyFile;
pub use continuity::ContinuityJudge;
pub use damaged_state::DamagedState;
pub use file_checksum::FileChecksum;
pub use key_writes::{KeyWritesJudge, measure_key_loss};
pub use keyspace::{KeyCounts, KeyspaceJudge};
pub use queries::RedisQueries;
pub use redis_log::RedisLogJudge;
pub use reference::KeyspaceReference;
