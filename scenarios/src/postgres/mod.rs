//! Drills of PostgreSQL.

pub(crate) mod cross_region;
mod full_restore;
mod point_in_time;

pub use cross_region::CrossRegion;
pub use full_restore::FullRestore;
pub use point_in_time::PointInTime;
