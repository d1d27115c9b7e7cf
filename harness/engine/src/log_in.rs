//! The result of a log-in.

/// The result of a process's log-in with the credentials that it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogIn {
    /// The server accepted the credentials, and answered.
    Accepted,
    /// The server, or the process, refused: the reason, without the credentials.
    Refused(String),
}
