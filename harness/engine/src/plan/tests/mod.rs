//! Tests of plans: how they are built, and what is refused.

mod build;

const MINUTE: u64 = 60_000;
