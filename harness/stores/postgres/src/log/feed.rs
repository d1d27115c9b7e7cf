//! Feeds a restored server with its log while it replays. The log goes into a folder of the node beside the
//! data directory, segment by segment, in the order of replay.
//!
//! A segment gets its name there only when it is complete and checked. The server's `restore_command` waits
//! only for segments that are on their way, and recognises the end of the log by a marker file. It waits at
//! most [`PATIENCE_SECONDS`] for one segment, because the feeder may have died. Then it makes the server
//! stop, instead of pretending that the log ends there.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use comeback_engine::substrate::{Command, Io};
use comeback_engine::wait;
use comeback_model::{Finding, Lsn, RecoveryPoint, SegmentName, TimelineHistory};
use tokio::task::{AbortHandle, JoinSet};

use crate::RestoreFailure;
use crate::base_backup::fetch::wal_dir;
use crate::error::{Error, Result};
use crate::server::node::PostgresServer;

/// The server runs it in its data directory. The path is relative, so nothing needs quoting, whatever the
/// folder's name.
pub(crate) const RESTORE_COMMAND: &str = "sh ../restore-log.sh %p %f";
/// How long the server waits for one segment.
const PATIENCE_SECONDS: u32 = 600;
/// The names of the segments that will come, one per line.
const PLANNED: &str = ".planned";
/// Exists when no more segments will come.
const ENDED: &str = ".ended";

/// The server also asks for files that never existed: that is not an error and writes no line into the log.
/// The end marker is checked before the file, so that a file that arrives in between is seen. The server
/// takes the last exit code for a signal; with any other code it would assume that the log has ended.
///
/// The file is linked rather than copied, because a log can be large. The server writes into a segment again
/// only after recovery, under a new name, and then asks for no more files.
const SCRIPT: &str = r#"log=../wal
left=$((PATIENCE * 50))
while [ $left -gt 0 ]; do
    ended=
    [ -e "$log/.ended" ] && ended=yes
    if [ -f "$log/$2" ]; then
        ln -f "$log/$2" "$1" 2>/dev/null || cp "$log/$2" "$1"
        exit
    fi
    [ -z "$ended" ] && grep -qsxF "$2" "$log/.planned" || exit 1
    sleep 0.02
    left=$((left - 1))
done
echo "waited PATIENCE s for log segment $2, and nobody brought it" >&2
exit 255
"#;

/// Gives a file its name only if it arrived whole: if the feeder dies, only a part may arrive.
const PLACE: &str =
    r#"umask 077 && cat > "$0/.$1" && [ "$(wc -c < "$0/.$1")" -eq "$2" ] && mv "$0/.$1" "$0/$1""#;

/// The log from which a restored server replays.
#[derive(Debug, Clone)]
pub struct FetchedLog {
    pub(crate) history: TimelineHistory,
    /// The last segment that the server has.
    pub last_segment: Option<SegmentName>,
    /// How many segments came from the archive.
    pub fetched_segments: usize,
    /// Where the last whole record of the log begins, if somebody looked.
    pub(crate) last_record: Option<Lsn>,
    /// Why the log ends before the archive does: a gap, or a damaged segment.
    pub broken: Option<Box<Finding>>,
}

/// The log of a restored server, parts of which may still be on their way.
pub struct LogFeed {
    server: PostgresServer,
    pub(crate) history: TimelineHistory,
    progress: Progress,
    /// The task; it ends when the feed is dropped.
    feeding: JoinSet<()>,
    feeder: Option<AbortHandle>,
}

/// The state of the feeding: what has arrived, and why it cannot continue.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<State>>);

struct State {
    log: FetchedLog,
    outcome: Option<Result<()>>,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a segment that the server has.
    pub(crate) fn arrived(&self, segment: SegmentName, is_fetched: bool) {
        let log = &mut self.state().log;
        log.last_segment = Some(segment);
        log.fetched_segments += usize::from(is_fetched);
    }

    /// Records where the last whole record of the log begins.
    pub(crate) fn last_record(&self, at: Option<Lsn>) {
        self.state().log.last_record = at;
    }

    /// Records why the log ends here.
    pub(crate) fn broken(&self, finding: Box<Finding>) {
        self.state().log.broken = Some(finding);
    }
}

