//! How a server hands over its log: a spool, a folder of its node beside its data directory.
//!
//! The server runs in a node where there is no `comeback` binary, no repository and, in a container, no way
//! out; a command that stored into the repository itself would need all three. So `archive_command` does what
//! is safe with `sh` and coreutils alone: it puts the file into the spool, flushed, under its final name only
//! when whole. An [`Archiver`](crate::Archiver) outside moves it on into the repository. The price: the server
//! counts a segment as archived when it is in the spool, and a machine lost with its disk takes the spool
//! along. The harness therefore never asks the server how far its archive is, but the repository.
//!
//! The command holds nothing but words of ours and what the server puts in for `%p` and `%f`, which are made
//! of digits, letters, `_`, `/` and `.`; paths are relative to the data directory, in which the server runs
//! it. Nothing needs quoting, whatever the node's folder is called.

use comeback_engine::substrate::{Command, Io, Node};

use crate::error::Result;
use crate::server::files::write_file;

/// The settings of a server that archives.
pub(crate) const SETTINGS: [(&str, &str); 2] =
    [("archive_mode", "on"), ("archive_command", "sh ../archive-log.sh %p %f")];

/// Run by the server in its data directory, with a path from there and the file's name. The same content again
/// is a success: a server that crashed before it took note of one hands the file over again.
const SCRIPT: &[u8] = br#"spool=../wal-spool
if [ -e "$spool/$2" ]; then
    cmp -s "$1" "$spool/$2" && exit 0
    echo "the spool holds another file named $2" >&2
    exit 1
fi
cp "$1" "$spool/.$2" && sync "$spool/.$2" && mv "$spool/.$2" "$spool/$2" && sync "$spool"
"#;

/// The folder of the spool, inside the node.
pub(crate) fn dir(node: &dyn Node) -> String {
    format!("{}/wal-spool", node.dir())
}

/// Makes the spool and what fills it. What is in a spool already stays.
pub(crate) async fn prepare(node: &dyn Node) -> Result<()> {
    let make = Command::new("mkdir").args(["-p", "-m", "0700", "--", &dir(node)]);
    node.exec(&make, Io::default()).await?.success("creating the spool of the log")?;
    write_file(node, &format!("{}/archive-log.sh", node.dir()), SCRIPT).await
}
