//! Backups of PostgreSQL in the formats that people have.

mod cluster;
mod csv;
mod dumps;
mod locales;
mod own;
pub(crate) mod own_cluster;
mod physical;

use comeback_engine::artefact::ArtefactKind;

pub(crate) use cluster::{RestoredCluster, checks_pages, no_page_checksums};

/// Every kind, in the order in which they are asked: the most particular first.
pub fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    let mut kinds: Vec<Box<dyn ArtefactKind>> = vec![
        Box::new(own::OwnKind),
        Box::new(physical::PgbackrestKind),
        Box::new(physical::BarmanKind),
        Box::new(physical::FolderKind),
        Box::new(physical::TarKind),
    ];
    kinds.extend(dumps::kinds());
    kinds
}

/// Kinds that recognise much, and are asked after those of every store.
pub fn last_kinds() -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(csv::CsvKind), dumps::last_kind()]
}
