//! What drills of DNS can do.

use std::net::SocketAddrV4;
use std::path::Path;

use async_trait::async_trait;
use comeback_engine::runner::{Course, Server};
use comeback_engine::substrate::{Node, Substrate};
use comeback_error::Result;

use crate::configuration::Role;
use crate::server::NameServer;
use crate::zone::{AddressRecord, ServiceName, UpdateKey};

/// The name servers of a drill: two authorities for a zone, and a resolver that asks them for clients.
pub struct NameServers {
    /// The service's name.
    pub name: ServiceName,
    /// The key of updates and transfers.
    pub key: UpdateKey,
    /// Takes updates.
    pub primary: NameServer,
    /// Fetches what the primary has, as soon as it is told of a change.
    pub secondary: NameServer,
    /// Asks one of the two, and remembers the answer for its TTL.
    pub resolver: NameServer,
}

impl NameServers {
    /// The names of the authorities in reports, and where they are reached; the primary first.
    pub fn authoritative(&self) -> Result<Vec<(&'static str, SocketAddrV4)>> {
        Ok(vec![("ns1", self.primary.address()?), ("ns2", self.secondary.address()?)])
    }

    /// The role of the secondary.
    pub(crate) fn secondary_of(&self, primary: SocketAddrV4) -> Role {
        Role::Secondary { name: self.name.clone(), key: self.key.clone(), primary }
    }

    /// The role of the resolver.
    pub(crate) fn resolver_role(&self, least_ttl_s: Option<u32>) -> Result<Role> {
        let authoritative = vec![self.primary.peer()?, self.secondary.peer()?];
        Ok(Role::Resolver { name: self.name.clone(), authoritative, least_ttl_s })
    }
}

impl NameServers {
    /// Creates the nodes of the servers, whose names `named` makes unique. Nothing runs in them yet.
    pub async fn create(
        substrate: &dyn Substrate,
        named: impl Fn(&str) -> String,
        name: ServiceName,
    ) -> Result<Self> {
        let primary = NameServer::create(substrate, &named("ns1")).await?;
        let secondary = NameServer::create(substrate, &named("ns2")).await?;
        let resolver = NameServer::create(substrate, &named("resolver")).await?;
        Ok(Self { name, key: UpdateKey::random()?, primary, secondary, resolver })
    }

    /// Starts them with a zone that has the record. Returns the size of the zone, in bytes.
    pub async fn start(&self, record: AddressRecord) -> Result<u64> {
        let bytes = self.primary.write_zone(&self.name, record).await?;
        let (name, key, secondary) = (self.name.clone(), self.key.clone(), self.secondary.peer()?);
        self.primary.start(&Role::Primary { name, key, secondary }).await?;
        self.secondary.start(&self.secondary_of(self.primary.peer()?)).await?;
        self.resolver.start(&self.resolver_role(None)?).await?;
        Ok(bytes)
    }
}

/// The name servers of a drill or a procedure.
#[async_trait]
pub trait DnsNodes {
    /// Creates two authoritative servers and a resolver, in nodes of their own. The run removes them.
    async fn name_servers(&mut self, name: ServiceName) -> Result<NameServers>;
}

#[async_trait]
impl DnsNodes for Course {
    async fn name_servers(&mut self, name: ServiceName) -> Result<NameServers> {
        let servers = NameServers::create(self.substrate()?, |node| self.node_name(node), name).await?;
        self.adopt("ns1", servers.primary.clone());
        self.adopt("ns2", servers.secondary.clone());
        self.adopt("resolver", servers.resolver.clone());
        Ok(servers)
    }
}

#[async_trait]
impl Server for NameServer {
    fn node(&self) -> &dyn Node {
        self.node()
    }

    async fn log_text(&self) -> Result<String> {
        self.read_log().await
    }

    async fn last_words(&self) -> Result<Option<String>> {
        self.last_words().await
    }

    async fn tell_how_to_connect(&self, _: &Path, _: &str) -> Result<String> {
        let address = self.address()?;
        Ok(format!("dig @{} -p {}", address.ip(), address.port()))
    }
}
