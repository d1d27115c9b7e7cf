//! The one error type of the harness: a lower-case sentence with the values involved, then hints.

use std::fmt;

/// What an error means for the verdict and the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller asked for something impossible: exit 2, before anything is started.
    Usage,
    /// The harness or its environment could not do the work: the verdict is *could not verify*, exit 3.
    CouldNotVerify,
    /// The thing under test failed: a backup that does not restore. The verdict is *failed*, exit 1.
    Failed,
    /// The run was interrupted by a signal: exit 130.
    Interrupted,
}

/// A failure, as one lower-case sentence, with hints that the reader can act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Told>);

/// The content of an error. It is boxed, so that a result that is almost never an error fits in a register or two.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Told { kind, message: message.into(), hints: Vec::new() }))
    }

    /// Bad input or configuration.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// The environment of the thing under test did not work.
    pub fn could_not_verify(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::CouldNotVerify, message)
    }

    /// The thing under test did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message)
    }

    /// The run was told to stop.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Interrupted, message)
    }

    /// Adds a line that tells the reader what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Puts the attempted action in front of the message.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// The same error, counted as another kind.
    #[must_use]
    pub fn into_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self
    }

    /// What the error means for the verdict.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The sentence alone, without its hints.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The hints, in the order in which they were given.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for hint in &self.0.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Turns foreign errors into ours, with the attempted action.
pub trait Context<T> {
    /// Marks the failure as *could not verify*, with the attempted action.
    fn context(self, doing: impl fmt::Display) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error::could_not_verify(format!("{doing}: {error}")))
    }
}
