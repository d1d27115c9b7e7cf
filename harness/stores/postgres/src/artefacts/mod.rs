//! Backups of PostgreSQL in the formats that people have.

mod cluster;
mod script;

use comeback_engine::artefact::ArtefactKind;

pub(crate) use cluster::RestoredCluster;

/// Every kind, in the order in which they are asked: the most particular first.
pub fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(script::ScriptKind)]
}
