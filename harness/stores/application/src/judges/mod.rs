//! What looks at a recovered application, and at what its stores have in common.

mod photos;
mod served;
mod vault;

pub use photos::PhotosJudge;
pub use served::{Expectation, ServedJudge};
pub use vault::VaultJudge;
