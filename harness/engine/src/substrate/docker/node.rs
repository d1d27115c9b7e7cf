//! One node: its container, its commands, its server.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use tokio::sync::Mutex;

use super::Run;
use super::container::{Container, VOLUME, remove_container};
use super::exec::{self, Task, launch};
use super::scripts::{
    EMPTY_SOCKETS, EXEC, FIND, FORGET, KILL, LOOK, NO_PROGRAM, PREPARE, SIGNAL, START, survivors,
};
use crate::substrate::processes::{Process, parse};
use crate::substrate::{Command, Endpoint, Io, Node, NodeSpec, Output, Signal, Software};
use crate::wait;

/// How long killed processes may take to end.
const KILL_LIMIT: Duration = Duration::from_mins(1);
/// A container and what runs in it.
pub(super) struct DockerNode {
    container: Container,
    name: String,
    dir: String,
    user: String,
    path: String,
    run: Arc<Run>,
    removed: AtomicBool,
    server: Mutex<Option<Process>>,
}

impl DockerNode {
    /// Creates the folder of a node in its container.
    pub(super) async fn prepare(container: Container, spec: &NodeSpec, run: Arc<Run>) -> Result<Self> {
        let users = match spec.software {
            Software::Postgres => ["postgres", "redis", "nobody"],
            Software::Redis => ["redis", "postgres", "nobody"],
            Software::Bind => ["bind", "named", "nobody"],
            Software::Application => ["nobody", "redis", "postgres"],
        };
        let argv = ["sh", "-c", PREPARE, "sh"].into_iter().chain(users).map(str::to_owned).collect();
        let env = BTreeMap::from([("PATH".to_owned(), container.image.path.clone())]);
        let what = "the making of a folder".to_owned();
        let task = Task { user: "0:0".to_owned(), dir: VOLUME.to_owned(), env, argv, what };
        let text = exec::run(&container, task, Io::default()).await?.success("prepare the container")?.text();
        let mut lines = text.lines();
        let user = lines.next().unwrap_or_default().to_owned();
        let path = lines.chain([container.image.path.as_str()]).collect::<Vec<_>>().join(":");
        Ok(Self {
            container,
            name: spec.name.clone(),
            dir: format!("{VOLUME}/d"),
            user,
            path,
            run,
            removed: AtomicBool::new(false),
            server: Mutex::default(),
        })
    }

    /// The folder of its socket, if it has one.
    fn sockets(&self) -> String {
        match &self.container.endpoint {
            Endpoint::Unix { dir } => dir.clone(),
            Endpoint::Tcp { .. } => String::new(),
        }
    }

    fn is_removed(&self) -> bool {
        self.removed.load(Ordering::Acquire)
    }

    /// One of our scripts as a task of the node's user, with arguments.
    fn task(&self, script: &str, args: &[&str], env: &BTreeMap<String, String>) -> Result<Task> {
        if self.is_removed() {
            return Err(Error::could_not_verify(format!("the node `{}` has been removed", self.name)));
        }
        // Variables of the image must not reach a drill: PGDATA, for example.
        let env = self.environment(env);
        let inherited = self.container.image.variables.iter().filter(|name| !env.contains_key(*name));
        let unset = inherited.fold("unset HOSTNAME".to_owned(), |line, name| format!("{line} {name}"));
        let script = format!("{unset}\n{script}");
        let words = ["sh", "-c", &script, "sh"].iter().chain(args).map(|&word| word.to_owned()).collect();
        Ok(Task { user: self.user.clone(), dir: self.dir.clone(), env, argv: words, what: String::new() })
    }

    /// The output, unless our own script found no program.
    fn checked(&self, output: Output, program: &str) -> Result<Output> {
        if output.code == 127 && output.stderr.trim() == NO_PROGRAM {
            return Err(self.no_program(program));
        }
        Ok(output)
    }

    fn environment(&self, extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let own = [
            ("PATH", self.path.as_str()),
            ("HOME", &self.dir),
            ("LANG", "C.UTF-8"),
            ("LC_ALL", "C.UTF-8"),
            ("TZ", "UTC"),
        ];
        let mut all: BTreeMap<String, String> =
            own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        all.extend(extra.clone());
        all
    }

    /// Runs one of our scripts that must succeed, and returns its output.
    async fn answer(&self, script: &str, args: &[&str]) -> Result<String> {
        let doing = format!("look after the node `{}`", self.name);
        let task = self.task(script, args, &BTreeMap::new())?;
        let output = exec::run(&self.container, task, Io::default()).await;
        if output.is_err() && self.container.is_gone().await {
            self.note_removal();
        }
        Ok(output?.success(&doing)?.text())
    }

    fn note_removal(&self) {
        if !self.removed.swap(true, Ordering::AcqRel) {
            self.run.give_back(&self.name);
        }
    }

