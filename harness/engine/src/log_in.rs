//! What came of a log-in.

/// What came of a log-in of a process with the credentials that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogIn {
    /// The server let it in, and answered.
    Accepted,
    /// The server, or the process, refused: why, without the credentials.
    Refused(String),
}
