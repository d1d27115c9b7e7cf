//! Drills of what people wrote and photographed.

mod photo_version;
mod stories_csv;

pub use photo_version::PhotoVersion;
pub use stories_csv::StoriesCsv;
