//! Nodes as containers of a Docker daemon, created through testcontainers.
//!
//! A container starts idle, with an init process and its own volume, and is controlled through exec. A restore
//! needs to stop the server and replace its data directory, which an image's own entrypoint does not allow. The
//! server's port is published on a loopback address only.

mod cell;
mod container;
mod exec;
mod image;
mod network;
mod node;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::core::error::ClientError;

pub(super) use container::{
    LABEL_BOOT, LABEL_KEEP, LABEL_MACHINE, LABEL_NAMESPACE, LABEL_NODE, LABEL_PID, LABEL_RUN, LABEL_START,
};
pub(super) use container::{find_containers, remove_container};
pub use image::DockerSettings;
pub(super) use image::{candidates, is_present};
pub(super) use network::{find_networks, remove_network};

use self::cell::{make_socket_folder, require_this_machine};
use self::container::{Container, Surroundings};
use self::node::DockerNode;
use super::identity::{Owner, check_node_name};
use super::local::{RunRecord, create_run, make_base, remove_tree};
use super::{Cell, Contained, Node, NodeSpec, RunIdentity, SoftwareChoice, Substrate, SubstrateKind};
use crate::wait;
use comeback_error::{Error, Result};

/// The daemon's address in the client library if `DOCKER_HOST` is not set.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// How long the daemon may take to return its version.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Why the daemon cannot be reached: its address and the innermost cause. The outer causes are layers of an HTTP
/// client.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Error {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let deepest = causes.last().unwrap_or(error);
    let cause = match deepest.downcast_ref::<DockerError>() {
        Some(DockerError::SocketNotFoundError(_)) => "there is no such socket".to_owned(),
        _ => deepest.to_string(),
    };
    let is_forbidden = deepest
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied);
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_HOST.to_owned());
    Error::could_not_verify(format!("cannot reach the Docker daemon at {host}: {cause}"))
        .hint(if is_forbidden {
            "add this user to the group `docker`"
        } else {
            "start it (systemctl start docker), or point DOCKER_HOST at one"
        })
        .hint("or run the servers as processes of this machine: --substrate local")
}

/// Connects to the daemon, and returns its version.
pub(super) async fn connect() -> Result<(Docker, String)> {
    let client = testcontainers::core::client::docker_client_instance().await;
    let docker = client.map_err(|error| match &error {
        // This variant does not expose its source.
        ClientError::Init(cause) => unreachable(cause),
        _ => unreachable(&error),
    })?;
    let version = wait::at_most("an answer", CONNECT_LIMIT, docker.version()).await;
    let version = version.map_err(|error| unreachable(&error))?.map_err(|error| unreachable(&error))?;
    Ok((docker, version.version.unwrap_or_else(|| "of unknown version".to_owned())))
}

/// The state that the nodes of a run share. Dropping the last reference removes what is left of the run.
struct Run {
    docker: Docker,
    identity: RunIdentity,
    names: Mutex<BTreeSet<String>>,
    /// The networks of its regions. One is created at a time, because the daemon accepts a second network of the
    /// same name.
    networks: tokio::sync::Mutex<BTreeMap<String, String>>,
    /// The folder of the sockets of contained nodes, created on first use.
    sockets: Mutex<Option<PathBuf>>,
}

impl Run {
    fn take(&self, name: &str) -> Result<()> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.insert(name.to_owned()) {
            return Ok(());
        }
        Err(Error::usage(format!("there is a node named `{name}` already")))
    }

    fn give_back(&self, name: &str) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The network of a region, created on first use.
    async fn network_of(&self, region: &str, owner: &Owner) -> Result<String> {
        let mut networks = self.networks.lock().await;
        if let Some(name) = networks.get(region) {
            return Ok(name.clone());
        }
        let name = network::create_network(&self.docker, region, &self.identity, owner).await?;
        networks.insert(region.to_owned(), name.clone());
        Ok(name)
    }

    /// The folder of the run on this machine, created on first use.
    fn folder(&self) -> Result<PathBuf> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &*sockets {
            return Ok(folder.clone());
        }
        let record = RunRecord::new(self.identity.keep)?;
        let folder = create_run(&make_base()?, &self.identity.run_id, &record)?;
        Ok(sockets.insert(folder).clone())
    }

    /// Removes everything with the run's label.
    async fn remove_everything(&self) -> Result<()> {
        let mut outcome = self.remove_labelled(&[]).await;
        let mut networks = self.networks.lock().await;
        for network in find_networks(&self.docker, &[(LABEL_RUN, &self.identity.run_id)]).await? {
            outcome = outcome.and(remove_network(&self.docker, &network.id.unwrap_or_default()).await);
        }
        networks.clear();
        let folder = self.sockets.lock().unwrap_or_else(PoisonError::into_inner).take();
        match folder {
            Some(folder) => outcome.and(remove_tree(&folder).await),
            None => outcome,
        }
    }

    /// Removes the containers with the run's label and all of `further`.
    ///
    /// Finds them by label, not from memory: this includes containers whose creation was abandoned.
    async fn remove_labelled(&self, further: &[(&str, &str)]) -> Result<()> {
        let labels = [&[(LABEL_RUN, self.identity.run_id.as_str())], further].concat();
        let mut outcome = Ok(());
        for container in find_containers(&self.docker, &labels).await? {
            // A failure must not stop the other removals.
            outcome = outcome.and(remove_container(&self.docker, &container.id.unwrap_or_default()).await);
            if let Some(name) = container.labels.unwrap_or_default().get(LABEL_NODE) {
                self.give_back(name);
            }
        }
        outcome
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let left = !self.names.get_mut().unwrap_or_else(PoisonError::into_inner).is_empty()
            || !self.networks.get_mut().is_empty()
            || self.sockets.get_mut().unwrap_or_else(PoisonError::into_inner).is_some();
        if self.identity.keep || !left {
            return;
        }
        // The last resort, for a caller that did not remove its nodes. It cannot report errors. It may be inside a
        // runtime, so it runs on a thread of its own.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
                    let _ = runtime.block_on(self.remove_everything());
                }
            });
        });
    }
}

