//! A named pipe where a server looks for its snapshot: it loads the bytes while they come in, and a copy of them goes
//! to the disk beside it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::server::RedisServer;
use crate::error::{Context as _, Result};
use crate::substrate::{Command, Io};
use crate::wait;

/// What the pipe is made to hold where that can be done: a server loads so much in about ten milliseconds.
const ROOMY_BYTES: usize = 1024 * 1024;
/// How long to leave a full pipe alone: some of it is read by then, and by far not all.
const UNTIL_THERE_IS_ROOM: Duration = Duration::from_millis(2);
/// How much is passed on at a time.
const PIECE_BYTES: usize = 128 * 1024;
/// How long the last bytes may be on their way once the server has loaded all of them.
const LAST_BYTES_LIMIT: Duration = Duration::from_secs(5);

/// The pipe, and the copy that is to take its place.
pub(super) struct SnapshotPipe {
    server: RedisServer,
    /// Both of them, opened here, where that can be done.
    here: Option<Here>,
}

/// The pipe and the copy as this process writes to them.
struct Here {
    /// Open in both directions: what is in it stays there until the server comes for it.
    pipe: File,
    copy: tokio::fs::File,
}

impl SnapshotPipe {
    /// Makes a pipe where the server looks for its file, and an empty file for the copy.
    pub(super) async fn make(server: &RedisServer) -> Result<Self> {
        let (path, script) = (server.rdb_path(), "umask 077 && mkfifo -- \"$0\" && : > \"$1\"");
        let make = Command::new("sh").args(["-c", script, &path, &copy_path(&path)]);
        server.node().exec(&make, Io::default()).await?.success("making a pipe for the snapshot")?;
        let here = |path: &str| server.node().host_path(path);
        let here = here(&path).zip(here(&copy_path(&path))).and_then(|(pipe, copy)| Here::open(&pipe, &copy));
        Ok(Self { server: server.clone(), here })
    }

    /// Passes everything on to the server, which has been launched, and to the copy.
    pub(super) async fn fill(&mut self, source: &mut (dyn AsyncRead + Send + Unpin)) -> Result<()> {
        let Self { server, here } = self;
        if let Some(here) = here {
            return while_it_loads(server, here.pass_on(source)).await;
        }
        let passed_on = while_it_loads(server, pass_on_inside(server, source)).await;
        if passed_on.is_err() {
            // Whatever the server had against it is the better reason.
            server.end_of_loading().await?;
        }
        passed_on
    }

    /// Gives the copy the name of the pipe: the next start needs it. The server reads the pipe that it has opened,
    /// whatever stands in its place by now.
    ///
    /// A server that has loaded its file opens it once more, to let the machine forget its pages (Redis since 7.2, in
    /// `rdbLoadWithEmptyFunc`). On a pipe that nobody writes to that would take for ever: so somebody holds it open
    /// until the file has its name.
    ///
    /// The pipe, and nothing else, goes first: a file that takes another's name is given its place on the disk at
    /// once, and 140 MB take 50 ms for that (ext4's `auto_da_alloc`).
    pub(super) async fn put_copy_in_place(&self) -> Result<()> {
        let path = self.server.rdb_path();
        let script =
            "[ -p \"$1\" ] && [ -f \"$0\" ] && exec 3<> \"$1\" && rm -- \"$1\" && exec mv -- \"$0\" \"$1\"";
        let rename = Command::new("sh").args(["-c", script, &copy_path(&path), &path]);
        let renamed = self.server.node().exec(&rename, Io::default()).await?;
        renamed.success("putting the snapshot in place").map(drop)
    }
}

/// Passes a snapshot on until all of it is there, the server stops, or it has loaded something else.
async fn while_it_loads(server: &RedisServer, passing_on: impl Future<Output = Result<()>>) -> Result<()> {
    let mut passing_on = Box::pin(passing_on);
    tokio::select! {
        passed_on = &mut passing_on => passed_on,
        ended = server.end_of_loading() => {
            ended?;
            // It has read all and the last of it is on its way to the disk, or it does not read at all.
            wait::at_most("the server to read the snapshot", LAST_BYTES_LIMIT, passing_on).await.map_err(
                |error| error.hint("find out what else it loads: an append-only file wins over the snapshot"),
            )?
        }
    }
}

