//! The procedures of DNS: the steps of the runbook, for drills and for disasters.

mod failover;

pub use failover::{Failover, Moved};
