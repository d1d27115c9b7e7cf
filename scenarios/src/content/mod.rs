//! Drills of what people wrote and photographed.

mod stories_csv;

pub use stories_csv::StoriesCsv;
