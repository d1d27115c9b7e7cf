//! A recovery plan before it runs, as text and as a drawing.

mod axis;
mod svg;
mod text;
mod words;

pub use svg::plan_svg;
pub use text::plan_text;
pub(crate) use words::{FindingWords, PlanWords};