impl LogFeed {
    /// A feed whose log has arrived already.
    pub(crate) fn complete(server: &PostgresServer, log: FetchedLog) -> Self {
        let history = log.history.clone();
        let progress = Progress(Arc::new(Mutex::new(State { log, outcome: Some(Ok(())) })));
        Self { server: server.clone(), history, progress, feeding: JoinSet::new(), feeder: None }
    }

    /// Begins to feed a server. `feed` reports its progress; when it returns without an error, the log is
    /// complete.
    pub(crate) async fn begin<F: Future<Output = Result<()>> + Send + 'static>(
        server: &PostgresServer,
        log: FetchedLog,
        planned: impl Iterator<Item = SegmentName>,
        feed: impl FnOnce(Progress) -> F,
    ) -> Result<Self> {
        let names = planned.fold(String::new(), |mut names, segment| {
            // Writing to a string cannot fail.
            let _ = writeln!(names, "{segment}");
            names
        });
        server.write_file(&format!("{}/{PLANNED}", wal_dir(server)), names.as_bytes()).await?;
        let history = log.history.clone();
        let progress = Progress(Arc::new(Mutex::new(State { log, outcome: None })));
        let (feed, told, node) = (feed(progress.clone()), progress.clone(), server.clone());
        let mut feeding = JoinSet::new();
        let feeder = feeding.spawn(async move {
            let mut outcome = feed.await;
            if outcome.is_ok() {
                outcome = mark_end(&node).await;
            }
            told.state().outcome = Some(outcome);
        });
        Ok(Self { server: server.clone(), history, progress, feeding, feeder: Some(feeder) })
    }

    /// Fails if the feeder stopped before the end of the log.
    pub(crate) fn ensure_fed(&self) -> Result<()> {
        // Read first: the feeder sets its outcome before it finishes.
        let has_ended = self.feeder.as_ref().is_none_or(AbortHandle::is_finished);
        match &self.progress.state().outcome {
            Some(outcome) => outcome.clone(),
            None if has_ended => Err(Error::could_not_verify("fetching the log has ended before the log")),
            None => Ok(()),
        }
    }

    /// Waits until the whole log has arrived.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        while self.feeding.join_next().await.is_some() {}
        self.ensure_fed()
    }

    /// The same feed, once it is ready for a recovery to this point. The end of the log is known only when all of it has
    /// arrived, and one that is broken does not reach it.
    pub(crate) async fn ready_for(mut self, point: &RecoveryPoint) -> Result<Self, RestoreFailure> {
        if *point == RecoveryPoint::Latest {
            self.wait().await?;
            if let Some(finding) = self.so_far().broken {
                return Err(RestoreFailure::Backup(finding));
            }
        }
        Ok(self)
    }

    /// Stops the feeding when no more log is needed, and tells the server that no more will come. Returns the
    /// log so far.
    pub(crate) async fn stop(mut self) -> Result<FetchedLog> {
        let is_marked = matches!(self.progress.state().outcome, Some(Ok(())));
        if !is_marked {
            self.feeding.shutdown().await;
            mark_end(&self.server).await?;
        }
        Ok(self.so_far())
    }

    /// Waits for the feeding of a server that stopped for lack of log. Returns the log: complete, or else
    /// broken.
    pub(crate) async fn finish(mut self) -> FetchedLog {
        let limit = Duration::from_secs(PATIENCE_SECONDS.into());
        // After the limit, use what is known: the server has stopped in any case.
        let _ = wait::at_most("the rest of the log", limit, self.wait()).await;
        self.so_far()
    }

    /// The log that the server has so far.
    pub(crate) fn so_far(&self) -> FetchedLog {
        self.progress.state().log.clone()
    }
}

/// Writes the script that `restore_command` runs.
pub(crate) async fn write_script(server: &PostgresServer) -> Result<()> {
    let script = SCRIPT.replace("PATIENCE", &PATIENCE_SECONDS.to_string());
    server.write_file(&format!("{}/restore-log.sh", server.root()), script.as_bytes()).await
}

