//! A command of the user's, such as a step of a runbook that is a script: run on this machine, and ended with everything
//! that it started.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use comeback_error::{Context as _, Error, Result};
use futures_util::future::{Either, select};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::secret::Secret;
use crate::wait;

/// How much is kept of what a command complains about: the end, which says why it failed.
const COMPLAINT: Kept = Kept::End(16 * 1024);
/// How long its output may stay open after it and its group have ended: a process that left the group may hold it.
const OUTPUT_LIMIT: Duration = Duration::from_secs(5);
const HELD: &str =
    "it started a process in a session of its own, such as a server: redirect the output of that";
/// What stands for a secret that a command printed.
const MASK: &str = "[redacted]";

/// A command of the user's.
///
/// It has an own process group, no input, and the environment of this process without `removed` and with `environment`.
/// Whatever it leaves running in its group is killed when it has ended. A process that leaves the group (`setsid`) is not
/// found; one that holds the output of the command is an error.
#[derive(Debug, Clone)]
pub struct UserCommand {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// Variables of the environment of this process that it must not see, unless `environment` has them.
    pub removed: Vec<&'static str>,
    /// What it is told beside the environment of this process.
    pub environment: Vec<(&'static str, Secret)>,
    /// What must not be in its output: each occurrence is replaced.
    pub secrets: Vec<Secret>,
    /// What is kept of its standard output.
    pub output: Kept,
}

/// Which part of what a command prints is kept, in bytes. A line that would be cut is left out: a part of a secret could
/// not be masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The beginning.
    Beginning(usize),
    /// The end.
    End(usize),
}

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Whether it ended with 0.
    pub succeeded: bool,
    /// `exit status 3`, `signal 9`.
    pub status: String,
    /// Its standard output, without secrets.
    pub stdout: String,
    /// Whether it printed more than was kept.
    pub is_cut: bool,
    /// The end of its standard error, without secrets.
    pub stderr: String,
    /// Whether it left processes running, which were killed.
    pub left_running: bool,
}

impl CommandEnd {
    /// The last lines that it printed, those of the standard error before those of the standard output.
    pub fn last_lines(&self, count: usize) -> Vec<&str> {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        lines.into_iter().rev().take(count).rev().collect()
    }
}

/// Kills the process group of a command.
struct Leash(Option<Pid>);

impl Leash {
    /// Kills what is left, and says whether there was anything.
    fn pull(&mut self) -> bool {
        let Some(group) = self.0.take() else { return false };
        let is_left = processes().any(|process| process.group == group.as_raw_pid() && !process.is_dead);
        let _ = kill_process_group(group, Signal::KILL);
        is_left
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        self.pull();
    }
}

impl UserCommand {
    /// The program.
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }

    /// Runs the command to its end, for at most `limit`. Dropping the future kills it, and so does the limit.
    pub async fn run(&self, limit: Duration) -> Result<CommandEnd> {
        let program = self.program();
        let doing = format!("running {program:?}");
        let mut command = Command::new(program);
        for name in &self.removed {
            command.env_remove(name);
        }
        let spawned = command
            .args(self.argv.iter().skip(1))
            .current_dir(&self.folder)
            .envs(self.environment.iter().map(|(name, value)| (name, OsString::from(value.expose()))))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        let child = spawned.context(&doing).map_err(|error| {
            error.hint(
                "a command without `/` is looked for in PATH; others count from the folder of the settings",
            )
        })?;
        // The leash outlives the child: what it started has its group.
        let mut leash = Leash(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        let ended =
            wait::at_most(&format!("{program:?} to end"), limit, self.to_end(child, &mut leash)).await;
        ended.and_then(|ended| ended.map_err(|error| error.context(&doing)))
    }

    async fn to_end(&self, mut child: Child, leash: &mut Leash) -> Result<CommandEnd> {
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let ended = pin!(async {
            let status = child.wait().await.context("waiting for its end")?;
            // A process that it left holds its output open: the end of that would never come.
            Ok::<_, Error>((status, leash.pull()))
        });
        let said = pin!(async { tokio::try_join!(some_of(stdout, self.output), some_of(stderr, COMPLAINT)) });
        let (ended, said) = match select(ended, said).await {
            Either::Left((ended, said)) => {
                let said = wait::at_most("its output to be closed after its end", OUTPUT_LIMIT, said).await;
                (ended, said.map_err(|error| error.hint(HELD)).and_then(std::convert::identity))
            }
            Either::Right((said, ended)) => (ended.await, said),
        };
        let ((status, left_running), ((stdout, is_cut), (stderr, _))) = (ended?, said?);
        Ok(CommandEnd {
            succeeded: status.success(),
            status: told(status),
            stdout: self.masked(&stdout),
            is_cut,
            stderr: self.masked(&stderr),
            left_running,
        })
    }

    fn masked(&self, output: &[u8]) -> String {
        let text = String::from_utf8_lossy(output).into_owned();
        let secrets = self.secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty());
        secrets.fold(text, |text, secret| text.replace(secret, MASK))
    }
}

