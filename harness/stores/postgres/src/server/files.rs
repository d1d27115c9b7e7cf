//! Files and folders inside a node.

use comeback_engine::substrate::{Command, Io, Node};

use crate::error::Result;

pub(crate) async fn read_file(node: &dyn Node, path: &str) -> Result<Vec<u8>> {
    let output = node.exec(&Command::new("cat").args(["--", path]), Io::default()).await?;
    Ok(output.success(&format!("reading {path}"))?.stdout)
}

/// The names in a folder, without hidden ones.
pub(crate) async fn list_dir(node: &dyn Node, path: &str) -> Result<Vec<String>> {
    let output = node.exec(&Command::new("ls").args(["-1", "--", path]), Io::default()).await?;
    Ok(output.success(&format!("listing {path}"))?.text().lines().map(ToOwned::to_owned).collect())
}

pub(crate) async fn remove_path(node: &dyn Node, path: &str) -> Result<()> {
    let command = Command::new("rm").args(["-rf", "--", path]);
    node.exec(&command, Io::default()).await?.success(&format!("removing {path}")).map(drop)
}
