//! A server that something is loaded into: one of ours in a node, or one of the user's.

use std::path::Path;

use comeback_engine::substrate::Node;

use super::created::Created;
use super::node::PostgresServer;
use super::programs::ClientPrograms;
use crate::connection::address::PostgresAddress;
use crate::error::Result;

/// The address of a server, and the client programs that connect to it.
#[derive(Clone)]
pub struct Destination {
    address: PostgresAddress,
    programs: ClientPrograms,
    major: u32,
    created: Created,
}

impl Destination {
    /// A server of the user's, with the programs of this machine, which must be those of the folder `bin` if it is
    /// named.
    pub async fn of_this_machine(
        address: &PostgresAddress,
        bin: Option<&Path>,
        needed: &[&str],
    ) -> Result<Self> {
        let programs = ClientPrograms::of_this_machine(address, bin, needed).await?;
        let (major, created) = (address.major().await?, Created::begin()?);
        Ok(Self { address: address.clone(), programs, major, created })
    }

    /// The address of the server.
    pub fn address(&self) -> &PostgresAddress {
        &self.address
    }

    /// Its major version.
    pub(crate) fn major(&self) -> u32 {
        self.major
    }

    pub(crate) fn programs(&self) -> &ClientPrograms {
        &self.programs
    }

    /// What imports have created on it, if it is one of the user's.
    pub(crate) fn created(&self) -> &Created {
        &self.created
    }

    /// Where the programs run.
    pub(crate) fn node(&self) -> &dyn Node {
        self.programs.node()
    }
}

impl From<&PostgresServer> for Destination {
    fn from(server: &PostgresServer) -> Self {
        Self {
            address: server.address().clone(),
            programs: server.programs(),
            major: server.major(),
            created: Created::default(),
        }
    }
}

impl From<&Destination> for Destination {
    fn from(destination: &Destination) -> Self {
        destination.clone()
    }
}
