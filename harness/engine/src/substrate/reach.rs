//! Where a node's server listens, and where it is reached.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use comeback_error::{Error, Result};

use crate::secret::random_bytes;

/// How many ports are tried before the search for a free one is given up.
const TRIED_PORTS: usize = 64;
/// Ports below those that Linux gives to connections by itself, which could take one before its server listens. Source:
/// ip(7), `ip_local_port_range`.
const PORTS: Range<u16> = 20_000..32_000;

/// How the host reaches a node's server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reach {
    /// The way of the substrate: a socket, or a free port of 127.0.0.1.
    #[default]
    Endpoint,
    /// TCP and UDP at this loopback address of the host, so that a name of the DNS can point to it. Port 0 stands for a
    /// free one. Nodes at different addresses can have the same port, which an A record needs.
    Loopback(SocketAddrV4),
}

impl Reach {
    /// A loopback address that is hardly anybody else's, and a free port there. Not 127.0.0.1: there, a client of another
    /// process may have the port by the time of a restart.
    pub fn own_loopback() -> Result<Self> {
        let [first, second, third] = random_bytes::<3>()?;
        let address = Ipv4Addr::new(127, 64 | first >> 2, second, 1 | third >> 1);
        Ok(Self::Loopback(SocketAddrV4::new(address, 0)))
    }

    /// The loopback address with its port; `None` for the way of the substrate.
    pub(super) fn settle(self, is_contained: bool) -> Result<Option<SocketAddrV4>> {
        let Self::Loopback(address) = self else { return Ok(None) };
        if is_contained {
            return Err(Error::usage(format!("a contained server cannot be reached at {address}")));
        }
        if !address.ip().is_loopback() {
            return Err(Error::usage(format!("{address} is not a loopback address")));
        }
        let port = if address.port() == 0 { free_port(&[*address.ip()])? } else { address.port() };
        Ok(Some(SocketAddrV4::new(*address.ip(), port)))
    }
}

/// A port that is free at each of these addresses of this machine, for TCP and for UDP. No port is returned twice, so
/// that servers which start at the same time do not get the same one.
pub fn free_port(addresses: &[Ipv4Addr]) -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..TRIED_PORTS {
        let port = PORTS.start + u16::from_be_bytes(random_bytes()?) % (PORTS.end - PORTS.start);
        let is_free =
            |ip: &Ipv4Addr| TcpListener::bind((*ip, port)).is_ok() && UdpSocket::bind((*ip, port)).is_ok();
        if addresses.iter().all(is_free) && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
        {
            return Ok(port);
        }
    }
    Err(Error::could_not_verify(format!("of {TRIED_PORTS} ports none is free at {addresses:?}")))
}

/// A place where a node's server listens or is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A folder for Unix sockets. The server listens there, and on no address.
    Unix {
        /// The folder; it exists, and belongs to the node's user.
        dir: String,
    },
    /// An address and a port.
    Tcp {
        /// A loopback address of the host for [`Node::endpoint`](super::Node::endpoint).
        host: String,
        /// The port.
        port: u16,
    },
}

impl From<SocketAddrV4> for Endpoint {
    fn from(address: SocketAddrV4) -> Self {
        Self::Tcp { host: address.ip().to_string(), port: address.port() }
    }
}

#[cfg(test)]
mod tests {
    use comeback_error::ErrorKind;

    use super::*;

    #[test]
    fn a_port_is_free_at_every_address_and_given_once() {
        let addresses = [Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 3)];
        let (one, other) = (free_port(&addresses).unwrap(), free_port(&addresses).unwrap());
        assert_ne!(one, other);
        for ip in addresses {
            TcpListener::bind((ip, one)).unwrap();
            UdpSocket::bind((ip, one)).unwrap();
        }
    }

    #[test]
    fn only_loopback_addresses_outside_of_a_cell_are_reached() {
        let loopback = Reach::Loopback(SocketAddrV4::new(Ipv4Addr::new(127, 1, 2, 3), 0));
        let settled = loopback.settle(false).unwrap().unwrap();
        assert!(settled.port() > 0 && settled.ip().octets() == [127, 1, 2, 3]);
        assert_eq!(loopback.settle(true).unwrap_err().kind(), ErrorKind::Usage);
        let public = Reach::Loopback(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 53));
        assert_eq!(public.settle(false).unwrap_err().message(), "0.0.0.0:53 is not a loopback address");
        assert_eq!(Reach::Endpoint.settle(true).unwrap(), None);
    }
}