/// Puts a checked file in place, whole or not at all.
pub(crate) async fn place(server: &PostgresServer, name: &str, content: &[u8]) -> Result<()> {
    let (dir, bytes) = (wal_dir(server), content.len().to_string());
    let command = Command::new("sh").args(["-c", PLACE, &dir, name, &bytes]);
    let mut content = content;
    let io = Io { stdin: Some(&mut content), stdout: None };
    server.node().exec(&command, io).await?.success(&format!("writing log file {name}")).map(drop)
}

async fn mark_end(server: &PostgresServer) -> Result<()> {
    server.write_file(&format!("{}/{ENDED}", wal_dir(server)), b"").await
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    const SEGMENT: &str = "000000010000000000000005";

    /// A node's folder, in which the script waits at most one second.
    fn node() -> tempfile::TempDir {
        let node = tempfile::tempdir().expect("a folder");
        for folder in ["data", "wal"] {
            std::fs::create_dir(node.path().join(folder)).expect("a folder");
        }
        write(node.path(), "restore-log.sh", &SCRIPT.replace("PATIENCE", "1"));
        node
    }

    fn write(node: &Path, name: &str, content: &str) {
        std::fs::write(node.join(name), content).expect("a file");
    }

    /// The exit code when the server asks for a file.
    fn ask(node: &Path, name: &str) -> Option<i32> {
        let path = std::env::var("PATH").expect("a search path");
        let mut command = Command::new("sh");
        command.args(["../restore-log.sh", "got", name]).current_dir(node.join("data"));
        command.env("PATH", format!("{}:{path}", node.display())).stderr(Stdio::null());
        command.status().expect("a shell").code()
    }

    #[test]
    fn a_segment_that_is_there_is_given_and_one_that_never_comes_is_not() {
        let node = node();
        assert_eq!(ask(node.path(), SEGMENT), Some(1));
        write(node.path(), "wal/.planned", &format!("{SEGMENT}\n"));
        write(node.path(), &format!("wal/{SEGMENT}"), "log");
        assert_eq!(ask(node.path(), SEGMENT), Some(0));
        assert_eq!(std::fs::read(node.path().join("data/got")).expect("a file"), b"log");
        assert_eq!(ask(node.path(), "00000002.history"), Some(1));
        assert_eq!(ask(node.path(), "000000010000000000000006"), Some(1));
    }

    #[test]
    fn a_segment_on_its_way_is_waited_for_until_it_comes_or_the_log_ends() {
        use std::os::unix::fs::PermissionsExt as _;
        for (arrival, code) in [(SEGMENT, 0), (ENDED, 1)] {
            let node = node();
            write(node.path(), "wal/.planned", &format!("{SEGMENT}\n"));
            // It arrives while the server already waits: in the script's first sleep.
            write(node.path(), "sleep", &format!("#!/bin/sh\necho log > ../wal/{arrival}\n"));
            let sleep = node.path().join("sleep");
            std::fs::set_permissions(&sleep, std::fs::Permissions::from_mode(0o755)).expect("a program");
            assert_eq!(ask(node.path(), SEGMENT), Some(code), "{arrival}");
            assert_eq!(node.path().join("data/got").exists(), code == 0);
        }
    }

    /// PostgreSQL stops at an exit code above 125; at any other it assumes that the log has ended.
    #[test]
    fn a_server_whose_feeder_died_stops_and_does_not_take_the_log_to_have_ended() {
        let node = node();
        write(node.path(), "wal/.planned", &format!("{SEGMENT}\n"));
        assert_eq!(ask(node.path(), SEGMENT), Some(255));
    }

    #[test]
    fn a_part_of_a_segment_never_gets_its_name() {
        let node = node();
        let wal = node.path().join("wal");
        for (bytes, is_there) in [("4", false), ("3", true)] {
            let mut command = Command::new("sh");
            command.args(["-c", PLACE]).arg(&wal).args([SEGMENT, bytes]).stdin(Stdio::piped());
            let mut child = command.spawn().expect("a shell");
            child.stdin.take().expect("an input").write_all(b"log").expect("a listener");
            assert_eq!(child.wait().expect("an end").success(), is_there);
            assert_eq!(wal.join(SEGMENT).exists(), is_there);
        }
    }
}
