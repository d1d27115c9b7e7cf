//! The pipe from which a server reads its snapshot, and the copy on disk; this process fills both.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use tokio::sync::oneshot;

use super::server::RDB;

/// The size to set for the pipe: a server loads this much in about ten milliseconds.
const ROOMY_BYTES: usize = 1024 * 1024;
/// How long to wait when the pipe is full: the server reads a part of it in that time.
const UNTIL_THERE_IS_ROOM: Duration = Duration::from_millis(2);
/// The size of one slot of the pipe; a server reads this much at a time.
const PAGE_BYTES: u64 = 4096;
/// The pipe and the copy, opened by this process.
pub(super) struct Ends {
    /// Their directory. The open file stays the same even if its name is changed.
    dir: File,
    /// Open for reading and writing, so that its content stays until the server opens it.
    pipe: File,
    copy: File,
}

/// The pipe and the copy, on the thread that fills them.
pub(super) struct PipeAndCopy {
    ends: Ends,
    /// How many bytes are in the copy.
    written: u64,
    /// How many of them were put into the pipe.
    passed: u64,
    /// Sends the outcome. The filling stops when the receiver is dropped.
    waiting: oneshot::Sender<Result<Ends>>,
}

impl Ends {
    /// Opens both; `None` if either is not what it should be or the pipe cannot be enlarged. Symbolic links
    /// are not followed: the node's user could have created one.
    pub(super) fn open(dir: &Path) -> Option<Self> {
        let no_link = OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = File::from(openat(CWD, dir, no_link | OFlags::DIRECTORY, Mode::empty()).ok()?);
        let inside = |name: &str, flags| {
            openat(&dir, name, no_link | OFlags::RDWR | flags, Mode::empty()).map(File::from).ok()
        };
        let (pipe, copy) = (inside(RDB, OFlags::NONBLOCK)?, inside(&copy_path(RDB), OFlags::empty())?);
        let kinds = (pipe.metadata().ok()?.file_type(), copy.metadata().ok()?.file_type());
        let is_roomy = rustix::pipe::fcntl_setpipe_size(&pipe, ROOMY_BYTES).is_ok();
        (is_roomy && kinds.0.is_fifo() && kinds.1.is_file()).then_some(Self { dir, pipe, copy })
    }

    pub(super) fn put_copy_in_place(&self) -> Result<()> {
        let removed = unlinkat(&self.dir, RDB, AtFlags::empty());
        let renamed = removed.and_then(|()| renameat(&self.dir, copy_path(RDB), &self.dir, RDB));
        renamed.context("putting the snapshot in place")
    }
}

impl PipeAndCopy {
    pub(super) fn new(ends: Ends) -> (Self, oneshot::Receiver<Result<Ends>>) {
        let (waiting, done) = oneshot::channel();
        (Self { ends, written: 0, passed: 0, waiting }, done)
    }

