//! The application in a drill.

use std::net::SocketAddrV4;
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
    /// Creates a node for the application, at a loopback address that is hardly anybody else's. The run removes it.
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer>;

    /// The same at an address, to which a name can point.
    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer>;
}

#[async_trait]
impl ApplicationNodes for Course {
    async fn application_node(&mut self, name: &str) -> Result<ApplicationServer> {
        create(self, name, Reach::own_loopback()?).await
    }

    async fn application_node_at(&mut self, name: &str, address: SocketAddrV4) -> Result<ApplicationServer> {
        create(self, name, Reach::Loopback(address)).await
    }
}

async fn create(course: &mut Course, name: &str, reach: Reach) -> Result<ApplicationServer> {
    let (node, program) = (course.node_name(name), Path::new(THIS_PROGRAM));
    let server = ApplicationServer::create(course.substrate()?, &node, reach, program).await?;
    course.adopt(name, server.clone());
    Ok(server)
}
