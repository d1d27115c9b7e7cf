//! Packs a folder of many small files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;
use tokio_tar::{Builder, EntryType, Header};

/// How many files are read ahead.
const AHEAD: usize = 64;

/// A folder, or a file with its bytes; the path counts from the folder that is packed.
enum Entry {
    Folder(PathBuf),
    File(PathBuf, Vec<u8>),
}

/// Writes everything below a folder as a tar archive. One thread reads the files: to hand each step of each file to a
/// thread takes several times as long. A file must fit into memory.
pub(crate) async fn pack(
    folder: &Path,
    to: impl AsyncWrite + Unpin + Send + Sync + 'static,
) -> io::Result<()> {
    let (found, mut read) = channel(AHEAD);
    let root = folder.to_owned();
    let reading = spawn_blocking(move || walk(&root, Path::new(""), &found));
    let mut archive = Builder::new(to);
    while let Some(entry) = read.recv().await {
        let mut header = Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        match entry {
            Entry::Folder(path) => {
                header.set_entry_type(EntryType::Directory);
                header.set_mode(0o700);
                header.set_size(0);
                archive.append_data(&mut header, path, tokio::io::empty()).await?;
            }
            Entry::File(path, bytes) => {
                header.set_mode(0o600);
                header.set_size(bytes.len() as u64);
                archive.append_data(&mut header, path, &bytes[..]).await?;
            }
        }
    }
    reading.await.map_err(io::Error::other)??;
    archive.into_inner().await?.shutdown().await
}

/// Reads what is below a folder, each folder before what is in it. It ends early if nobody wants the rest.
fn walk(root: &Path, below: &Path, found: &Sender<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        let is_folder = entry.file_type()?.is_dir();
        let read = if is_folder {
            Entry::Folder(path.clone())
        } else {
            Entry::File(path.clone(), fs::read(entry.path())?)
        };
        if found.blocking_send(read).is_err() {
            return Ok(());
        }
        if is_folder {
            walk(root, &path, found)?;
        }
    }
    Ok(())
}
