//! Drills of user content: stories and photos.

mod photo_version;
mod stories_csv;

pub use photo_version::PhotoVersion;
pub use stories_csv::StoriesCsv;
