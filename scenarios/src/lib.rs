//! The drills, one file each, grouped by store, and those of the whole system; each reads like its section of the runbook.

pub mod content;
mod damages;
pub mod dns;
pub mod dr;
mod need;
pub mod postgres;
pub mod redis;
mod roadtrip;
pub mod secrets;

use std::sync::Arc;

use comeback_engine::runner::Scenario;

pub use damages::damages;
pub use need::need;

/// Every scenario, in the order of the runbook.
pub fn all() -> Vec<Arc<dyn Scenario>> {
    vec![
        Arc::new(postgres::PointInTime),
        Arc::new(postgres::FullRestore),
        Arc::new(postgres::CrossRegion),
        Arc::new(redis::CacheCorruption),
        Arc::new(redis::CompleteLoss),
        Arc::new(secrets::Restore),
        Arc::new(content::PhotoVersion),
        Arc::new(content::StoriesCsv),
        Arc::new(dns::Failover),
        Arc::new(dr::FullSystem),
        Arc::new(dr::Failback),
    ]
}
