//! Nodes that a name of the DNS can point to, and how nodes reach each other.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use comeback_engine::substrate::{
    Cell, Command, Endpoint, Node, NodeSpec, Reach, Software, Substrate, free_port,
};
use comeback_engine::wait;
use comeback_error::ErrorKind;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UdpSocket};

use crate::kit::substrate_bench::{SubstrateBench, run, sh};

const LIMIT: Duration = Duration::from_secs(20);
const REGION_A: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 1);
const REGION_B: Ipv4Addr = Ipv4Addr::new(127, 0, 71, 2);
/// A server that says its name to each connection and in reply to each datagram. Arguments: name, address, port.
const SERVER: &str = "use IO::Socket::INET; use IO::Select; my ($name, $ip, $port) = @ARGV; \
    my $tcp = IO::Socket::INET->new(LocalAddr => $ip, LocalPort => $port, Listen => 5) or die; \
    my $udp = IO::Socket::INET->new(LocalAddr => $ip, LocalPort => $port, Proto => 'udp') or die; \
    my $both = IO::Select->new($tcp, $udp); \
    while (1) { for my $one ($both->can_read) { \
        if ($one == $tcp) { my $c = $tcp->accept; print $c $name; close $c } \
        else { my $from = $udp->recv(my $asked, 9); $udp->send($name, 0, $from) } } }";

/// A node in a region with a server that says the region's name.
async fn named(bench: &SubstrateBench, region: &str, reach: Reach) -> Arc<dyn Node> {
    let spec =
        NodeSpec { name: region.to_owned(), software: Software::Application, major: None, port: 7070, reach };
    let node = Arc::clone(&bench.substrate).in_region(region).unwrap().create(&spec).await.unwrap();
    let Endpoint::Tcp { host, port } = node.listen() else { panic!("{:?}", node.listen()) };
    let server = Command::new("perl").args(["-e", SERVER, region, &host, &port.to_string()]);
    node.start(&server, "log").await.unwrap();
    node
}

async fn said_by_tcp(address: SocketAddrV4) -> Result<String, String> {
    let mut said = String::new();
    let mut stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.read_to_string(&mut said).await.map_err(|error| error.to_string())?;
    // A published port accepts before the server in the container does.
    if said.is_empty() { Err("it closed the connection".to_owned()) } else { Ok(said) }
}

async fn said_by_udp(address: SocketAddrV4) -> String {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    let mut said = [0; 9];
    let answer = async {
        socket.send(b"who?").await.unwrap();
        socket.recv(&mut said).await.unwrap()
    };
    let length = wait::at_most("an answer by UDP", LIMIT, answer).await.unwrap();
    String::from_utf8_lossy(&said[..length]).into_owned()
}

pub(super) async fn two_regions_have_one_port_at_two_addresses(bench: &SubstrateBench) {
    let port = free_port(&[REGION_A, REGION_B]).unwrap();
    for (region, ip) in [("region-a", REGION_A), ("region-b", REGION_B)] {
        let address = SocketAddrV4::new(ip, port);
        let node = named(bench, region, Reach::Loopback(address)).await;
        assert_eq!(node.endpoint(), Endpoint::from(address));
        let said = wait::until("the server to be reached", LIMIT, || said_by_tcp(address)).await.unwrap();
        assert_eq!((said.as_str(), said_by_udp(address).await.as_str()), (region, region));
        // A neighbour reaches it where its peers do.
        let substrate = Arc::clone(&bench.substrate).in_region(region).unwrap();
        let spec = NodeSpec { name: format!("{region}-peer"), ..application() };
        let peer = substrate.create(&spec).await.unwrap();
        let Endpoint::Tcp { host, port } = node.peer() else { panic!("{:?}", node.peer()) };
        let ask = sh(&format!("exec bash -c 'cat </dev/tcp/{host}/{port}'"));
        assert_eq!(run(&*peer, &ask).await.text(), region);
    }
}

pub(super) async fn a_free_port_is_found_and_a_public_address_refused(bench: &SubstrateBench) {
    let reach = Reach::Loopback(SocketAddrV4::new(REGION_A, 0));
    let node = bench.substrate.create(&NodeSpec { reach, ..application() }).await.unwrap();
    let Endpoint::Tcp { host, port } = node.endpoint() else { panic!("{:?}", node.endpoint()) };
    assert!(host == REGION_A.to_string() && port > 0, "{host}:{port}");
    let public = Reach::Loopback(SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 0));
    let public = NodeSpec { name: "public".to_owned(), reach: public, ..application() };
    refused(&*bench.substrate, &public).await;
    // What runs code of somebody else has no address. A machine that contains nothing has nothing to refuse.
    if let Ok(cell) = Arc::clone(&bench.substrate).contained(Cell::of_this_machine()) {
        refused(&*cell.substrate, &NodeSpec { name: "contained".to_owned(), reach, ..application() }).await;
    }
}

async fn refused(substrate: &dyn Substrate, spec: &NodeSpec) {
    let refused = substrate.create(spec).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Usage, "{refused}");
}

fn application() -> NodeSpec {
    NodeSpec {
        name: "application".to_owned(),
        software: Software::Application,
        major: None,
        port: 7070,
        reach: Reach::Endpoint,
    }
}
