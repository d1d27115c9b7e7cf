//! Drills of user content: stories and photos.

mod photo_version;
mod stories_csv;

pub use photo_version::PhotoVersion;
pub(crate) use photo_version::{KEPT_DAYS, is_inventory, object};
pub use stories_csv::StoriesCsv;
