//! How a server hands over its log: through a spool, a folder of its node beside its data directory.
//!
//! The server's node has no `comeback` binary, no repository and, in a container, no way out; a command that
//! stored into the repository itself would need all three. So `archive_command` does only what `sh` and
//! coreutils can do safely: it writes the file into the spool, flushes it, and gives it its final name only
//! when it is complete. An [`Archiver`](crate::Archiver) outside moves it into the repository.
//!
//! The cost: the server counts a segment as archived once it is in the spool, and a machine that is lost with
//! its disk loses the spool too. So the harness always asks the repository how far the archive is, never the
//! server.
//!
//! The command contains only our own words and what the server inserts for `%p` and `%f`: digits, letters,
//! `_`, `/` and `.`. Paths are relative to the data directory, in which the server runs the command. Nothing
//! needs quoting, whatever the name of the node's folder.

use comeback_engine::substrate::{Command, Io, Node, write_private};

use crate::error::Result;

/// The settings of an archiving server.
pub(crate) const SETTINGS: [(&str, &str); 2] =
    [("archive_mode", "on"), ("archive_command", "sh ../archive-log.sh %p %f")];

/// The server runs it in its data directory, with a path relative to it and the file's name. The same content
/// again is a success: a server that crashed before it recorded the success hands the file over again.
const SCRIPT: &[u8] = br#"spool=../wal-spool
if [ -e "$spool/$2" ]; then
    cmp -s "$1" "$spool/$2" && exit 0
    echo "the spool holds another file named $2" >&2
    exit 1
fi
cp "$1" "$spool/.$2" && sync "$spool/.$2" && mv "$spool/.$2" "$spool/$2" && sync "$spool"
"#;

/// The folder of the spool in the node.
pub(crate) fn dir(node: &dyn Node) -> String {
    format!("{}/wal-spool", node.dir())
}

/// Creates the spool and the script that fills it. Files in an existing spool stay.
pub(crate) async fn prepare(node: &dyn Node) -> Result<()> {
    let make = Command::new("mkdir").args(["-p", "-m", "0700", "--", &dir(node)]);
    node.exec(&make, Io::default()).await?.success("creating the spool of the log")?;
    write_private(node, &format!("{}/archive-log.sh", node.dir()), SCRIPT).await
}
