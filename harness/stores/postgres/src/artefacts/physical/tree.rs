//! The files of a cluster as a folder, and how they get into a node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_engine::artefact::{Found, LocalPlace, Place, PlaceEntry};
use comeback_engine::runner::Meter;
use comeback_engine::substrate::{Command, Io};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::tar::{BLOCK, Kind, header, write_file};
use crate::error::{Context as _, Error, Result};
use crate::server::node::PostgresServer;

/// How much of the stream into a node may wait in memory.
const IN_FLIGHT_BYTES: usize = 1 << 20;
/// Files of the lost server's process and its next start.
const OF_THE_PROCESS: [&str; 2] = ["postmaster.pid", "postmaster.opts"];

/// Files below a folder of a place.
#[derive(Clone)]
pub(super) struct Tree {
    place: Arc<dyn Place>,
    /// The path of the folder in the place, with a `/` at its end, or empty.
    prefix: String,
    /// The files, each below the prefix.
    entries: Vec<PlaceEntry>,
}

impl Tree {
    /// The part of a place below a prefix.
    pub(super) fn new(place: Arc<dyn Place>, entries: &[PlaceEntry], prefix: &str) -> Self {
        let entries = entries.iter().filter(|entry| entry.path.starts_with(prefix)).cloned().collect();
        Self { place, prefix: prefix.to_owned(), entries }
    }

