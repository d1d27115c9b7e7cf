//! Files of this machine: how they are opened, and how their names become durable.

use std::io;
use std::path::Path;

use comeback_error::Error;
use tokio::fs;

/// The error for a file that cannot be opened. Only a missing one is the fault of the backup.
pub(super) fn not_opened(what: &str, error: &io::Error) -> Error {
    let sentence = format!("opening {what}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound => Error::failed(sentence),
        _ => Error::could_not_verify(sentence),
    }
}

/// Makes the names in a folder durable.
pub(super) async fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(path).await?.sync_all().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_missing_file_is_the_fault_of_the_backup() {
        use comeback_error::ErrorKind;
        let kind = |error: io::ErrorKind| not_opened("base.tar of backup a", &error.into()).kind();
        assert_eq!(kind(io::ErrorKind::NotFound), ErrorKind::Failed);
        assert_eq!(kind(io::ErrorKind::PermissionDenied), ErrorKind::CouldNotVerify);
        assert_eq!(kind(io::ErrorKind::TimedOut), ErrorKind::CouldNotVerify);
    }
}