    /// Passes bytes on. Returns `None` once no more are accepted.
    pub(super) fn pass_on(mut self, bytes: &[u8]) -> Option<Self> {
        match self.write(bytes) {
            Ok(()) => Some(self),
            Err(error) => {
                self.tell(Err(error));
                None
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.ends.copy.write_all(bytes).context("writing the copy of the snapshot")?;
        self.written += bytes.len() as u64;
        // A partial page would take a whole slot of the pipe.
        self.push(self.written - self.written % PAGE_BYTES)
    }

    /// Waits until the server has read everything from the pipe.
    pub(super) fn finish(mut self) {
        let finished = self.push(self.written).and_then(|()| self.until_it_is_read());
        self.tell(finished);
    }

    fn until_it_is_read(&self) -> Result<()> {
        while rustix::io::ioctl_fionread(&self.ends.pipe).context("looking into the server's pipe")? > 0 {
            self.rest()?;
        }
        Ok(())
    }

    fn tell(self, how_it_went: Result<()>) {
        // A receiver that is gone knows the reason already.
        let _ = self.waiting.send(how_it_went.map(|()| self.ends));
    }

    /// Moves the copy's own pages into the pipe. Writing to the pipe would copy once more, and the server
    /// cannot read from a pipe while it is being written to (140 MB took it 6 % longer).
    ///
    /// If the pipe is full, it is checked again a moment later. A writer that waits for room is woken for
    /// every four kilobytes that the server reads, and on a full pipe the server then spends as much time on
    /// waking the writer as on the snapshot (140 MB take it 1.4 s instead of 1.2 s).
    fn push(&mut self, until: u64) -> Result<()> {
        while self.passed < until {
            let left = usize::try_from(until - self.passed).unwrap_or(usize::MAX);
            let Ends { pipe, copy, .. } = &self.ends;
            match splice(copy, Some(&mut self.passed), pipe, None, left, SpliceFlags::NONBLOCK) {
                Ok(0) => return Err(Error::failed("the copy of the snapshot was cut short by somebody")),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.rest()?,
                Err(error) => return Err(error).context("passing the snapshot to the server"),
            }
        }
        Ok(())
    }

    /// Gives the server time to read.
    fn rest(&self) -> Result<()> {
        if self.waiting.is_closed() {
            return Err(Error::could_not_verify("nobody waits for the snapshot any more"));
        }
        wait::keep_thread(UNTIL_THERE_IS_ROOM);
        Ok(())
    }
}

/// The path of the copy before it gets its final name.
pub(super) fn copy_path(path: &str) -> String {
    format!("{path}.part")
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::path::PathBuf;

    use super::*;

    fn make() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let (pipe, copy) = (dir.path().join(RDB), dir.path().join(copy_path(RDB)));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        File::create(&copy).unwrap();
        (dir, pipe, copy)
    }

    #[test]
    fn more_than_the_pipe_holds_arrives_whole_in_both() {
        let (dir, pipe, copy) = make();
        let (mut both, mut done) = PipeAndCopy::new(Ends::open(dir.path()).unwrap());
        let bytes: Vec<u8> = (0..=250).cycle().take(3 * ROOMY_BYTES + 17).collect();
        let mut read = vec![0; bytes.len()];
        let from = pipe.clone();
        let reading = std::thread::spawn(move || {
            File::open(from).unwrap().read_exact(&mut read).unwrap();
            read
        });
        for piece in bytes.chunks(100_000) {
            both = both.pass_on(piece).unwrap();
        }
        both.finish();
        let ends = done.try_recv().unwrap().unwrap();
        assert!(reading.join().unwrap() == bytes);
        assert!(std::fs::read(&copy).unwrap() == bytes);
        ends.put_copy_in_place().unwrap();
        assert!(std::fs::read(pipe).unwrap() == bytes && !copy.exists());
    }

    #[tokio::test]
    async fn what_nobody_reads_is_not_passed_on() {
        let (dir, ..) = make();
        let (both, mut done) = PipeAndCopy::new(Ends::open(dir.path()).unwrap());
        let passing_on = tokio::task::spawn_blocking(|| both.pass_on(b"a snapshot").unwrap().finish());
        assert!(wait::at_most("a reader", Duration::from_millis(20), &mut done).await.is_err());
        // With a receiver, this would take forever.
        drop(done);
        passing_on.await.unwrap();
    }

    #[tokio::test]
    async fn a_full_pipe_takes_no_more_once_nobody_waits() {
        let (dir, ..) = make();
        let (both, done) = PipeAndCopy::new(Ends::open(dir.path()).unwrap());
        let passing_on = tokio::task::spawn_blocking(|| both.pass_on(&vec![0; 2 * ROOMY_BYTES]).is_none());
        drop(done);
        assert!(passing_on.await.unwrap());
    }

    #[test]
    fn links_and_other_files_are_not_opened() {
        let (dir, pipe, copy) = make();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(dir.path(), &link).unwrap();
        assert!(Ends::open(&link).is_none());
        for name in [&pipe, &copy] {
            let aside = dir.path().join("aside");
            std::fs::rename(name, &aside).unwrap();
            assert!(Ends::open(dir.path()).is_none(), "there is no {}", name.display());
            std::os::unix::fs::symlink(&aside, name).unwrap();
            assert!(Ends::open(dir.path()).is_none(), "{} is a link", name.display());
            std::fs::remove_file(name).unwrap();
            std::fs::rename(&aside, name).unwrap();
            assert!(Ends::open(dir.path()).is_some());
        }
        let aside = dir.path().join("aside");
        for (from, to) in [(&pipe, &aside), (&copy, &pipe), (&aside, &copy)] {
            std::fs::rename(from, to).unwrap();
        }
        assert!(Ends::open(dir.path()).is_none(), "each is the other");
    }
}
