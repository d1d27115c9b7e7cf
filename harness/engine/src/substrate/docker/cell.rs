//! The cell of a container: which daemon can give one, and the folder of its socket.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use comeback_error::{Context as _, Error, Result};

use crate::substrate::Cell;

/// Refuses a daemon on another machine: a container without a network is reached at a socket in a folder that both
/// see.
pub(super) fn require_this_machine(host: Option<&str>) -> Result<()> {
    match host.filter(|host| !host.is_empty() && !host.starts_with("unix://")) {
        None => Ok(()),
        Some(host) => Err(Error::could_not_verify(format!(
            "the Docker daemon at {host} is not of this machine, and a contained server is reached at a socket"
        ))
        .hint("run the servers as processes of this machine: --substrate local")
        .hint("or trust the backup with the network of that machine: --uncontained")),
    }
}

/// Creates the folder of a node's socket. Only the owner of the run can reach it, and there the user of the container,
/// whose number differs from image to image, can write.
pub(super) fn make_socket_folder(run: &Path, node: &str) -> Result<PathBuf> {
    let (root, sockets) = (run.join(node), run.join(node).join("s"));
    let doing = format!("create {}", sockets.display());
    let make = |dir: &Path, mode: u32| {
        DirBuilder::new().recursive(true).mode(mode).create(dir)?;
        fs::set_permissions(dir, Permissions::from_mode(mode))
    };
    make(&root, 0o700).and_then(|()| make(&sockets, 0o777)).context(doing)?;
    Ok(sockets)
}

/// What the cell does, for the record.
pub(super) fn walls(cell: Cell) -> String {
    format!(
        "the restored server runs in a cell: a container without network and rights of root, writable only in its \
         volume, at most {} processes and {} MB of memory",
        cell.processes,
        cell.memory_bytes / 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daemon_of_this_machine_gives_a_cell() {
        assert!(require_this_machine(None).is_ok());
        assert!(require_this_machine(Some("unix:///run/docker.sock")).is_ok());
        let error = require_this_machine(Some("tcp://docker:2375")).unwrap_err();
        assert!(error.hints()[1].contains("--uncontained"));
    }
}
