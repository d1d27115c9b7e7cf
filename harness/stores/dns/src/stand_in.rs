//! Stand-ins for the service in two regions: listeners that accept connections and say nothing.
//!
//! Whatever else listens at an address can take their place.

use std::net::{Ipv4Addr, SocketAddrV4};

use comeback_engine::substrate::free_port;
use comeback_error::{Context as _, Result};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Where a service listens.
pub type ServiceAddress = SocketAddrV4;

/// Where a service can listen in two regions: two addresses with the same port, as an A record needs.
pub fn addresses_of_two_regions() -> Result<[ServiceAddress; 2]> {
    let addresses = [Ipv4Addr::new(127, 0, 80, 1), Ipv4Addr::new(127, 0, 80, 2)];
    let port = free_port(&addresses)?;
    Ok(addresses.map(|address| SocketAddrV4::new(address, port)))
}

/// A service that accepts connections until it is dropped.
pub struct StandIn {
    address: SocketAddrV4,
    /// Holds the listener and every connection: both end with it.
    _task: JoinSet<()>,
}

impl StandIn {
    /// Starts one at an address.
    pub async fn start(address: SocketAddrV4) -> Result<Self> {
        let listener = TcpListener::bind(address).await.context(format_args!("listening at {address}"))?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut held = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // A client that went away before it was accepted is nobody's loss.
                        let Ok((stream, _)) = accepted else { continue };
                        held.spawn(async move { wait_for_end(stream).await });
                    }
                    Some(_) = held.join_next() => {}
                }
            }
        });
        Ok(Self { address, _task: task })
    }

    /// Starts two, in two regions: at two addresses, with the same port.
    pub async fn in_two_regions() -> Result<[Self; 2]> {
        let [a, b] = addresses_of_two_regions()?;
        Ok([Self::start(a).await?, Self::start(b).await?])
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddrV4 {
        self.address
    }
}

async fn wait_for_end(mut stream: tokio::net::TcpStream) {
    // An error is an end too.
    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
}