    /// A folder of this machine.
    pub(super) async fn local(path: &Path) -> Result<Self> {
        let place: Arc<dyn Place> = Arc::new(LocalPlace::new(path));
        let entries = place.list().await?;
        Ok(Self { place, prefix: String::new(), entries })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.entries.iter().map(|entry| entry.bytes).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it has a file.
    pub(super) fn has(&self, name: &str) -> bool {
        let path = format!("{}{name}", self.prefix);
        self.entries.iter().any(|entry| entry.path == path)
    }

    /// The text of a small file; `None` if there is none.
    pub(super) async fn text(&self, name: &str) -> Result<Option<String>> {
        let bytes = self.bytes_of(name).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The bytes of a small file; `None` if there is none.
    pub(super) async fn bytes_of(&self, name: &str) -> Result<Option<Vec<u8>>> {
        if !self.has(name) {
            return Ok(None);
        }
        read_small(&*self.place, &format!("{}{name}", self.prefix)).await.map(Some)
    }

    /// The folder on this machine, if it is one.
    pub(super) fn local_path(&self) -> Option<PathBuf> {
        self.place.local_path(self.prefix.trim_end_matches('/'))
    }

    /// Writes every file below a folder of a node.
    pub(super) async fn copy_to(&self, server: &PostgresServer, folder: &str, meter: &Meter) -> Result<()> {
        let (mut near, far) = tokio::io::duplex(IN_FLIGHT_BYTES);
        let pump = async {
            let sent = self.send(&mut near, meter).await;
            drop(near);
            sent
        };
        let unpack = async {
            // Dropped as soon as tar has ended, so that the sender does not wait for a reader that is gone.
            let mut far = far;
            let tar = Command::new("tar").args(["-x", "--no-same-owner", "-C", folder]);
            server.node().exec(&tar, Io { stdin: Some(&mut far), stdout: None }).await
        };
        let (sent, unpacked) = tokio::join!(pump, unpack);
        unpacked?.success("writing the files into the node")?;
        sent
    }

    async fn send(&self, to: &mut (impl AsyncWrite + Unpin), meter: &Meter) -> Result<()> {
        let mut made = BTreeSet::new();
        for entry in &self.entries {
            let Some(name) = entry.path.strip_prefix(&self.prefix) else { continue };
            if OF_THE_PROCESS.contains(&name) {
                continue;
            }
            for folder in folders_of(name) {
                if made.insert(folder.to_owned()) {
                    let block = header(&format!("{folder}/"), Kind::Folder, 0).ok_or_else(|| unfit(name))?;
                    to.write_all(&block).await.context("writing into the node")?;
                }
            }
            let block = header(name, Kind::File, entry.bytes).ok_or_else(|| unfit(name))?;
            let content = meter.watch(self.place.open(&entry.path).await?);
            write_file(to, &block, content, entry.bytes).await.context(format_args!(
                "copying {} of {}",
                entry.path,
                self.place.name()
            ))?;
        }
        to.write_all(&[0; 2 * BLOCK]).await.context("writing into the node")
    }
}

/// The folders above a file, the outermost first.
fn folders_of(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

fn unfit(name: &str) -> Error {
    Error::usage(format!("{name} is no name or size of a file in a PostgreSQL cluster"))
        .hint("name the data directory itself, without other files in it")
}

/// Reads a small file of a place as text.
pub(super) async fn read_text(place: &dyn Place, path: &str) -> Result<String> {
    Ok(String::from_utf8_lossy(&read_small(place, path).await?).into_owned())
}

/// Reads a small file of a place; of a larger one its start.
async fn read_small(place: &dyn Place, path: &str) -> Result<Vec<u8>> {
    use tokio::io::AsyncReadExt as _;
    const MOST: u64 = 1 << 20;
    let mut bytes = Vec::new();
    let mut reader = place.open(path).await?.take(MOST);
    reader.read_to_end(&mut bytes).await.context(format_args!("reading {path} of {}", place.name()))?;
    Ok(bytes)
}

/// Where the tablespaces of a data directory are, by object identifier; `None` for one that is not in the backup.
pub(super) type Tablespaces = BTreeMap<String, Option<Tree>>;

/// Finds the tablespaces of a data directory: by its links, which are followed only to folders of the same place, and
/// by the file that a base backup has in place of links. `beside` is where a tool keeps them by their identifiers.
pub(super) async fn find_tablespaces(
    found: &Found,
    data: &Tree,
    beside: Option<&str>,
) -> Result<Tablespaces> {
    let mut tablespaces = Tablespaces::new();
    let root = found.place.local_path("").and_then(|root| root.canonicalize().ok());
    for (identifier, target) in links(data) {
        let inside = root.as_ref().zip(target).filter(|(root, target)| target.starts_with(root));
        let tree = match inside {
            Some((_, target)) => Some(Tree::local(&target).await?),
            None => None,
        };
        tablespaces.insert(identifier, tree);
    }
    let map = data.text("tablespace_map").await?.unwrap_or_default();
    for identifier in identifiers(&map) {
        tablespaces.entry(identifier).or_insert(None);
    }
    if let Some(beside) = beside {
        let names: Vec<_> = tablespaces.keys().cloned().collect();
        for identifier in names {
            let tree = Tree::new(found.place.clone(), &found.entries, &format!("{beside}{identifier}/"));
            if !tree.is_empty() {
                tablespaces.insert(identifier, Some(tree));
            }
        }
    }
    Ok(tablespaces)
}

/// The tablespaces that a `tablespace_map` names: `16390 /srv/ts`. Source: `read_tablespace_map` in PostgreSQL's
/// xlogrecovery.c.
pub(super) fn identifiers(map: &str) -> impl Iterator<Item = String> {
    let names = map.lines().filter_map(|line| line.split_once(' ').map(|(identifier, _)| identifier));
    names.filter(|name| is_identifier(name)).map(ToOwned::to_owned)
}

pub(super) fn is_identifier(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The links of a data directory on this machine, and the folders that they lead to, if those exist.
fn links(data: &Tree) -> Vec<(String, Option<PathBuf>)> {
    let folder = data.local_path().map(|path| path.join("pg_tblspc"));
    let Some(Ok(entries)) = folder.map(std::fs::read_dir) else { return Vec::new() };
    let links = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink()));
    let links = links.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    links
        .filter(|(name, _)| is_identifier(name))
        .map(|(name, path)| (name, path.canonicalize().ok().filter(|target| target.is_dir())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_names_its_tablespaces() {
        let found: Vec<_> = identifiers("16390 /srv/a b\n16391 /srv/c\nnone\n../x /y\n").collect();
        assert_eq!(found, ["16390", "16391"]);
        assert_eq!(folders_of("base/5/1259").collect::<Vec<_>>(), ["base", "base/5"]);
    }
}
