//! The comments by which a dump says what it is, and that it is complete.

const DATABASE_BEGINS: &[u8] = b"-- PostgreSQL database dump";
const DATABASE_COMPLETE: &[u8] = b"-- PostgreSQL database dump complete";
const CLUSTER_BEGINS: &[u8] = b"-- PostgreSQL database cluster dump";
const CLUSTER_COMPLETE: &[u8] = b"-- PostgreSQL database cluster dump complete";

/// What a script has said about itself so far.
///
/// A cluster dump contains complete dumps of databases: only its own last line counts. Statements after the
/// last line of a dump come from others (frameworks append the versions of their migrations), and the dump is
/// still complete.
#[derive(Debug, Default)]
pub(super) struct Trailer {
    of_cluster: bool,
    said: Said,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nothing yet, and there were only comments.
    #[default]
    Nothing,
    /// Nothing, although there was content.
    NothingOfItself,
    /// It is a dump.
    Begun,
    /// It is complete.
    Complete,
}

/// The state of a script at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A dump that says that it is complete.
    Complete,
    /// A dump that does not say that it is complete, or an empty script.
    Cut,
    /// A script from another program or a person: its end tells nothing.
    Unmarked,
}

impl Trailer {
    /// The trailer of a script that is known to be a dump: without its last line it is cut off, whatever it
    /// begins with.
    pub(super) fn of_dump() -> Self {
        Self { of_cluster: false, said: Said::Begun }
    }

    pub(super) fn comment(&mut self, comment: &[u8]) {
        let comment = comment.trim_ascii_end();
        self.of_cluster |= comment == CLUSTER_BEGINS;
        let complete = if self.of_cluster { CLUSTER_COMPLETE } else { DATABASE_COMPLETE };
        if comment == complete {
            self.said = Said::Complete;
        } else if comment == CLUSTER_BEGINS || comment == DATABASE_BEGINS {
            self.said = Said::Begun;
        }
    }

    pub(super) fn content(&mut self) {
        if self.said == Said::Nothing {
            self.said = Said::NothingOfItself;
        }
    }

    /// Whether it is the dump of a whole cluster.
    pub(super) fn is_of_cluster(&self) -> bool {
        self.of_cluster
    }

    /// Whether it comes from `pg_dump` or `pg_dumpall`, judging by what was read so far.
    pub(super) fn is_dump(&self) -> bool {
        matches!(self.said, Said::Begun | Said::Complete)
    }

    pub(super) fn ending(&self) -> Ending {
        match self.said {
            Said::Complete => Ending::Complete,
            Said::NothingOfItself => Ending::Unmarked,
            Said::Nothing | Said::Begun => Ending::Cut,
        }
    }
}
