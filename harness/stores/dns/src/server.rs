//! A throw-away name server in a node.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use comeback_engine::substrate::{
    Command, Endpoint, Io, Node, NodeSpec, Reach, Signal, Software, Substrate, write_private,
};
use comeback_engine::{died, wait};
use comeback_error::{Context as _, Error, Result};

use crate::client::{ask, serial};
use crate::configuration::{HINTS, HINTS_FILE, Role, ZONE_FILE};
use crate::zone::{AddressRecord, ServiceName, zone_file};

/// The port in a container.
const PORT: u16 = 5300;
/// Any free port of the address that every loopback interface has: BIND listens at no other one.
const ANYWHERE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
/// How long a server may take to load its zone or to fetch it, and answer.
const START_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// Debian and Ubuntu confine `/usr/sbin/named` to its usual folders, where `AppArmor` is on. The confinement belongs to
/// the path: a copy has none. Prints the path of the program to start. Source: apparmor.d(5), "Profile attachment".
const UNCONFINED: &str = r#"
read -r on 2>/dev/null </sys/module/apparmor/parameters/enabled
[ "$on" = Y ] || { echo "$0"; exit 0; }
cp -- "$0" named && echo "$PWD/named""#;

/// A name server: its node and its program.
#[derive(Clone)]
pub struct NameServer {
    node: Arc<dyn Node>,
    program: String,
}

impl NameServer {
    /// Creates a node with the server's program. Nothing runs in it yet.
    pub async fn create(substrate: &dyn Substrate, name: &str) -> Result<Self> {
        let spec = NodeSpec {
            name: name.to_owned(),
            software: Software::Bind,
            major: None,
            port: PORT,
            reach: Reach::Loopback(ANYWHERE),
        };
        let node = substrate.create(&spec).await?;
        let installed = node
            .find_program("named")
            .await
            .map_err(|error| error.hint("`make setup` installs BIND, and builds an image that has it"))?;
        let command = Command::new("sh").args(["-c", UNCONFINED, &installed]);
        let program = node.exec(&command, Io::default()).await?.success("preparing the name server")?.text();
        Ok(Self { node, program: program.trim().to_owned() })
    }

    /// The node that the server runs in.
    pub fn node(&self) -> &dyn Node {
        &*self.node
    }

    /// Where the host reaches it.
    pub fn address(&self) -> Result<SocketAddrV4> {
        socket(&self.node.endpoint())
    }

    /// Where the other name servers reach it.
    pub fn peer(&self) -> Result<SocketAddrV4> {
        socket(&self.node.peer())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.node.dir())
    }

    /// Writes the zone that a primary starts with. Returns its size, in bytes.
    pub async fn write_zone(&self, name: &ServiceName, record: AddressRecord) -> Result<u64> {
        let zone = zone_file(name, record);
        self.write_file(ZONE_FILE, &zone).await?;
        Ok(zone.len() as u64)
    }

    /// Starts the server in a role, and waits until it answers.
    pub async fn start(&self, role: &Role) -> Result<()> {
        let listen = socket(&self.node.listen())?;
        self.write_file("named.conf", &role.configuration(listen, self.node.dir())).await?;
        if let Role::Resolver { .. } = role {
            self.write_file(HINTS_FILE, HINTS).await?;
        }
        // In the foreground, with IPv4 and one thread; everything it says goes to the log.
        let command =
            Command::new(&self.program).args(["-g", "-4", "-n", "1", "-c", &self.path("named.conf")]);
        self.node.start(&command, &self.path("server.log")).await?;
        let address = self.address()?;
        let answered = wait::until("the name server to answer", START_LIMIT, async || {
            // A server that has stopped will not answer: stop waiting.
            if !self.node.is_running().await.map_err(|error| error.to_string())? {
                return Ok(false);
            }
            let told = match role {
                Role::Primary { name, .. } | Role::Secondary { name, .. } => {
                    serial(address, name).await.map(drop)
                }
                Role::Resolver { name, .. } => match ask(address, name).await {
                    Ok(answer) if answer.records.is_empty() => {
                        Err(Error::could_not_verify(answer.to_string()))
                    }
                    answer => answer.map(drop),
                },
            };
            told.map(|()| true).map_err(|error| error.message().to_owned())
        });
        if answered.await? {
            return Ok(());
        }
        Err(died(self.node.name(), &end_of(&self.read_log().await?)))
    }

    /// Stops the server, and starts it in another role.
    pub async fn restart(&self, role: &Role) -> Result<()> {
        self.stop().await?;
        self.start(role).await
    }

    /// Stops the server normally: it writes its zone first.
    pub async fn stop(&self) -> Result<()> {
        self.node.stop(Signal::Term, STOP_LIMIT).await
    }

    /// The log of the server.
    pub async fn read_log(&self) -> Result<String> {
        let output = self.node.exec(&Command::new("cat").arg(self.path("server.log")), Io::default()).await?;
        Ok(output.success("reading the server's log")?.text())
    }

    /// The server's last message if it ended by itself; `None` if it runs, or if we stopped or killed it.
    pub async fn last_words(&self) -> Result<Option<String>> {
        Ok(if self.node.has_crashed().await? { Some(end_of(&self.read_log().await?)) } else { None })
    }

    /// Writes a small file in the node that only the node's user can read.
    async fn write_file(&self, name: &str, content: &str) -> Result<()> {
        write_private(&*self.node, &self.path(name), content.as_bytes()).await
    }
}

/// The address of an endpoint of a node that is reached at an address.
fn socket(endpoint: &Endpoint) -> Result<SocketAddrV4> {
    let Endpoint::Tcp { host, port } = endpoint else {
        return Err(Error::could_not_verify(format!("{endpoint:?} is not an address")));
    };
    let ip = host.parse().context(format_args!("reading the address {host}"))?;
    Ok(SocketAddrV4::new(ip, *port))
}

/// The last line of a log that is a complaint, or else its last line; without its time.
fn end_of(log: &str) -> String {
    let complaint =
        |line: &&str| [": error", "failed", "not found", "fatal"].iter().any(|word| line.contains(word));
    // "exiting (due to fatal error)" says less than the line before it.
    let last =
        log.lines().rev().filter(|line| !line.contains("exiting")).find(complaint).or(log.lines().last());
    last.map_or("its log is empty", |line| line.splitn(3, ' ').nth(2).unwrap_or(line)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_a_server_say_why_it_ended() {
        let log = "01-Dec-2026 00:12:02.495 starting\n\
                   01-Dec-2026 00:12:02.503 named.conf:3: unknown option 'x'\n\
                   01-Dec-2026 00:12:02.503 loading configuration: failure\n\
                   01-Dec-2026 00:12:02.503 zone a/IN: loading from master file zone failed: file not found\n\
                   01-Dec-2026 00:12:02.503 exiting (due to fatal error)\n";
        assert_eq!(end_of(log), "zone a/IN: loading from master file zone failed: file not found");
        assert_eq!(end_of(""), "its log is empty");
    }
}
