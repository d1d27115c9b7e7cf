//! The application in a drill.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

use async_trait::async_trait;
use comeback_engine::runner::Course;
use comeback_engine::substrate::Reach;
use comeback_error::Result;

use crate::server::ApplicationServer;

/// This program, also after its file was replaced by a newer one.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// The nodes of the application of a drill.
#[async_trait]
pub trait ApplicationNodes {
    /// Creates a node for the application, at a free port of 127.0.0.1. The run removes it.
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer>;

    /// The same at an address, to which a name can point.
    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer>;
}

#[async_trait]
impl ApplicationNodes for Course {
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer> {
        self.application_node_at(name, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).await
    }

    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer> {
        let (node, reach) = (self.node_name(name), Reach::Loopback(address));
        let program = Path::new(THIS_PROGRAM);
        let server = ApplicationServer::create(self.substrate()?, &node, reach, program).await?;
        self.adopt(name, server.clone());
        Ok(server)
    }
}
