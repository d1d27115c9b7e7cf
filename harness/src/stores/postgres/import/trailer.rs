//! The comments by which a dump says that it is complete.

const DATABASE_COMPLETE: &[u8] = b"-- PostgreSQL database dump complete";
const CLUSTER_BEGINS: &[u8] = b"-- PostgreSQL database cluster dump";
const CLUSTER_COMPLETE: &[u8] = b"-- PostgreSQL database cluster dump complete";

/// Whether the script has said so, and nothing has come after it. The dump of a whole cluster contains whole
/// dumps of databases: only its own last line counts.
#[derive(Debug, Default)]
pub(super) struct Trailer {
    of_cluster: bool,
    complete: bool,
}

impl Trailer {
    pub(super) fn comment(&mut self, comment: &[u8]) {
        let comment = comment.trim_ascii_end();
        self.of_cluster |= comment == CLUSTER_BEGINS;
        let wanted = if self.of_cluster { CLUSTER_COMPLETE } else { DATABASE_COMPLETE };
        self.complete |= comment == wanted;
    }

    pub(super) fn statement(&mut self) {
        self.complete = false;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }
}
