//! Runs a command to its end.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;

use comeback_error::{Context, Error, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncRead;
use tokio::process::{Child, ChildStdin};

use super::launch::{Launcher, Streams};
use crate::substrate::streams::{Sink, Tail, drain, feed, tail};
use crate::substrate::{Command, Io, Output};
use crate::wait;

/// Kills a command and its children, unless it ended by itself.
struct Leash(Option<Pid>);

impl Drop for Leash {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // The number cannot have been reused, because nobody has waited for the process yet.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

/// Runs a command in a folder, streaming in both directions at once.
///
/// It has ended when the command and every process that inherited its output have ended. Dropping the future kills
/// it, and so does its deadline.
pub(in crate::substrate) async fn run(
    launcher: &Launcher,
    command: &Command,
    dir: &Path,
    io: Io<'_>,
) -> Result<Output> {
    let what = format!("{} to end", command.program);
    wait::at_most(&what, wait::limits().command, Box::pin(run_to_end(launcher, command, dir, io))).await?
}

async fn run_to_end(launcher: &Launcher, command: &Command, dir: &Path, io: Io<'_>) -> Result<Output> {
    let streams = Streams::Pipes { stdin: io.stdin.is_some() };
    let mut child = launcher.spawn(command, dir, streams).await?;
    let mut leash = Leash(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let stdin = child.stdin.take();
    let mut sink = Sink::new(io.stdout);
    let mut complaint = Tail::default();

    let ended = async {
        let status = output(&mut child, &mut sink, &mut complaint).await?;
        leash.0 = None;
        Ok::<_, Error>(status)
    };
    let status = feed_until(io.stdin, stdin, ended)
        .await
        .map_err(|error| error.context(format!("run {}", command.program)))?;
    let stdout = sink.finish().await?;
    Ok(Output { code: exit_code(status), stdout, stderr: complaint.into_text() })
}

/// Feeds a command until it has ended. A command may end without reading all of its input.
async fn feed_until(
    source: Option<&mut (dyn AsyncRead + Send + Unpin)>,
    stdin: Option<ChildStdin>,
    ended: impl Future<Output = Result<ExitStatus>>,
) -> Result<ExitStatus> {
    let feeding = async {
        match stdin {
            Some(mut stdin) => feed(source, &mut stdin).await,
            None => Ok(()),
        }
    };
    tokio::pin!(ended, feeding);
    tokio::select! {
        status = &mut ended => return status,
        fed = &mut feeding => fed?,
    }
    ended.await
}

async fn output(child: &mut Child, sink: &mut Sink<'_>, complaint: &mut Tail) -> Result<ExitStatus> {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let copy = async {
        match stdout {
            Some(mut pipe) => drain(&mut pipe, sink).await,
            None => Ok(()),
        }
    };
    let listen = async {
        match stderr {
            Some(mut pipe) => tail(&mut pipe, complaint).await,
            None => Ok(()),
        }
    };
    tokio::try_join!(copy, listen)?;
    child.wait().await.context("wait for the end of a command")
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
