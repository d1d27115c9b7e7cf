//! Why a restore did not go through.

use crate::error::Error;
use crate::model::Finding;

/// Why a restore did not go through.
#[derive(Debug)]
pub enum RestoreFailure {
    /// The backup is at fault: what is wrong with it.
    Backup(Box<Finding>),
    /// Something else.
    Other(Error),
}

impl From<Error> for RestoreFailure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Finding> for RestoreFailure {
    fn from(finding: Finding) -> Self {
        Self::Backup(Box::new(finding))
    }
}

/// For a command whose user wants one sentence: the backup is at fault, or something else is.
impl From<RestoreFailure> for Error {
    fn from(failure: RestoreFailure) -> Self {
        match failure {
            RestoreFailure::Other(error) => error,
            RestoreFailure::Backup(finding) => {
                let error = Self::failed(finding.to_string());
                if finding.remedy.is_empty() { error } else { error.hint(finding.remedy) }
            }
        }
    }
}