    fn no_program(&self, program: &str) -> Error {
        let image = format!("{}:{}", self.container.image.name, self.container.image.tag);
        Error::could_not_verify(format!(
            "there is no program `{program}` in the image {image}, in {}",
            self.path
        ))
        .hint("choose an image that has it")
    }

    /// The server's process, if it is still running.
    async fn running(&self) -> Result<Option<Process>> {
        let Some(server) = self.server.lock().await.clone().filter(|_| !self.is_removed()) else {
            return Ok(None);
        };
        let found = match self.answer(LOOK, &[&server.pid.to_string()]).await {
            Err(_) if self.is_removed() => None,
            stat => parse(server.pid, &stat?),
        };
        Ok(found.filter(|process| process.start_ticks == server.start_ticks && !process.is_gone()))
    }
}

#[async_trait]
impl Node for DockerNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn dir(&self) -> &str {
        &self.dir
    }

    fn endpoint(&self) -> Endpoint {
        self.container.endpoint.clone()
    }

    fn listen(&self) -> Endpoint {
        self.container.listen.clone()
    }

    fn peer(&self) -> Endpoint {
        self.container.peer.clone()
    }

    fn host_path(&self, _: &str) -> Option<PathBuf> {
        None
    }

    async fn find_program(&self, name: &str) -> Result<String> {
        let found = self.answer(FIND, &[name]).await?;
        let path = found.trim();
        if path.starts_with('/') { Ok(path.to_owned()) } else { Err(self.no_program(name)) }
    }

    async fn exec(&self, command: &Command, io: Io<'_>) -> Result<Output> {
        let args: Vec<_> = [&command.program].into_iter().chain(&command.args).map(String::as_str).collect();
        let task = Task { what: command.program.clone(), ..self.task(EXEC, &args, &command.env)? };
        let output = exec::run(&self.container, task, io).await?;
        self.checked(output, &command.program)
    }

    async fn start(&self, command: &Command, log: &str) -> Result<()> {
        if self.running().await?.is_some() {
            return Err(Error::usage(format!("a server runs in the node `{}` already", self.name)));
        }
        let args: Vec<_> =
            [log, &command.program].into_iter().chain(command.args.iter().map(String::as_str)).collect();
        let output = launch(&self.container, self.task(START, &args, &command.env)?).await?;
        let output = self.checked(output, &command.program)?;
        let pid = output.text().split_whitespace().next().and_then(|pid| pid.parse().ok());
        let Some(server) = pid.and_then(|pid| parse(pid, &output.text())) else {
            output.success(&format!("start {}", command.program))?;
            return Err(Error::could_not_verify(format!("start {}: no process came of it", command.program)));
        };
        *self.server.lock().await = Some(server);
        Ok(())
    }

    async fn is_running(&self) -> Result<bool> {
        Ok(self.running().await?.is_some())
    }

    async fn has_crashed(&self) -> Result<bool> {
        let was_started = self.server.lock().await.is_some() && !self.is_removed();
        Ok(was_started && self.running().await?.is_none())
    }

    async fn stop(&self, signal: Signal, limit: Duration) -> Result<()> {
        let Some(server) = self.running().await? else {
            return Err(Error::could_not_verify(format!("no server runs in the node `{}`", self.name)));
        };
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Int => "INT",
        };
        self.answer(SIGNAL, &[name, &server.pid.to_string()]).await?;
        wait::until(&format!("the server of the node `{}` to stop", self.name), limit, || async {
            match self.running().await {
                Ok(None) => Ok(()),
                Ok(Some(process)) => Err(format!("process {} is there", process.pid)),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        *self.server.lock().await = None;
        Ok(())
    }

    async fn kill(&self) -> Result<()> {
        if self.is_removed() {
            return Ok(());
        }
        wait::until(&format!("the processes of the node `{}` to go", self.name), KILL_LIMIT, || async {
            match self.answer(KILL, &[]).await.map(|listing| survivors(&listing)) {
                Ok(0) => Ok(()),
                Err(_) if self.is_removed() => Ok(()),
                Ok(left) => Err(format!("{left} are left")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        *self.server.lock().await = None;
        match self.answer(FORGET, &[]).await {
            Err(error) if !self.is_removed() => Err(error),
            _ => Ok(()),
        }
    }

    async fn remove(&self) -> Result<()> {
        if let Endpoint::Unix { .. } = &self.container.endpoint {
            // Only the container's user can remove what it may have hidden there; the run removes the rest.
            let _ = self.answer(EMPTY_SOCKETS, &[&self.sockets()]).await;
        }
        remove_container(&self.container.docker, &self.container.id).await?;
        self.note_removal();
        Ok(())
    }

    fn shell_hint(&self) -> String {
        format!("docker exec -it -u {} -w {} {} sh", self.user, self.dir, self.container.name)
    }
}