/// A process of this machine.
struct Process {
    #[cfg(test)]
    pid: i32,
    group: i32,
    /// Whether it has ended, and only waits for its parent to take note.
    is_dead: bool,
}

/// The processes of this machine. Source: proc(5): after the name in brackets come state, parent and group.
fn processes() -> impl Iterator<Item = Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_before, after) = stat.rsplit_once(')')?;
        let mut fields = after.split_whitespace();
        let (state, group) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        Some(Process {
            #[cfg(test)]
            pid: entry.file_name().to_str()?.parse().ok()?,
            group,
            is_dead: matches!(state, "Z" | "X"),
        })
    })
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Reads a stream to its end, and keeps a part of it. Returns whether something was left out.
async fn some_of(stream: Option<impl AsyncRead + Unpin>, part: Kept) -> Result<(Vec<u8>, bool)> {
    let (mut kept, mut is_cut) = (Vec::new(), false);
    read(stream, |piece| match part {
        Kept::Beginning(most) => {
            let room = most.saturating_sub(kept.len()).min(piece.len());
            kept.extend_from_slice(&piece[..room]);
            is_cut |= room < piece.len();
        }
        Kept::End(most) => {
            kept.extend_from_slice(piece);
            let over = kept.len().saturating_sub(most);
            kept.drain(..over);
            is_cut |= over > 0;
        }
    })
    .await?;
    if is_cut {
        let is_end = |byte: &u8| *byte == b'\n';
        match part {
            Kept::Beginning(_) => kept.truncate(kept.iter().rposition(is_end).map_or(0, |end| end + 1)),
            Kept::End(_) => {
                let whole = kept.iter().position(is_end).map_or(kept.len(), |end| end + 1);
                kept.drain(..whole);
            }
        }
    }
    Ok((kept, is_cut))
}

