//! Damages to buckets: to their settings and versions, to restored objects, to a copy in another region.

mod bucket;
mod replica;
mod victims;

pub use bucket::{RestoredBucket, Settings, TO_A_RESTORED_BUCKET, TO_SETTINGS, TO_VERSIONS, Versions};
pub use replica::{Replica, TO_A_REPLICA};
