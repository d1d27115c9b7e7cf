//! What a server wrote into its log.

/// A server's log, up to the time of reading.
#[derive(Debug, Clone)]
pub struct ServerLog {
    /// The whole text.
    pub text: String,
}

impl ServerLog {
    /// The last line that explains the server's end, or else the last line.
    pub(crate) fn end(&self) -> String {
        // The answer to early connections does not count.
        let is_end = |line: &&str| {
            (line.contains("FATAL") || line.contains("PANIC")) && !line.contains("the database system is ")
        };
        let last = self.text.lines().rev().find(is_end);
        last.or(self.text.lines().last()).unwrap_or("its log is empty").to_owned()
    }

    /// The line that says why a process of the server died and all connections were cut.
    pub(crate) fn panic(&self) -> Option<String> {
        let is_panic = |line: &&str| {
            line.contains("PANIC:  ")
                || (line.contains("LOG:  server process (PID ") && line.contains("was terminated by signal"))
        };
        // The first of these lines: the others follow from it.
        self.text.lines().find(is_panic).map(ToOwned::to_owned)
    }
}
