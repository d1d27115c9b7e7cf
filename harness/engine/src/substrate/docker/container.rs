//! One container: how it is created, found by its labels, and removed with its volume.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::path::Path;
use std::time::Duration;

use comeback_error::{Context, Error, Result};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{ContainerSummary, HostConfig, Mount, MountType, PortBinding};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::IntoContainerPort;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use super::image::Image;
use super::is_missing;
use crate::substrate::identity::Owner;
use crate::substrate::{Cell, Endpoint, NodeSpec, RunIdentity};
use crate::wait;

/// The run of a container. A container without this label is not ours to touch.
pub(in crate::substrate) const LABEL_RUN: &str = "dev.comeback.run";
/// The name of its node.
pub(in crate::substrate) const LABEL_NODE: &str = "dev.comeback.node";
/// The process that created it.
pub(in crate::substrate) const LABEL_PID: &str = "dev.comeback.pid";
/// When that process started, in clock ticks since boot.
pub(in crate::substrate) const LABEL_START: &str = "dev.comeback.pid-start";
/// The process namespace of that process number.
pub(in crate::substrate) const LABEL_NAMESPACE: &str = "dev.comeback.pid-ns";
/// The boot of the machine that it ran on.
pub(in crate::substrate) const LABEL_BOOT: &str = "dev.comeback.boot-id";
/// The machine that it ran on; empty if unknown.
pub(in crate::substrate) const LABEL_MACHINE: &str = "dev.comeback.machine";
/// `true` if it is meant to outlive that process.
pub(in crate::substrate) const LABEL_KEEP: &str = "dev.comeback.keep";

/// The mount point of the container's volume: a real disk, unlike the layers of the image.
pub(super) const VOLUME: &str = "/comeback";
/// How long removing a container may take; its volume may be large.
const REMOVAL_LIMIT: Duration = Duration::from_mins(2);

/// A running container, idle until commands run in it.
pub(super) struct Container {
    pub(super) docker: Docker,
    pub(super) id: String,
    /// Its name, for people.
    pub(super) name: String,
    /// The image that it was created from.
    pub(super) image: Image,
    /// Where the host reaches its server.
    pub(super) endpoint: Endpoint,
    /// Where its server listens.
    pub(super) listen: Endpoint,
    /// Where the other containers of its network reach its server.
    pub(super) peer: Endpoint,
}

/// Where a container is put.
pub(super) enum Surroundings<'a> {
    /// Into a network, or the daemon's own; its port is published at a loopback address, which may be given.
    Network(Option<&'a str>, Option<SocketAddrV4>),
    /// Into a cell, with a folder of the host for its socket.
    Cell(Cell, &'a Path),
}

impl Container {
    /// Creates and starts the container of a node.
    pub(super) async fn start(
        docker: &Docker,
        image: &Image,
        spec: &NodeSpec,
        surroundings: Surroundings<'_>,
        run: &RunIdentity,
        owner: &Owner,
    ) -> Result<Self> {
        let name = format!("comeback-{}-{}", run.run_id, spec.name);
        let port = spec.port;
        let (network, address, cell) = match surroundings {
            Surroundings::Network(network, address) => (network.map(ToOwned::to_owned), address, None),
            Surroundings::Cell(cell, sockets) => {
                (None, None, Some((cell, sockets.to_string_lossy().into_owned())))
            }
        };
        let sockets = cell.as_ref().map(|(_, sockets)| sockets.clone());
        let exposed = GenericImage::new(image.name.clone(), image.tag.clone()).with_exposed_port(port.tcp());
        let exposed = if address.is_some() { exposed.with_exposed_port(port.udp()) } else { exposed };
        let request = exposed
            .with_entrypoint("tail")
            .with_cmd(["-f", "/dev/null"])
            // Root, because the service user cannot kill root's processes: a power cut must spare the process that
            // keeps the container up.
            .with_user("0:0")
            .with_container_name(&name)
            .with_hostname(&spec.name)
            .with_labels(labels(run, owner))
            .with_labels([(LABEL_NODE, spec.name.clone())])
            .with_host_config_modifier(move |host| match &cell {
                Some((cell, sockets)) => lock_up(host, *cell, sockets),
                None => confine(host, port, network.as_deref(), address),
            });
        let started =
            request.start().await.context(format!("start a container from {}:{}", image.name, image.tag))?;
        let id = started.id().to_owned();
        // Comeback removes the container itself: dropping this outside a runtime would panic, and a run that is
        // kept would lose it.
        std::mem::forget(started);
        let [endpoint, listen, peer] = if let Some(dir) = sockets {
            [(); 3].map(|()| Endpoint::Unix { dir: dir.clone() })
        } else {
            let (published, own) = addresses(docker, &id, port).await?;
            let everywhere = Endpoint::Tcp { host: "0.0.0.0".to_owned(), port };
            let published = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: published };
            [address.map_or(published, Endpoint::from), everywhere, Endpoint::Tcp { host: own, port }]
        };
        Ok(Self { docker: docker.clone(), id, name, image: image.clone(), endpoint, listen, peer })
    }

    /// Whether someone has removed it.
    pub(super) async fn is_gone(&self) -> bool {
        self.docker.inspect_container(&self.id, None).await.is_err_and(|error| is_missing(&error))
    }
}