impl Here {
    /// Opens both, if they are what they should be and the pipe can be made roomy.
    fn open(pipe: &Path, copy: &Path) -> Option<Self> {
        let pipe = open_in_place(pipe, OFlags::NONBLOCK)?;
        let copy = open_in_place(copy, OFlags::empty())?;
        let kinds = (pipe.metadata().ok()?.file_type(), copy.metadata().ok()?.file_type());
        let is_roomy = rustix::pipe::fcntl_setpipe_size(&pipe, ROOMY_BYTES).is_ok();
        (is_roomy && kinds.0.is_fifo() && kinds.1.is_file()).then(|| {
            let mut copy = tokio::fs::File::from_std(copy);
            copy.set_max_buf_size(PIECE_BYTES);
            Self { pipe, copy }
        })
    }

    async fn pass_on(&mut self, source: &mut (dyn AsyncRead + Send + Unpin)) -> Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let read = source.read(&mut piece).await.context("reading the snapshot")?;
            if read == 0 {
                self.copy.flush().await.context("writing the copy of the snapshot")?;
                return self.until_it_is_read().await;
            }
            self.copy.write_all(&piece[..read]).await.context("writing the copy of the snapshot")?;
            self.push(&piece[..read]).await?;
        }
    }

    /// Waits until the server has taken everything out of the pipe.
    async fn until_it_is_read(&self) -> Result<()> {
        while rustix::io::ioctl_fionread(&self.pipe).context("looking into the server's pipe")? > 0 {
            wait::rest(UNTIL_THERE_IS_ROOM, std::future::pending::<()>()).await;
        }
        Ok(())
    }

    /// Writes to the pipe. Where it is full, it is looked at again a moment later: a writer that waits for room is
    /// woken with every four kilobytes that the server reads, and a server on a full pipe then spends as much time on
    /// waking it as on the snapshot (140 MB take it 1.4 s instead of 1.2).
    async fn push(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.pipe.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait::rest(UNTIL_THERE_IS_ROOM, std::future::pending::<()>()).await;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing to the server's pipe"),
            }
        }
        Ok(())
    }
}

/// Opens what is there already, and follows no link: the node's user could have put one there.
fn open_in_place(path: &Path, flags: OFlags) -> Option<File> {
    let flags = (flags | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()
}

/// The same by a program inside the node.
async fn pass_on_inside(server: &RedisServer, source: &mut (dyn AsyncRead + Send + Unpin)) -> Result<()> {
    let path = server.rdb_path();
    let script = "umask 077 && exec tee -- \"$1\" > \"$0\"";
    let write = Command::new("sh").args(["-c", script, &path, &copy_path(&path)]);
    let written = server.node().exec(&write, Io { stdin: Some(source), stdout: None }).await?;
    written.success(&format!("writing {path}")).map(drop)
}

/// Where the copy stands until it has its name.
pub(super) fn copy_path(path: &str) -> String {
    format!("{path}.part")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn make() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, copy) = (dir.path().join("dump.rdb"), dir.path().join("dump.rdb.part"));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        File::create(&copy).unwrap();
        (dir, pipe, copy)
    }

    #[tokio::test]
    async fn more_than_the_pipe_holds_arrives_whole_in_both() {
        let (_dir, pipe, copy) = make();
        let mut here = Here::open(&pipe, &copy).unwrap();
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * ROOMY_BYTES + 17).collect();
        let mut read = vec![0; bytes.len()];
        let reading = tokio::task::spawn_blocking(move || {
            File::open(pipe).unwrap().read_exact(&mut read).unwrap();
            read
        });
        here.pass_on(&mut &bytes[..]).await.unwrap();
        assert!(reading.await.unwrap() == bytes);
        assert!(std::fs::read(copy).unwrap() == bytes);
    }

    #[tokio::test]
    async fn what_nobody_reads_is_not_passed_on() {
        let (_dir, pipe, copy) = make();
        let mut here = Here::open(&pipe, &copy).unwrap();
        let mut source = &b"a snapshot"[..];
        let passing_on = here.pass_on(&mut source);
        assert!(wait::at_most("a reader", Duration::from_millis(20), passing_on).await.is_err());
    }

    #[test]
    fn links_and_other_files_are_not_opened() {
        let (dir, pipe, copy) = make();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert!(Here::open(&link, &copy).is_none());
        assert!(Here::open(&copy, &copy).is_none());
        assert!(Here::open(&pipe, &pipe).is_none());
        assert!(Here::open(&dir.path().join("nothing"), &copy).is_none());
    }
}
