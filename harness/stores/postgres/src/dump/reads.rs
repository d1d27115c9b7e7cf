//! Tells how far `pg_restore` has read its archive, which it does not say itself.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use comeback_engine::runner::Meter;
use comeback_engine::substrate::{Command, Io, Node};
use comeback_engine::wait::rest;

/// How often to look. A meter tells less often than that.
const PAUSE: Duration = Duration::from_secs(2);
/// What the processes of `pg_restore` on an archive have read so far, by Linux's count: a line of bytes for each. Those
/// that have ended are in the line of the one that started them. Reading from the server's connection is not counted.
const READ: &str = "
    for name in $(grep -lsx pg_restore /proc/[0-9]*/comm); do
        process=${name%/comm}
        ! grep -qsF -- \"$0\" \"$process/cmdline\" || cat \"$process/io\" 2>/dev/null
    done | sed -n 's/^rchar: //p'";

/// How many bytes an archive in the node has: a file, or a folder of files.
pub(super) async fn size(node: &dyn Node, archive: &str) -> Option<u64> {
    let size = Command::new("du").args(["--summarize", "--apparent-size", "--bytes", "--", archive]);
    let output = node.exec(&size, Io::default()).await.ok()?.text();
    output.split_whitespace().next()?.parse().ok()
}

/// Tells the meter again and again, until it is dropped. Where the system does not count, nothing is told.
pub(super) async fn tell(node: &dyn Node, archive: &str, meter: &Meter) -> Infallible {
    let look = Command::new("sh").args(["-c", READ, archive]);
    loop {
        rest(PAUSE, pending::<()>()).await;
        if let Ok(output) = node.exec(&look, Io::default()).await {
            meter.reached(output.text().lines().filter_map(|line| line.parse::<u64>().ok()).sum());
        }
    }
}
