//! Judges of a restored bucket.

mod objects;
mod prefix;

pub use objects::{ChosenVersions, ObjectsJudge, VersioningJudge};
pub use prefix::PrefixJudge;
