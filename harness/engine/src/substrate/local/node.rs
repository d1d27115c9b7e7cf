//! One node: its folder, its commands, its server.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use comeback_error::{Context, Error, Result};
use rustix::process;
use tokio::process::Child;
use tokio::sync::Mutex;

use super::cell::LocalCell;
use super::folder::{self, ServerRecord};
use super::launch::{Launcher, Streams};
use super::{Run, exec, remove_orphans, remove_tree};
use crate::substrate::processes::{Mark, exterminate, lookup, signal_pid};
use crate::substrate::{Command, Endpoint, Io, Node, NodeSpec, Output, Signal};
use crate::wait;

/// How long the exit status may take to arrive for a server that has left the process table.
const BURIAL_LIMIT: Duration = Duration::from_secs(10);

/// A folder and the processes that work in it.
pub(super) struct LocalNode {
    run: Arc<Run>,
    name: String,
    root: PathBuf,
    dir: String,
    endpoint: Endpoint,
    launcher: Arc<Launcher>,
    server: Mutex<Option<Server>>,
}

/// The server, from its start until its end has been handled.
struct Server {
    child: Child,
    record: ServerRecord,
}

impl Server {
    fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("look after the server")?.is_some())
    }
}

impl LocalNode {
    /// Creates the folder of a node, in a cell if there is one.
    pub(super) fn create(
        run: Arc<Run>,
        spec: &NodeSpec,
        launcher: &Arc<Launcher>,
        cell: Option<&LocalCell>,
    ) -> Result<Self> {
        let reach = spec.reach.settle(cell.is_some())?;
        let account = cell.map_or(&launcher.account, |cell| &cell.account);
        let root = folder::create_node(&run.folder, &spec.name, account)?;
        let launcher = match cell {
            Some(cell) => Arc::new(Launcher::in_cell(cell, &launcher.search, &root, run.keep)?),
            None => Arc::clone(launcher),
        };
        let text = |dir: &str| root.join(dir).to_string_lossy().into_owned();
        let dir = text("d");
        let endpoint = reach.map_or_else(|| Endpoint::Unix { dir: text("s") }, Endpoint::from);
        Ok(Self { run, name: spec.name.clone(), root, dir, endpoint, launcher, server: Mutex::default() })
    }

    fn check_exists(&self) -> Result<()> {
        if self.root.exists() {
            return Ok(());
        }
        Err(Error::could_not_verify(format!("the node `{}` has been removed", self.name)))
    }

    /// Opens a log file of the node, for its user.
    fn open_log(&self, log: &str) -> Result<std::fs::File> {
        let path = Path::new(&self.dir).join(log);
        let doing = format!("open the log {}", path.display());
        let no_links = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(no_links).open(&path);
        let file = file.context(&doing)?;
        let account = &self.launcher.account;
        if account.is_other {
            fchown(&file, Some(account.uid), Some(account.gid)).context(&doing)?;
        }
        Ok(file)
    }

    /// The server's number and start time, whether it is running or not.
    async fn server_mark(&self) -> Option<Mark> {
        self.server.lock().await.as_ref().map(|server| (server.record.pid, server.record.start_ticks))
    }

    /// Whether the server has ended; true if it was never started.
    async fn server_has_ended(&self) -> Result<bool> {
        match self.server.lock().await.as_mut() {
            Some(server) => server.has_ended(),
            None => Ok(true),
        }
    }

    /// Sends the server a signal, and returns its number.
    async fn signal_server(&self, signal: Signal) -> Result<i32> {
        // The lock is held, so the process cannot be reaped meanwhile, and its number cannot be reused.
        let mut slot = self.server.lock().await;
        if let Some(server) = slot.as_mut()
            && !server.has_ended()?
        {
            let number = match signal {
                Signal::Term => process::Signal::TERM,
                Signal::Int => process::Signal::INT,
            };
            signal_pid(server.record.pid, number);
            return Ok(server.record.pid);
        }
        Err(Error::could_not_verify(format!("no server runs in the node `{}`", self.name)))
    }

