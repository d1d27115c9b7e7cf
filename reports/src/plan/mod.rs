//! A recovery plan before it runs, as text and as a drawing; and while people carry it out.

mod axis;
mod status;
mod svg;
mod text;
mod words;

pub use status::{RecordFile, drill_status};
pub use svg::plan_svg;
pub use text::plan_text;
pub(crate) use words::{FindingWords, PlanWords};
