//! A named pipe in place of the server's snapshot file: the server loads the bytes while they arrive, and a
//! copy of them is written to the disk beside it.

use std::pin::Pin;
use std::time::Duration;

use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;
use comeback_error::{Context as _, Error, Result};
use tokio::io::AsyncRead;

use super::ends::{Ends, PipeAndCopy, copy_path};
use super::server::RedisServer;
use super::unpack::Outlet;

/// Creates the pipe and the file if the directory is empty; otherwise prints what is in it. Removes only its
/// own pipe.
const MAKE: &str = r#"
found=$(ls -A -- "$2") || exit
if [ -n "$found" ]; then printf '%s\n' "$found"; exit; fi
umask 077 && set -C && mkfifo -- "$0" || exit
: > "$1" || { rm -- "$0"; exit 1; }"#;
/// How long the last bytes may still be in transit once the server has loaded all of them.
const LAST_BYTES_LIMIT: Duration = Duration::from_secs(5);

/// The pipe, and the copy that will replace it.
pub(super) struct SnapshotPipe {
    server: RedisServer,
    /// Both, opened here. `None` if this process cannot open them, or while another thread fills them.
    here: Option<Ends>,
}

impl SnapshotPipe {
    /// Creates a pipe under the name of the server's file, and an empty file for the copy. A data directory
    /// that is not empty is left unchanged and refused.
    pub(super) async fn make(server: &RedisServer) -> Result<Self> {
        let (path, name) = (server.rdb_path(), server.node().name());
        let command = Command::new("sh").args(["-c", MAKE, &path, &copy_path(&path), &server.data_dir()]);
        let made = server.node().exec(&command, Io::default()).await?;
        let found = made.success("making a pipe for the snapshot")?.text();
        if let Some(in_the_way) = found.lines().next() {
            return Err(Error::usage(format!("there is `{in_the_way}` in the data directory of {name}"))
                .hint("restore into an empty one: an append-only file would win over the snapshot"));
        }
        let here = server.node().host_path(&server.data_dir()).and_then(|dir| Ends::open(&dir));
        Ok(Self { server: server.clone(), here })
    }

    /// Opens an outlet for the snapshot, which leads to the launched server and to the copy. The future
    /// returns how that ended; dropping it closes the outlet.
    pub(super) fn open(&mut self) -> (Outlet, Pin<Box<dyn Future<Output = Result<()>> + Send + '_>>) {
        let Self { server, here } = self;
        if let Some(ends) = here.take() {
            let (both, done) = PipeAndCopy::new(ends);
            let filled = async {
                *here = Some(done.await.context("passing the snapshot on")??);
                Ok(())
            };
            return (Outlet::Pipe(both), Box::pin(while_it_loads(server, filled)));
        }
        let (outlet, mut source) = Outlet::task();
        let taken = async move {
            let passed_on = while_it_loads(server, pass_on_inside(server, &mut source)).await;
            if passed_on.is_err() {
                // The server's own error is more useful.
                server.end_of_loading().await?;
            }
            passed_on
        };
        (outlet, Box::pin(taken))
    }

    /// Gives the copy the name of the pipe, because the next start needs the file. The server continues to
    /// read the pipe that it has opened, whatever has its name now.
    ///
    /// A server that has loaded its file opens it once more, to drop its pages from the page cache (Redis
    /// since 7.2, in `rdbLoadWithEmptyFunc`). Opening a pipe without a writer would block forever, so the
    /// pipe is held open until the file has its name.
    ///
    /// The pipe is removed first. A file that is renamed over another one is written to the disk at once,
    /// which takes 50 ms for 140 MB (ext4's `auto_da_alloc`).
    pub(super) async fn put_copy_in_place(&self) -> Result<()> {
        if let Some(ends) = &self.here {
            return ends.put_copy_in_place();
        }
        let path = self.server.rdb_path();
        let script =
            "[ -p \"$1\" ] && [ -f \"$0\" ] && exec 3<> \"$1\" && rm -- \"$1\" && exec mv -- \"$0\" \"$1\"";
        let rename = Command::new("sh").args(["-c", script, &copy_path(&path), &path]);
        let renamed = self.server.node().exec(&rename, Io::default()).await?;
        renamed.success("putting the snapshot in place").map(drop)
    }
}

/// Passes a snapshot on until it is complete, the server stops, or the server has loaded something else.
async fn while_it_loads(server: &RedisServer, passing_on: impl Future<Output = Result<()>>) -> Result<()> {
    let mut passing_on = Box::pin(passing_on);
    tokio::select! {
        passed_on = &mut passing_on => passed_on,
        ended = server.end_of_loading() => {
            ended?;
            // Either it has read everything and the last bytes are on their way to the disk, or it does not
            // read the pipe at all.
            wait::at_most("the server to read the snapshot", LAST_BYTES_LIMIT, passing_on).await.map_err(
                |error| error.hint("find out what else it loads: an append-only file wins over the snapshot"),
            )?
        }
    }
}

/// Passes the snapshot on with a program inside the node.
async fn pass_on_inside(server: &RedisServer, source: &mut (dyn AsyncRead + Send + Unpin)) -> Result<()> {
    let path = server.rdb_path();
    let script = "umask 077 && exec tee -- \"$1\" > \"$0\"";
    let write = Command::new("sh").args(["-c", script, &path, &copy_path(&path)]);
    let written = server.node().exec(&write, Io { stdin: Some(source), stdout: None }).await?;
    written.success(&format!("writing {path}")).map(drop)
}
