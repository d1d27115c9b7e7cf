//! What looks at a recovered application.

mod served;

pub use served::{Expectation, ServedJudge};