/// The labels of everything that belongs to a run.
pub(super) fn labels(run: &RunIdentity, owner: &Owner) -> [(&'static str, String); 7] {
    [
        (LABEL_RUN, run.run_id.clone()),
        (LABEL_PID, owner.pid.to_string()),
        (LABEL_START, owner.start_ticks.to_string()),
        (LABEL_NAMESPACE, owner.pid_ns.clone()),
        (LABEL_BOOT, owner.boot_id.clone()),
        (LABEL_MACHINE, owner.machine.clone()),
        (LABEL_KEEP, run.keep.to_string()),
    ]
}

/// Sets an init process that reaps orphans, an anonymous volume that is removed with the container, and the one
/// port on 127.0.0.1, or at `address` for TCP and UDP. By default, testcontainers publishes every port on every address.
fn confine(host: &mut HostConfig, port: u16, network: Option<&str>, address: Option<SocketAddrV4>) {
    host.init = Some(true);
    if let Some(network) = network {
        host.network_mode = Some(network.to_owned());
    }
    host.publish_all_ports = Some(false);
    let (ip, published, protocols): (_, _, &[_]) = match address {
        Some(address) => (address.ip().to_string(), address.port().to_string(), &["tcp", "udp"]),
        None => ("127.0.0.1".to_owned(), String::new(), &["tcp"]),
    };
    let binding = PortBinding { host_ip: Some(ip), host_port: Some(published) };
    let publish = |protocol: &&str| (format!("{port}/{protocol}"), Some(vec![binding.clone()]));
    host.port_bindings = Some(protocols.iter().map(publish).collect());
    host.mounts = Some(vec![volume()]);
}

/// Like [`confine`], for code of somebody else: no network, nothing to write to but the volume and a small `/tmp`, no
/// rights of root, and limits. The server is reached at its socket, in a folder of the host that has the same path in
/// the container.
fn lock_up(host: &mut HostConfig, cell: Cell, sockets: &str) {
    host.init = Some(true);
    host.publish_all_ports = Some(false);
    host.port_bindings = None;
    host.network_mode = Some("none".to_owned());
    host.readonly_rootfs = Some(true);
    host.tmpfs = Some(HashMap::from([("/tmp".to_owned(), "size=64m,mode=1777".to_owned())]));
    host.cap_drop = Some(vec!["ALL".to_owned()]);
    // To give the node's folder to its user, before anything of the backup is there.
    host.cap_add = Some(vec!["CHOWN".to_owned()]);
    host.security_opt = Some(vec!["no-new-privileges".to_owned()]);
    host.pids_limit = Some(cell.processes.into());
    let memory = i64::try_from(cell.memory_bytes).unwrap_or(i64::MAX);
    (host.memory, host.memory_swap) = (Some(memory), Some(memory));
    let socket_folder = Mount {
        target: Some(sockets.to_owned()),
        source: Some(sockets.to_owned()),
        typ: Some(MountType::BIND),
        ..Mount::default()
    };
    host.mounts = Some(vec![volume(), socket_folder]);
}

fn volume() -> Mount {
    Mount { target: Some(VOLUME.to_owned()), typ: Some(MountType::VOLUME), ..Mount::default() }
}

/// The port of the host at which a container's port is published, and the container's own address in its network.
async fn addresses(docker: &Docker, id: &str, port: u16) -> Result<(u16, String)> {
    let doing = "look for the published port";
    let found = docker.inspect_container(id, None).await.context(doing)?;
    let settings = found.network_settings.unwrap_or_default();
    let published = settings
        .ports
        .unwrap_or_default()
        .get(&format!("{port}/tcp"))
        .and_then(Option::as_ref)
        .and_then(|bindings| bindings.first()?.host_port.as_ref()?.parse().ok())
        .ok_or_else(|| Error::could_not_verify(format!("{doing}: port {port} of {id} is not published")))?;
    let own = settings.networks.unwrap_or_default().into_values().find_map(|network| network.ip_address);
    let own = own.filter(|own| !own.is_empty());
    let own =
        own.ok_or_else(|| Error::could_not_verify(format!("{doing}: {id} has no address of its own")))?;
    Ok((published, own))
}

/// Every container with these labels, running or not.
pub(in crate::substrate) async fn find_containers(
    docker: &Docker,
    labels: &[(&str, &str)],
) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptionsBuilder::new().all(true).filters(&bearing(labels)).build();
    docker.list_containers(Some(options)).await.context("list the containers of Comeback")
}

/// The daemon's filter for objects with these labels; a label without a value matches any value.
pub(super) fn bearing(labels: &[(&str, &str)]) -> HashMap<String, Vec<String>> {
    let wanted = labels.iter().map(|(label, value)| match *value {
        "" => (*label).to_owned(),
        value => format!("{label}={value}"),
    });
    HashMap::from([("label".to_owned(), wanted.collect())])
}

/// Kills and removes a container and its volume. Succeeds if it is gone or being removed.
pub(in crate::substrate) async fn remove_container(docker: &Docker, id: &str) -> Result<()> {
    wait::until(&format!("the container {id} to be removed"), REMOVAL_LIMIT, || async {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match docker.remove_container(id, Some(options)).await {
            Err(error) if !is_missing(&error) => Err(error.to_string()),
            _ => Ok(()),
        }
    })
    .await
}
