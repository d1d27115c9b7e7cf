//! A separate network for each region: nodes in one region cannot reach another.

use comeback_error::{Context, Result};
use testcontainers::bollard::Docker;
use testcontainers::bollard::models::{Network, NetworkCreateRequest};
use testcontainers::bollard::query_parameters::ListNetworksOptionsBuilder;

use super::container::{bearing, labels};
use super::is_missing;
use crate::substrate::RunIdentity;
use crate::substrate::identity::Owner;

/// Creates a network, and returns its name. It has the labels of the run, like containers.
pub(super) async fn create_network(
    docker: &Docker,
    region: &str,
    run: &RunIdentity,
    owner: &Owner,
) -> Result<String> {
    let name = format!("comeback-{}-{region}", run.run_id);
    let labels = labels(run, owner).map(|(label, value)| (label.to_owned(), value)).into();
    let request = NetworkCreateRequest {
        name: name.clone(),
        driver: Some("bridge".to_owned()),
        labels: Some(labels),
        ..NetworkCreateRequest::default()
    };
    docker.create_network(request).await.context(format!("create the network {name}"))?;
    Ok(name)
}

/// Every network with these labels.
pub(in crate::substrate) async fn find_networks(
    docker: &Docker,
    labels: &[(&str, &str)],
) -> Result<Vec<Network>> {
    let options = ListNetworksOptionsBuilder::new().filters(&bearing(labels)).build();
    docker.list_networks(Some(options)).await.context("list the networks of Comeback")
}

/// Removes a network without containers. Succeeds if it is already gone.
pub(in crate::substrate) async fn remove_network(docker: &Docker, id: &str) -> Result<()> {
    match docker.remove_network(id).await {
        Err(error) if !is_missing(&error) => Err(error).context(format!("remove the network {id}")),
        _ => Ok(()),
    }
}
