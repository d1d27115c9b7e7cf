//! The comments by which a dump says what it is, and that it is complete.

const DATABASE_BEGINS: &[u8] = b"-- PostgreSQL database dump";
const DATABASE_COMPLETE: &[u8] = b"-- PostgreSQL database dump complete";
const CLUSTER_BEGINS: &[u8] = b"-- PostgreSQL database cluster dump";
const CLUSTER_COMPLETE: &[u8] = b"-- PostgreSQL database cluster dump complete";

/// What a script has said of itself so far.
///
/// The dump of a whole cluster contains whole dumps of databases: only its own last line counts. Statements after
/// the last line of a dump are somebody else's (frameworks append the versions of their migrations): the dump
/// is complete all the same.
#[derive(Debug, Default)]
pub(super) struct Trailer {
    of_cluster: bool,
    said: Said,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// Nothing, and nothing but comments was there.
    #[default]
    Nothing,
    /// Nothing, and it has content.
    NothingOfItself,
    /// That it is a dump.
    Begun,
    /// That it is complete.
    Complete,
}

/// What is known of a script at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A dump that says that it is complete.
    Complete,
    /// A dump that says that it has begun, and not that it is complete; or nothing at all.
    Cut,
    /// A script of another program or of a person: its end says nothing.
    Unmarked,
}

impl Trailer {
    /// Of a script that is known to be a dump: without its last line it is cut, whatever it begins with.
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

    /// Whether it is the work of `pg_dump` or `pg_dumpall`, as far as it was read.
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
