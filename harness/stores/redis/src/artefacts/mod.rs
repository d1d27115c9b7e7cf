//! Backups of Redis and Valkey in the formats that people have.
//!
//! *Restored* means that a throw-away server has loaded the backup, strictly: an append-only file that is cut short
//! is refused, and of an RDB file every key is counted. *Sound*: the checksum of the file, the server's log, and the
//! content of the server against what Comeback's own reader found in the file. *Answered*: the user's commands.
//! *Exact* needs a record from the time of the backup, which only Comeback's own backups have.

mod aof;
mod commands;
mod head;
mod load;
mod own;
mod rdb;
mod restored;

use comeback_engine::artefact::ArtefactKind;

/// Every kind, in the order in which they are asked: the most particular first.
pub fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(own::OwnKind), Box::new(aof::AofKind), Box::new(rdb::RdbKind)]
}
