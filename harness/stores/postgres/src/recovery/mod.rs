//! Recovery: which base backup, how far, with which settings, and what the server said of it.

pub(crate) mod choice;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod said;
pub(crate) mod settings;
