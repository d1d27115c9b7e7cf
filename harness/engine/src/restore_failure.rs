//! Why a restore failed.

use comeback_error::Error;
use comeback_model::Finding;

/// Why a restore failed.
#[derive(Debug)]
pub enum RestoreFailure {
    /// The backup is at fault: the finding says why.
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

/// For a command that reports one sentence: either the backup is at fault, or something else is.
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

/// Last words of a server whose machine ran out of something.
const OF_THE_MACHINE: [&str; 4] =
    ["no space left on device", "cannot allocate memory", "out of memory", "disk quota exceeded"];

/// The error for a server that stopped by itself, with its last words. If its machine ran out of something, this
/// proves nothing about the backup.
pub fn died(server: &str, words: &str) -> Error {
    let message = format!("the server in {server} has stopped: {words}");
    let said = words.to_lowercase();
    if OF_THE_MACHINE.iter().any(|lack| said.contains(lack)) {
        return Error::could_not_verify(message)
            .hint("free disk or memory of the machine that the servers run on, or use less data");
    }
    Error::failed(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use comeback_error::ErrorKind;

    #[test]
    fn a_full_disk_blames_no_backup() {
        let full = died("primary", "PANIC:  could not write to file \"x\": No space left on device");
        assert_eq!(full.kind(), ErrorKind::CouldNotVerify);
        assert!(full.hints()[0].contains("disk"));
        assert_eq!(
            died("primary", "PANIC:  could not locate a valid checkpoint record").kind(),
            ErrorKind::Failed
        );
    }
}
