//! A client of the service that connects again and again, by its name.

use std::fmt;
use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_error::Result;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::look_up;
use crate::zone::ServiceName;

/// The pause between two visits.
const PAUSE: Duration = Duration::from_millis(50);
/// How long connecting may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);
/// How long the visitor may take for the visits that a caller waits for.
const VISITS_LIMIT: Duration = Duration::from_mins(1);

/// How one visit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visit {
    /// It was connected to a service.
    At(SocketAddrV4),
    /// It was not, with the reason.
    Failed(String),
}

impl fmt::Display for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => write!(f, "connected to {address}"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// A client that, for each visit, asks the resolver for the address of the name and opens a new connection there. It
/// goes on until it is dropped.
pub struct Visitor {
    visits: Arc<Mutex<Vec<(u64, Visit)>>>,
    holds_on: Arc<AtomicBool>,
    /// Ends the client when it is dropped, on every path.
    _task: JoinSet<()>,
}

impl Visitor {
    /// Starts visiting. `clock` is that of the run.
    pub fn start(resolver: SocketAddrV4, name: &ServiceName, port: u16, clock: Stopwatch) -> Self {
        let (visits, holds_on) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let mut client = Client { resolver, name: name.clone(), port, held: None };
        let (seen, holds) = (visits.clone(), holds_on.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                let visit = client.visit(holds.load(Ordering::Acquire)).await;
                seen.lock().unwrap_or_else(PoisonError::into_inner).push((clock.elapsed_ms(), visit));
                wait::rest(PAUSE, std::future::pending::<()>()).await;
            }
        });
        Self { visits, holds_on, _task: task }
    }

    /// Waits until it is connected to an address.
    pub async fn reach(&self, address: SocketAddrV4) -> Result<()> {
        wait::until(&format!("the client to be connected to {address}"), VISITS_LIMIT, async || {
            match self.visits_after(0).pop() {
                Some((_, Visit::At(at))) if at == address => Ok(()),
                Some((_, visit)) => Err(visit.to_string()),
                None => Err("it has not tried".to_owned()),
            }
        })
        .await
    }

    /// From now on it holds on to the connection of its next visit, as a client does that never reconnects.
    pub(crate) fn hold_on(&self) {
        self.holds_on.store(true, Ordering::Release);
    }

    /// How many visits it has made.
    pub fn count(&self) -> usize {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Every visit that ended after the first `skipped`: when, in milliseconds on the clock of the run, and how.
    pub fn visits_after(&self, skipped: usize) -> Vec<(u64, Visit)> {
        self.visits.lock().unwrap_or_else(PoisonError::into_inner).get(skipped..).unwrap_or_default().to_vec()
    }

    /// Waits for `count` visits that begin after this call, and returns them.
    pub async fn next_visits(&self, count: usize) -> Result<Vec<Visit>> {
        // The visit in progress may have begun before the call.
        let skipped = self.count() + 1;
        wait::until("the client to visit the service", VISITS_LIMIT, async || {
            let visits = self.visits_after(skipped);
            if visits.len() < count { Err(format!("{} visits", visits.len())) } else { Ok(visits) }
        })
        .await
        .map(|visits| visits.into_iter().map(|(_, visit)| visit).take(count).collect())
    }

    /// The time from a moment until the client was first connected to an address after it, in milliseconds; `None` if
    /// it was not.
    pub fn served_again_after(&self, moment_ms: u64, address: SocketAddrV4) -> Option<u64> {
        let visits = self.visits.lock().unwrap_or_else(PoisonError::into_inner);
        let first = visits.iter().find(|(at_ms, visit)| *at_ms >= moment_ms && *visit == Visit::At(address));
        first.map(|(at_ms, _)| at_ms.saturating_sub(moment_ms))
    }
}

struct Client {
    resolver: SocketAddrV4,
    name: ServiceName,
    port: u16,
    /// The connection that it holds on to, and where it leads.
    held: Option<(TcpStream, SocketAddrV4)>,
}

impl Client {
    async fn visit(&mut self, holds_on: bool) -> Visit {
        if let Some((stream, address)) = &self.held {
            return if is_open(stream) {
                Visit::At(*address)
            } else {
                Visit::Failed(format!("its only connection, to {address}, is broken"))
            };
        }
        match self.connect().await {
            Ok((stream, address)) => {
                self.held = holds_on.then_some((stream, address));
                Visit::At(address)
            }
            Err(why) => Visit::Failed(why),
        }
    }

    async fn connect(&self) -> Result<(TcpStream, SocketAddrV4), String> {
        let found = look_up(self.resolver, &self.name, self.port).await;
        let address = found.map_err(|error| error.message().to_owned())?;
        let connected = wait::at_most("a connection", CONNECT_LIMIT, TcpStream::connect(address)).await;
        let stream = connected.map_err(|error| format!("{address}: {}", error.message()))?;
        Ok((stream.map_err(|error| format!("{address}: {error}"))?, address))
    }
}

/// Whether the other side has not closed a connection.
fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    match stream.try_read(&mut byte) {
        Ok(read) => read > 0,
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}
