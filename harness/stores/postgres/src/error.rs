//! The error type, and the conversion of the database driver's errors into it.

use std::any::Any;
use std::fmt::Display;

pub(crate) use comeback_error::{Error, ErrorKind, Result};

/// Turns other libraries' errors into ours, with the attempted action.
pub(crate) trait Context<T> {
    /// Marks the failure as *could not verify*, and adds the attempted action.
    fn context(self, doing: impl Display) -> Result<T>;
}

impl<T, E: Display + 'static> Context<T> for std::result::Result<T, E> {
    fn context(self, doing: impl Display) -> Result<T> {
        self.map_err(|error| told(&error).context(doing))
    }
}

/// PostgreSQL's own message and hint. The driver's text would name a line of PostgreSQL's source, which
/// readers could take for a line of theirs.
fn told<E: Display + 'static>(error: &E) -> Error {
    let answer = (error as &dyn Any).downcast_ref::<sqlx::Error>().and_then(sqlx::Error::as_database_error);
    let Some(answer) = answer else { return Error::could_not_verify(error.to_string()) };
    let told = Error::could_not_verify(answer.message());
    match answer.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().and_then(|answer| answer.hint()) {
        Some(hint) => told.hint(format!("PostgreSQL: {hint}")),
        None => told,
    }
}
