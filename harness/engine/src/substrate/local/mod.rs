//! Nodes as folders and processes of this machine.
//!
//! Each run has a folder `<temp dir>/comeback-<uid>/<run id>/`. Each node has a folder in it, with `d/`, the
//! working directory of its programs, and `s/`, the socket directory of its server. Nothing listens on a network
//! address, unless a node asks for a loopback address.

mod account;
mod cell;
mod exec;
mod folder;
mod launch;
mod node;
mod programs;
mod shared_memory;
mod trust;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rustix::process::Signal;

pub(super) use account::Account;
pub(super) use exec::run as run_to_end;
pub use folder::set_scratch_dir;
pub(super) use folder::{
    NASCENT, RUN_FILE, RunRecord, base_dir, create_run, make_base, prepare_base, read_record, remove_tree,
    server_records,
};
pub(super) use launch::Launcher;
pub(super) use programs::SearchPath;
pub(super) use shared_memory::remove_orphans;
pub(super) use trust::{check_own_folder, open_lock};

use self::cell::LocalCell;
use self::node::LocalNode;
use super::identity::check_node_name;
use super::processes;
use super::{Cell, Contained, Node, NodeSpec, RunIdentity, SoftwareChoice, Substrate, SubstrateKind};
use comeback_error::Result;

/// The folder of a run of this user on this machine, if there is one.
pub fn run_folder(run_id: &str) -> Option<PathBuf> {
    Some(base_dir().ok()?.join(run_id))
}

/// How often the last resort checks that the processes it killed are gone.
const LAST_RESORT_ROUNDS: u32 = 100;

/// The state that the nodes of a run share. Dropping the last reference removes what is left of the run.
struct Run {
    folder: PathBuf,
    keep: bool,
    record: RunRecord,
    launcher: Arc<Launcher>,
    base: PathBuf,
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.keep || !self.folder.exists() {
            return;
        }
        // The last resort, for a caller that did not remove its nodes. It cannot report errors; the next run sweeps
        // what remains.
        let mut dead: BTreeSet<i32> = server_records(&self.folder).iter().map(|server| server.pid).collect();
        for _ in 0..LAST_RESORT_ROUNDS {
            let rest = processes::family(&[], &self.folder);
            if rest.is_empty() {
                break;
            }
            for process in rest {
                process.signal(Signal::KILL);
                dead.insert(process.pid);
            }
        }
        remove_orphans(&dead, self.launcher.account.uid, self.record.started_at);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs servers as processes of this machine.
pub struct LocalSubstrate {
    run: Arc<Run>,
    /// The nodes of the run, in a cell or not.
    nodes: Arc<Mutex<BTreeMap<String, Arc<LocalNode>>>>,
    /// Starts the programs of new nodes that are in no cell.
    launcher: Arc<Launcher>,
    /// What surrounds new nodes.
    cell: Option<Arc<LocalCell>>,
}

impl LocalSubstrate {
    /// Prepares the folder of a run.
    ///
    /// As root, programs run as `postgres`, otherwise as `redis` or `nobody`. The temp dir must be reachable by
    /// this user, and short enough for the name of a Unix socket.
    pub fn new(run: &RunIdentity) -> Result<Self> {
        let run = RunIdentity::new(run.run_id.clone(), run.keep)?;
        let account = Account::choose()?;
        let base = prepare_base(&account)?;
        let search = SearchPath::of_this_machine(&account);
        let launcher = Arc::new(Launcher::new(account, search, run.keep)?);
        let record = RunRecord::new(run.keep)?;
        let folder = create_run(&base, &run.run_id, &record)?;
        let run = Arc::new(Run { folder, keep: run.keep, record, launcher: Arc::clone(&launcher), base });
        Ok(Self { run, nodes: Arc::default(), launcher, cell: None })
    }
}

#[async_trait]
impl Substrate for LocalSubstrate {
    fn kind(&self) -> SubstrateKind {
        SubstrateKind::Local
    }

    async fn create(&self, spec: &NodeSpec) -> Result<Arc<dyn Node>> {
        check_node_name(&spec.name)?;
        let node =
            Arc::new(LocalNode::create(Arc::clone(&self.run), spec, &self.launcher, self.cell.as_deref())?);
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.insert(spec.name.clone(), Arc::clone(&node));
        Ok(node)
    }

    fn in_region(self: Arc<Self>, region: &str) -> Result<Arc<dyn Substrate>> {
        check_node_name(region)?;
        Ok(self)
    }

    fn with_software(self: Arc<Self>, choice: &SoftwareChoice) -> Result<Arc<dyn Substrate>> {
        choice.describe(self.kind())?;
        let (run, nodes, cell) = (Arc::clone(&self.run), Arc::clone(&self.nodes), self.cell.clone());
        let Launcher { account, search, .. } = &*self.launcher;
        let search = search.preferring(choice.bin.as_deref(), account)?;
        let launcher = Arc::new(Launcher::new(account.clone(), search, run.keep)?);
        Ok(Arc::new(Self { run, nodes, launcher, cell }))
    }

    fn contained(self: Arc<Self>, cell: Cell) -> Result<Contained> {
        let (run, nodes) = (Arc::clone(&self.run), Arc::clone(&self.nodes));
        let cell = LocalCell::new(cell, &run.launcher.account, &run.base, &run.folder)?;
        cell.ensure_seen(self.launcher.search.chosen())?;
        let (walls, gaps) = (cell.walls(), cell.gaps());
        let (launcher, cell) = (Arc::clone(&self.launcher), Some(Arc::new(cell)));
        Ok(Contained { substrate: Arc::new(Self { run, nodes, launcher, cell }), walls, gaps })
    }

    async fn remove_all(&self) -> Result<()> {
        if self.run.keep {
            return Ok(());
        }
        let nodes = std::mem::take(&mut *self.nodes.lock().unwrap_or_else(PoisonError::into_inner));
        let mut outcome = Ok(());
        for node in nodes.values() {
            // A failure must not stop the other removals.
            outcome = outcome.and(node.remove().await);
        }
        outcome?;
        remove_tree(&self.run.folder).await
    }
}
