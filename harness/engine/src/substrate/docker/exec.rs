//! Runs a command in a container, streaming in both directions.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use comeback_error::{Context, Error, Result};
use futures_util::{Stream, StreamExt};
use testcontainers::bollard::container::LogOutput;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::exec::{StartExecOptions, StartExecResults};
use testcontainers::bollard::models::ExecConfig;
use tokio::io::AsyncWrite;

use super::container::Container;
use super::is_missing;
use crate::substrate::streams::{Sink, Tail, feed};
use crate::substrate::{Io, Output};
use crate::wait;

/// Marks the environment of a command, so that the command and its children can be found and killed.
const MARK: &str = "COMEBACK_EXEC";
/// How much of the output is read at once.
const FRAME_BYTES: usize = 128 * 1024;
/// How long a server may take to report its process.
const LAUNCH_LIMIT: Duration = Duration::from_mins(2);
/// Kills the processes with a mark. Only their own user may read the environment, so it runs as that user.
const KILL_MARKED: &str = r#"for one in /proc/[0-9]*; do
  tr '\0' '\n' <"$one/environ" 2>/dev/null | grep -qx "$1" && kill -9 "${one#/proc/}"
done"#;

/// A command, its place and its user.
#[derive(Debug, Clone, Default)]
pub(super) struct Task {
    /// `uid:gid`.
    pub(super) user: String,
    /// The working directory.
    pub(super) dir: String,
    /// Environment variables, added to the image's.
    pub(super) env: BTreeMap<String, String>,
    /// The program and its arguments.
    pub(super) argv: Vec<String>,
    /// The command, for people; empty for our own scripts.
    pub(super) what: String,
}

impl Task {
    fn name(&self) -> &str {
        if self.what.is_empty() { "a look at its processes" } else { &self.what }
    }
}

/// Kills a command and its children, unless it ended by itself: the daemon lets a command run on when the client
/// disconnects.
struct Leash<'a> {
    container: &'a Container,
    user: String,
    mark: Option<String>,
}

impl Drop for Leash<'_> {
    fn drop(&mut self) {
        let (Some(mark), Ok(runtime)) = (self.mark.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        let argv = ["sh", "-c", KILL_MARKED, "sh", &format!("{MARK}={mark}")].map(str::to_owned).to_vec();
        let config = ExecConfig { user: Some(self.user.clone()), cmd: Some(argv), ..ExecConfig::default() };
        let (docker, id) = (self.container.docker.clone(), self.container.id.clone());
        runtime.spawn(async move {
            // If this fails too, removing the container kills the command.
            if let Ok(exec) = docker.create_exec(&id, config).await {
                let detached = StartExecOptions { detach: true, ..StartExecOptions::default() };
                let _ = docker.start_exec(&exec.id, Some(detached)).await;
            }
        });
    }
}

/// Runs a command to its end. Dropping the future kills it, with a short delay, and so does its deadline.
pub(super) async fn run(container: &Container, task: Task, io: Io<'_>) -> Result<Output> {
    let what = format!("{} to end in the container {}", task.name(), container.name);
    wait::at_most(&what, wait::limits().command, Box::pin(run_to_end(container, task, io))).await?
}

async fn run_to_end(container: &Container, task: Task, io: Io<'_>) -> Result<Output> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mark = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
    let doing = format!("run {} in the container {}", task.name(), container.name);
    let mut leash = Leash { container, user: task.user.clone(), mark: Some(mark.clone()) };
    let exec =
        create(container, task, &mark, io.stdin.is_some()).await.map_err(|error| error.context(&doing))?;
    let (mut output, mut input) = attach(container, &exec).await.map_err(|error| error.context(&doing))?;

    let mut sink = Sink::new(io.stdout);
    let mut complaint = Tail::default();
    let ended = async {
        listen(&mut output, &mut sink, &mut complaint).await?;
        exit_code(container, &exec).await
    };
    let feeding = async {
        match io.stdin {
            Some(source) => {
                has_begun(container, &exec).await?;
                feed(Some(source), &mut input).await
            }
            None => Ok(()),
        }
    };
    let code = async {
        tokio::pin!(ended, feeding);
        tokio::select! {
            code = &mut ended => return code,
            fed = &mut feeding => fed?,
        }
        ended.await
    };
    let code = code.await.map_err(|error| error.context(&doing))?;
    leash.mark = None;
    let stdout = sink.finish().await?;
    Ok(Output { code, stdout, stderr: complaint.into_text() })
}

