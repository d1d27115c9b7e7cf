//! Files in a node.

use comeback_error::Result;

use super::{Command, Io, Node};

/// Writes a small file in a node that only the node's user can read. `path` is absolute.
pub async fn write_private(node: &dyn Node, path: &str, content: &[u8]) -> Result<()> {
    let command = Command::new("sh").args(["-c", "umask 077 && cat > \"$0\"", path]);
    let mut content = content;
    let io = Io { stdin: Some(&mut content), stdout: None };
    node.exec(&command, io).await?.success(&format!("writing {path}")).map(drop)
}
