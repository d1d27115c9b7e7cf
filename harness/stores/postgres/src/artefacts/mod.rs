//! Backups of PostgreSQL in the formats that people have.

mod cluster;
mod csv;
mod own;
mod script;

use comeback_engine::artefact::ArtefactKind;

pub(crate) use cluster::RestoredCluster;

/// Every kind, in the order in which they are asked: the most particular first.
pub fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(own::OwnKind), Box::new(script::ScriptKind), Box::new(csv::CsvKind)]
}
