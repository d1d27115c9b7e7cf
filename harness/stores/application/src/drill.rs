//! The application in a drill.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use async_trait::async_trait;
use comeback_engine::runner::Course;
use comeback_engine::secret::random_bytes;
use comeback_engine::substrate::Reach;
use comeback_error::Result;

use crate::server::ApplicationServer;

/// This program, also after its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The nodes of the application of a drill.
#[async_trait]
pub trait ApplicationNodes {
    /// Creates a node for the application, at a loopback address that is hardly anybody else's. The run removes it.
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer>;

    /// The same at an address, to which a name can point.
    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer>;
}

#[async_trait]
impl ApplicationNodes for Course {
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer> {
        // Not 127.0.0.1: there, a client of another process may have the port by the time of a restart.
        let [first, second, third] = random_bytes::<3>()?;
        let address = Ipv4Addr::new(127, 64 | first >> 2, second, 1 | third >> 1);
        self.application_node_at(name, SocketAddrV4::new(address, 0)).await
    }

    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer> {
        let (node, reach) = (self.node_name(name), Reach::Loopback(address));
        let program = Path::new(THIS_PROGRAM);
        let server = ApplicationServer::create(self.substrate()?, &node, reach, program).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }
}
