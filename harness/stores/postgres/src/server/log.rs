//! What a server wrote into its log.

/// The server's log, as far as it was written when it was read.
#[derive(Debug, Clone)]
pub struct ServerLog {
    /// The whole text.
    pub text: String,
}

impl ServerLog {
    /// The last line that a server ends with, or else its last line.
    pub(crate) fn end(&self) -> String {
        // Not what it answers to everybody who knocks too early.
        let is_end = |line: &&str| {
            (line.contains("FATAL") || line.contains("PANIC")) && !line.contains("the database system is ")
        };
        let last = self.text.lines().rev().find(is_end);
        last.or(self.text.lines().last()).unwrap_or("its log is empty").to_owned()
    }

    /// Why a process of the server died and took all connections along.
    pub(crate) fn panic(&self) -> Option<String> {
        let is_panic = |line: &&str| {
            line.contains("PANIC:  ")
                || (line.contains("LOG:  server process (PID ") && line.contains("was terminated by signal"))
        };
        // The first of them: the others follow from it.
        self.text.lines().find(is_panic).map(ToOwned::to_owned)
    }
}