/// Starts a command that prints one line and continues in the background. Returns that line. A command that ends
/// without it has failed, and its output says why.
pub(super) async fn launch(container: &Container, task: Task) -> Result<Output> {
    let what = format!("a server to be started in the container {}", container.name);
    wait::at_most(&what, LAUNCH_LIMIT, Box::pin(launch_now(container, task))).await?
}

async fn launch_now(container: &Container, task: Task) -> Result<Output> {
    let doing = format!("start a server in the container {}", container.name);
    let exec = create(container, task, "", false).await.map_err(|error| error.context(&doing))?;
    let (mut output, _) = attach(container, &exec).await.map_err(|error| error.context(&doing))?;
    let (mut stdout, mut complaint) = (Vec::new(), Tail::default());
    while !stdout.ends_with(b"\n") {
        match output.next().await {
            Some(Ok(LogOutput::StdOut { message })) => stdout.extend_from_slice(&message),
            Some(Ok(frame)) => complaint.push(&frame.into_bytes()),
            Some(Err(error)) => return Err(error).context(&doing),
            None => {
                let code = exit_code(container, &exec).await?;
                return Ok(Output { code, stdout, stderr: complaint.into_text() });
            }
        }
    }
    Ok(Output { code: 0, stdout, stderr: complaint.into_text() })
}

/// Creates the exec of a command. With a mark, the command can be found and killed.
async fn create(container: &Container, task: Task, mark: &str, stdin: bool) -> Result<String> {
    let mut env: Vec<String> = task.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    if !mark.is_empty() {
        env.push(format!("{MARK}={mark}"));
    }
    let config = ExecConfig {
        attach_stdin: Some(stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        user: Some(task.user),
        working_dir: Some(task.dir),
        env: Some(env),
        cmd: Some(task.argv),
        ..ExecConfig::default()
    };
    match container.docker.create_exec(&container.id, config).await {
        Err(error) if is_missing(&error) => Err(Error::could_not_verify("the container is gone")),
        created => Ok(created.context("create the exec")?.id),
    }
}

type Frames = Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>;

async fn attach(container: &Container, exec: &str) -> Result<(Frames, Pin<Box<dyn AsyncWrite + Send>>)> {
    let options = StartExecOptions { output_capacity: Some(FRAME_BYTES), ..StartExecOptions::default() };
    match container.docker.start_exec(exec, Some(options)).await.context("start the exec")? {
        StartExecResults::Attached { output, input } => Ok((output, input)),
        StartExecResults::Detached => Err(Error::could_not_verify("the daemon did not attach us")),
    }
}

async fn listen(output: &mut Frames, sink: &mut Sink<'_>, complaint: &mut Tail) -> Result<()> {
    while let Some(frame) = output.next().await {
        match frame.context("read the output of a command")? {
            LogOutput::StdOut { message } => sink.push(&message).await?,
            LogOutput::StdErr { message } => complaint.push(&message),
            LogOutput::StdIn { .. } => {}
            // Bytes outside any frame: the daemon broke off, or sent a message of its own.
            LogOutput::Console { message } => {
                let text = String::from_utf8_lossy(&message).into_owned();
                return Err(Error::could_not_verify(format!("the daemon broke off with: {}", text.trim())));
            }
        }
    }
    Ok(())
}

/// Waits until there is a process. If the input ends before that, the daemon loses the end of the input, and the
/// command would wait for it for ever.
async fn has_begun(container: &Container, exec: &str) -> Result<()> {
    wait::until("the command to begin", LAUNCH_LIMIT, || async {
        let state = container.docker.inspect_exec(exec).await.map_err(|error| error.to_string())?;
        let is_over = state.exit_code.is_some();
        match state.pid {
            Some(pid) if pid > 0 => Ok(()),
            _ if is_over => Ok(()),
            pid => Err(format!("its process: {pid:?}")),
        }
    })
    .await
}

async fn exit_code(container: &Container, exec: &str) -> Result<i32> {
    wait::until("the command to end", wait::limits().command, || async {
        let state = container.docker.inspect_exec(exec).await.map_err(|error| error.to_string())?;
        match (state.running, state.exit_code.and_then(|code| i32::try_from(code).ok())) {
            (Some(false), Some(code)) => Ok(code),
            (running, code) => Err(format!("running: {running:?}, exit code: {code:?}")),
        }
    })
    .await
}