/// Runs servers in containers.
pub struct DockerSubstrate {
    run: Arc<Run>,
    owner: Owner,
    settings: DockerSettings,
    region: Option<String>,
    cell: Option<Cell>,
}

impl DockerSubstrate {
    /// Connects to the daemon that the environment names, otherwise to this machine's.
    pub async fn new(run: &RunIdentity, settings: &DockerSettings) -> Result<Self> {
        let identity = RunIdentity::new(run.run_id.clone(), run.keep)?;
        let (docker, _) = connect().await?;
        let run = Arc::new(Run {
            docker,
            identity,
            names: Mutex::default(),
            networks: tokio::sync::Mutex::default(),
            sockets: Mutex::default(),
        });
        Ok(Self { run, owner: Owner::current()?, settings: settings.clone(), region: None, cell: None })
    }

    async fn make(&self, spec: &NodeSpec) -> Result<DockerNode> {
        let docker = &self.run.docker;
        let reach = spec.reach.settle(self.cell.is_some())?;
        let image = image::choose(docker, &self.settings, spec.software, spec.major).await?;
        let network = match &self.region {
            Some(region) if self.cell.is_none() => Some(self.run.network_of(region, &self.owner).await?),
            _ => None,
        };
        let sockets = self.cell.map(|_| make_socket_folder(&self.run.folder()?, &spec.name)).transpose()?;
        let surroundings = match (self.cell, &sockets) {
            (Some(cell), Some(sockets)) => Surroundings::Cell(cell, sockets),
            _ => Surroundings::Network(network.as_deref(), reach),
        };
        let run = &self.run.identity;
        let container = Container::start(docker, &image, spec, surroundings, run, &self.owner).await?;
        DockerNode::prepare(container, spec, Arc::clone(&self.run)).await
    }
}

#[async_trait]
impl Substrate for DockerSubstrate {
    fn kind(&self) -> SubstrateKind {
        SubstrateKind::Docker
    }

    async fn create(&self, spec: &NodeSpec) -> Result<Arc<dyn Node>> {
        check_node_name(&spec.name)?;
        self.run.take(&spec.name)?;
        match self.make(spec).await {
            Ok(node) => Ok(Arc::new(node)),
            Err(error) => {
                // The container may exist: testcontainers forgets one that it could not start. The error reports
                // why it could not start; the sweep tries again to remove what is left.
                let _ = self.run.remove_labelled(&[(LABEL_NODE, &spec.name)]).await;
                self.run.give_back(&spec.name);
                Err(error.context(format!("create the node `{}`", spec.name)))
            }
        }
    }

    fn in_region(self: Arc<Self>, region: &str) -> Result<Arc<dyn Substrate>> {
        check_node_name(region)?;
        let (run, owner, settings) = (Arc::clone(&self.run), self.owner.clone(), self.settings.clone());
        Ok(Arc::new(Self { run, owner, settings, region: Some(region.to_owned()), cell: self.cell }))
    }

    fn with_software(self: Arc<Self>, choice: &SoftwareChoice) -> Result<Arc<dyn Substrate>> {
        choice.describe(self.kind())?;
        let (run, owner, region) = (Arc::clone(&self.run), self.owner.clone(), self.region.clone());
        let settings = DockerSettings { image: choice.image.clone() };
        Ok(Arc::new(Self { run, owner, settings, region, cell: self.cell }))
    }

    fn contained(self: Arc<Self>, cell: Cell) -> Result<Contained> {
        require_this_machine(std::env::var("DOCKER_HOST").ok().as_deref())?;
        let (run, owner, settings) = (Arc::clone(&self.run), self.owner.clone(), self.settings.clone());
        let substrate = Arc::new(Self { run, owner, settings, region: None, cell: Some(cell) });
        Ok(Contained { substrate, walls: cell::walls(cell), gaps: None })
    }

    async fn remove_all(&self) -> Result<()> {
        if self.run.identity.keep { Ok(()) } else { self.run.remove_everything().await }
    }
}

/// Whether the daemon reports that the object does not exist.
fn is_missing(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code: 404, .. })
}