async fn read(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) -> Result<()> {
    let Some(mut stream) = stream else { return Ok(()) };
    let mut piece = vec![0; 8 * 1024];
    loop {
        match stream.read(&mut piece).await.context("reading its output")? {
            0 => return Ok(()),
            read => take(&piece[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn shell(script: &str) -> UserCommand {
        UserCommand {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            folder: std::env::temp_dir(),
            removed: vec!["CARGO_MANIFEST_DIR"],
            environment: vec![("COMEBACK_STEP", Secret::given("Database"))],
            secrets: vec![Secret::given("hunter2")],
            output: Kept::Beginning(100),
        }
    }

    async fn end(script: &str) -> CommandEnd {
        shell(script).run(Duration::from_mins(1)).await.unwrap()
    }

    /// Waits until a process has ended: a signal takes a moment.
    async fn gone(pid: &str) {
        let pid: i32 = pid.parse().unwrap();
        wait::until("a process to end", Duration::from_mins(1), async || {
            let is_there = processes().any(|process| process.pid == pid && !process.is_dead);
            if is_there { Err("it is there".to_owned()) } else { Ok(()) }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn what_it_says_is_kept_without_secrets_and_bounded() {
        let ended = end("echo \"$COMEBACK_STEP hunter2\"; echo at hunter2 >&2; exit 3").await;
        assert_eq!((ended.succeeded, ended.status.as_str()), (false, "exit status 3"));
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("Database [redacted]\n", "at [redacted]\n")
        );
        assert!(!ended.is_cut && !ended.left_running);
        let long = end("i=0; while [ $i -lt 50 ]; do echo line $i; echo e$i >&2; i=$((i+1)); done").await;
        assert!(long.succeeded && long.is_cut && long.stdout.ends_with("line 12\n"), "{long:?}");
        assert_eq!(long.last_lines(2), ["e48", "e49"]);
        let printed = "i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done; echo hunter2";
        let long = UserCommand { output: Kept::End(100), ..shell(printed) }
            .run(Duration::from_mins(1))
            .await
            .unwrap();
        assert!(long.is_cut && long.stdout.starts_with("line "), "{long:?}");
        assert_eq!(long.last_lines(2), ["line 49", "[redacted]"]);
        // Less than the secret: no part of it is shown.
        let short = UserCommand { output: Kept::End(4), ..shell("echo hunter2") }
            .run(Duration::from_mins(1))
            .await
            .unwrap();
        assert_eq!(short.stdout, "");
    }

    #[tokio::test]
    async fn what_it_must_not_see_is_not_in_its_environment() {
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert_eq!(end("echo \"${CARGO_MANIFEST_DIR-gone}\"").await.stdout, "gone\n");
    }

    #[tokio::test]
    async fn what_it_leaves_running_is_killed() {
        let ended = end("sleep 1000 & echo $!").await;
        assert!(ended.succeeded && ended.left_running, "{ended:?}");
        gone(ended.stdout.trim()).await;
    }

    /// Waits until a command has written a line.
    async fn line_in(file: &Path) -> String {
        wait::until("a line to be written", Duration::from_mins(1), async || {
            let written = std::fs::read_to_string(file).unwrap_or_default();
            if written.ends_with('\n') { Ok(written) } else { Err(written) }
        })
        .await
        .unwrap()
    }

    #[tokio::test]
    async fn one_that_is_given_up_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let command = shell(&format!("sleep 1000 & echo $$ $! > '{}'; wait", pids.display()));
        let written = tokio::select! {
            ended = command.run(Duration::from_mins(1)) => panic!("{ended:?}"),
            written = line_in(&pids) => written,
        };
        for pid in written.split_whitespace() {
            gone(pid).await;
        }
        let refused = shell("sleep 1000").run(Duration::from_millis(1)).await.unwrap_err();
        assert!(refused.message().contains("\"sh\" to end"), "{refused}");
    }

    #[tokio::test]
    async fn a_process_of_another_session_that_holds_its_output_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // The group of the command is killed with its end: the other session must have begun before.
        let script = format!(
            "setsid sh -c 'echo $$ > \"{0}\"; exec sleep 1000' & while ! [ -s \"{0}\" ]; do sleep 0.01; done",
            pid.display()
        );
        let ended = shell(&script).run(Duration::from_mins(1)).await;
        let pid = line_in(&pid).await;
        kill_process_group(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), Signal::KILL).unwrap();
        let refused = ended.unwrap_err();
        assert!(refused.message().contains("its output to be closed"), "{refused}");
        gone(pid.trim()).await;
    }

    #[tokio::test]
    async fn one_that_is_not_there_says_so() {
        let command = UserCommand { argv: vec!["no-such-program".to_owned()], ..shell("") };
        let refused = command.run(Duration::from_mins(1)).await.unwrap_err();
        assert!(refused.message().starts_with("running \"no-such-program\": "), "{refused}");
    }
}
