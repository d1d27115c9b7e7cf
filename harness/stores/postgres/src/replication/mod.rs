//! Servers that replicate each other, and servers that are fenced.

pub(crate) mod fence;
pub(crate) mod orphans;
pub(crate) mod standby;
