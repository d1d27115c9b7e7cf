//! Recovery: choosing the base backup, the target, the settings, and reading the server's messages about it.

pub(crate) mod choice;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod said;
pub(crate) mod settings;
pub(crate) mod unattended;
