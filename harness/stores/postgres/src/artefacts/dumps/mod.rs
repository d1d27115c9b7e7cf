//! Dumps: scripts and archives of `pg_dump` and `pg_dumpall`, in every form.

mod archive;
mod folder;
mod globals;
mod machine;
mod needs;
mod script;
mod server;
mod source;
mod sql;
mod tar;
mod text;
mod toc;

use comeback_engine::artefact::ArtefactKind;

/// Every kind of dump, the most particular first.
pub(super) fn kinds() -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(archive::ArchiveKind), Box::new(sql::SqlKind::Dump)]
}

/// SQL that is no dump. It is asked last of all kinds.
pub(super) fn last_kind() -> Box<dyn ArtefactKind> {
    Box::new(sql::SqlKind::Any)
}
