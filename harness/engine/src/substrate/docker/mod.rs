//! Nodes as containers of a Docker daemon, made through testcontainers.
//!
//! A container is started idle, with an init process and a volume of its own, and driven through exec: a
//! restore needs its server stopped and its data directory replaced, which an image's own entrypoint does
//! not foresee. Its server's port is published on the loopback address alone.

mod container;
mod exec;
mod image;
mod network;
mod node;
mod scripts;

use std::collections::{BTreeMap, BTreeSet};
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

use self::container::Container;
use self::node::DockerNode;
use super::identity::{Owner, check_node_name};
use super::{Node, NodeSpec, RunIdentity, Substrate, SubstrateKind};
use crate::wait;
use comeback_error::{Error, Result};

/// Where the client library looks for the daemon if `DOCKER_HOST` names none.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// How long the daemon may take to say its version.
const CONNECT_LIMIT: Duration = Duration::from_secs(30);

/// Why the daemon cannot be reached, with its address and the cause that lies deepest: what wraps it are the
/// layers of an HTTP client.
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

/// Connects to the daemon, and gives its version.
pub(super) async fn connect() -> Result<(Docker, String)> {
    let client = testcontainers::core::client::docker_client_instance().await;
    let docker = client.map_err(|error| match &error {
        // It does not tell its source.
        ClientError::Init(cause) => unreachable(cause),
        _ => unreachable(&error),
    })?;
    let version = wait::at_most("an answer", CONNECT_LIMIT, docker.version()).await;
    let version = version.map_err(|error| unreachable(&error))?.map_err(|error| unreachable(&error))?;
    Ok((docker, version.version.unwrap_or_else(|| "of unknown version".to_owned())))
}

/// What the nodes of a run share. Whatever is left of the run goes when the last of them lets go of it.
struct Run {
    docker: Docker,
    identity: RunIdentity,
    names: Mutex<BTreeSet<String>>,
    /// The networks of its regions. One is made at a time: the daemon takes a second one of the same name.
    networks: tokio::sync::Mutex<BTreeMap<String, String>>,
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

    /// The network of a region, which is made when it is first asked for.
    async fn network_of(&self, region: &str, owner: &Owner) -> Result<String> {
        let mut networks = self.networks.lock().await;
        if let Some(name) = networks.get(region) {
            return Ok(name.clone());
        }
        let name = network::create_network(&self.docker, region, &self.identity, owner).await?;
        networks.insert(region.to_owned(), name.clone());
        Ok(name)
    }

    /// Removes everything that carries the run's label.
    async fn remove_everything(&self) -> Result<()> {
        let mut outcome = self.remove_labelled(&[]).await;
        let mut networks = self.networks.lock().await;
        for network in find_networks(&self.docker, &[(LABEL_RUN, &self.identity.run_id)]).await? {
            outcome = outcome.and(remove_network(&self.docker, &network.id.unwrap_or_default()).await);
        }
        networks.clear();
        outcome
    }

    /// Removes the containers that carry the run's label, and those of further labels only.
    ///
    /// By label, not from memory: what was being made when its maker gave up is found like this too.
    async fn remove_labelled(&self, further: &[(&str, &str)]) -> Result<()> {
        let labels = [&[(LABEL_RUN, self.identity.run_id.as_str())], further].concat();
        let mut outcome = Ok(());
        for container in find_containers(&self.docker, &labels).await? {
            // One that resists must not save the others.
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
            || !self.networks.get_mut().is_empty();
        if self.identity.keep || !left {
            return;
        }
        // The last resort, for a caller that gave up without removing. It cannot complain, and it may be
        // inside a runtime, which a thread of its own does not disturb.
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
}

impl DockerSubstrate {
    /// Connects to the daemon that the environment names, or else to this machine's.
    pub async fn new(run: &RunIdentity, settings: &DockerSettings) -> Result<Self> {
        let identity = RunIdentity::new(run.run_id.clone(), run.keep)?;
        let (docker, _) = connect().await?;
        let run = Arc::new(Run {
            docker,
            identity,
            names: Mutex::default(),
            networks: tokio::sync::Mutex::default(),
        });
        Ok(Self { run, owner: Owner::current()?, settings: settings.clone(), region: None })
    }

    async fn make(&self, spec: &NodeSpec) -> Result<DockerNode> {
        let docker = &self.run.docker;
        let image = image::choose(docker, &self.settings, spec.software, spec.major).await?;
        let network = match &self.region {
            Some(region) => Some(self.run.network_of(region, &self.owner).await?),
            None => None,
        };
        let (network, run) = (network.as_deref(), &self.run.identity);
        let container = Container::start(docker, &image, spec, network, run, &self.owner).await?;
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
                // Half of it may be there: testcontainers forgets a container that it could not start. What
                // is told is why it could not; the sweep has another go at what stays.
                let _ = self.run.remove_labelled(&[(LABEL_NODE, &spec.name)]).await;
                self.run.give_back(&spec.name);
                Err(error.context(format!("create the node `{}`", spec.name)))
            }
        }
    }

    fn in_region(self: Arc<Self>, region: &str) -> Result<Arc<dyn Substrate>> {
        check_node_name(region)?;
        let (run, owner, settings) = (Arc::clone(&self.run), self.owner.clone(), self.settings.clone());
        Ok(Arc::new(Self { run, owner, settings, region: Some(region.to_owned()) }))
    }

    async fn remove_all(&self) -> Result<()> {
        if self.run.identity.keep { Ok(()) } else { self.run.remove_everything().await }
    }
}

/// Whether the daemon says that there is no such thing.
fn is_missing(error: &DockerError) -> bool {
    matches!(error, DockerError::DockerResponseServerError { status_code: 404, .. })
}