    /// Forgets a server that has ended, and removes the shared memory that it or other dead processes left.
    async fn bury(&self, mut dead: BTreeSet<i32>) -> Result<()> {
        if let Some(server) = self.server.lock().await.take() {
            dead.insert(server.record.pid);
        }
        let path = folder::server_file(&self.run.folder, &self.name);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context(format!("remove {}", path.display()));
            }
            _ => {}
        }
        self.remove_shared_memory(&dead);
        Ok(())
    }

    fn remove_shared_memory(&self, dead: &BTreeSet<i32>) {
        remove_orphans(dead, self.launcher.account.uid, self.run.record.started_at);
    }
}

#[async_trait]
impl Node for LocalNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn dir(&self) -> &str {
        &self.dir
    }

    fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    fn host_path(&self, inside: &str) -> Option<PathBuf> {
        Some(PathBuf::from(inside))
    }

    async fn find_program(&self, name: &str) -> Result<String> {
        Ok(self.launcher.search.find(name)?.to_string_lossy().into_owned())
    }

    fn has_chosen_programs(&self) -> bool {
        self.launcher.search.chosen().is_some()
    }

    async fn exec(&self, command: &Command, io: Io<'_>) -> Result<Output> {
        self.check_exists()?;
        exec::run(&self.launcher, command, Path::new(&self.dir), io).await
    }

    async fn start(&self, command: &Command, log: &str) -> Result<()> {
        self.check_exists()?;
        let mut slot = self.server.lock().await;
        if let Some(server) = slot.as_mut()
            && !server.has_ended()?
        {
            return Err(Error::usage(format!("a server runs in the node `{}` already", self.name)));
        }
        if let Some(crashed) = slot.take() {
            self.remove_shared_memory(&BTreeSet::from([crashed.record.pid]));
        }
        let streams = Streams::Log(self.open_log(log)?);
        let child = self.launcher.spawn(command, Path::new(&self.dir), streams).await?;
        let pid = child.id().unwrap_or_default().cast_signed();
        // If the server has already ended, the record matches no process.
        let start_ticks = lookup(pid).map_or(0, |process| process.start_ticks);
        let record = ServerRecord { pid, start_ticks };
        let recorded = folder::write_record(&folder::server_file(&self.run.folder, &self.name), &record);
        *slot = Some(Server { child, record });
        recorded.context(format!("record the server of the node `{}`", self.name))
    }

    async fn is_running(&self) -> Result<bool> {
        Ok(!self.server_has_ended().await?)
    }

    async fn has_crashed(&self) -> Result<bool> {
        Ok(self.server.lock().await.is_some() && self.server_has_ended().await?)
    }

    async fn stop(&self, signal: Signal, limit: Duration) -> Result<()> {
        let pid = self.signal_server(signal).await?;
        wait::until(&format!("the server of the node `{}` to stop", self.name), limit, || async {
            match self.server_has_ended().await {
                Ok(true) => Ok(()),
                Ok(false) => Err(format!("process {pid} is there")),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        self.bury(BTreeSet::new()).await
    }

    async fn kill(&self) -> Result<()> {
        let mark = self.server_mark().await;
        let dead = exterminate(mark.as_slice(), &self.root).await?;
        wait::until(&format!("the server of the node `{}` to go", self.name), BURIAL_LIMIT, || async {
            match self.server_has_ended().await {
                Ok(true) => Ok(()),
                Ok(false) => Err("it has not been waited for".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await?;
        self.bury(dead).await
    }

    async fn remove(&self) -> Result<()> {
        if !self.root.exists() {
            return Ok(());
        }
        self.kill().await?;
        remove_tree(&self.root).await
    }

    fn shell_hint(&self) -> String {
        let account = &self.launcher.account;
        if account.is_other {
            format!(
                "cd {} && setpriv --reuid {} --regid {} --clear-groups bash",
                self.dir, account.uid, account.gid
            )
        } else {
            format!("cd {}", self.dir)
        }
    }
}
