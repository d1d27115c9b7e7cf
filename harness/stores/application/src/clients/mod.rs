//! Clients of the application: each uses one service again and again, finds the application by its name, and keeps
//! count of what it saw.

mod booking;
mod sample;
mod service;
mod tally;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use comeback_engine::clock::Stopwatch;
use comeback_engine::wait;
use comeback_error::Result;
use comeback_model::ClientsView;
use futures_util::future::{BoxFuture, join_all};
use tokio::task::JoinSet;

use self::service::Client;
use self::tally::Tally;
use crate::client::AppClient;

pub use self::booking::Bookings;
pub(crate) use self::sample::STORIES;
pub use self::sample::sample_services;
pub use self::service::{Service, Use};

/// The subject of findings about all clients.
pub(crate) const CLIENTS: &str = "clients";
/// The pause between two requests of a client.
const PAUSE: Duration = Duration::from_millis(50);
/// How long clients may take for the rounds that a caller waits for.
const ROUNDS_LIMIT: Duration = Duration::from_mins(2);

/// Finds the address of the application by its name.
pub type Lookup = Arc<dyn Fn() -> BoxFuture<'static, Result<SocketAddr>> + Send + Sync>;

/// Clients of an application that has one address before a disaster and another one after it. They end when this is
/// dropped.
pub struct Clients {
    all: Vec<Arc<Running>>,
    bookings: Arc<Bookings>,
    /// Where the application is before and after.
    at: [SocketAddr; 2],
    ending: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

/// A client that runs.
struct Running {
    service: Service,
    tally: Tally,
    rounds: AtomicU64,
    /// Whether it keeps the address that it has, as some programs do until they are restarted.
    keeps_address: AtomicBool,
}

impl Clients {
    /// Starts a client for each service. `clock` is that of the run.
    pub fn start(
        lookup: &Lookup,
        at: [SocketAddr; 2],
        services: Vec<Service>,
        bookings: Arc<Bookings>,
        clock: Stopwatch,
    ) -> Self {
        let (mut tasks, ending) = (JoinSet::new(), Arc::<AtomicBool>::default());
        let all = services.into_iter().map(|service| {
            let tally = Tally::new(at[1]);
            let rounds = AtomicU64::new(0);
            let running = Arc::new(Running { service, tally, rounds, keeps_address: AtomicBool::new(false) });
            tasks.spawn(go_on(running.clone(), Client::new(lookup.clone()), clock, ending.clone()));
            running
        });
        Self { all: all.collect(), bookings, at, ending, tasks }
    }

    /// Waits until every client has had a right answer of the application as it is now.
    pub async fn served(&self) -> Result<()> {
        wait::until("every client to be served", ROUNDS_LIMIT, async || {
            match self.all.iter().find(|client| !client.tally.was_served()) {
                None => Ok(()),
                Some(client) => Err(format!("{}: {}", client.service.name, client.tally.last_problem())),
            }
        })
        .await
    }

    /// Backups begin: every write that was acknowledged before must be in them.
    pub fn backups_begin(&self) {
        self.bookings.backups_begin();
    }

    /// The region is about to be lost: from now on clients book nothing new, and ask again for what they have booked.
    /// Returns when every request of before has ended.
    pub async fn lose_region(&self) -> Result<()> {
        self.bookings.lose_region();
        self.all.iter().for_each(|client| client.tally.lose_region());
        self.rounds(1).await
    }

    /// Waits until every client has ended `count` rounds that begin after this call, with whatever answers.
    pub async fn rounds(&self, count: u64) -> Result<()> {
        let waits = self.all.iter().map(|client| async move {
            // The round in progress may have begun before.
            let enough = client.rounds.load(Ordering::Acquire) + 1 + count;
            wait::until(&format!("the client of {}", client.service.name), ROUNDS_LIMIT, async || {
                let rounds = client.rounds.load(Ordering::Acquire);
                if rounds >= enough { Ok(()) } else { Err(format!("{rounds} rounds")) }
            })
            .await
        });
        join_all(waits).await.into_iter().collect()
    }

    /// The last booking that was acknowledged before the backups.
    pub(crate) fn last_booking_before_backups(&self) -> Result<i64> {
        self.bookings.last_before_backup()
    }

    /// From now on the client of a service keeps the address that it has.
    pub(crate) fn keep_address(&self, service: usize) {
        if let Some(client) = self.all.get(service) {
            client.keeps_address.store(true, Ordering::Release);
        }
    }

    /// The services, in their order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.all.iter().map(|client| client.service.name).collect()
    }

    /// Ends the clients after the round of each, asks the application at the new address for every booking, and returns what they saw since
    /// `declared_ms`, on the clock of the run. `shortened_ms` is by how much a documented wait of clients was shortened.
    pub async fn leave(mut self, declared_ms: u64, shortened_ms: u64) -> Result<ClientsView> {
        // A client that is cut off would leave a session behind.
        self.ending.store(true, Ordering::Release);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        wait::at_most("the clients to end", ROUNDS_LIMIT, ended).await?;
        let services = self.all.iter().map(|client| client.tally.view(&client.service, declared_ms));
        let services: Vec<_> = services.collect();
        let (writes, writes_unknown) = match self.bookings.look_for_all(&AppClient::new(self.at[1])).await {
            Ok(writes) => (Some(writes), String::new()),
            Err(error) => (None, error.message().to_owned()),
        };
        Ok(ClientsView { services, writes, writes_unknown, shortened_ms })
    }
}

/// Uses a service until it is ended.
async fn go_on(running: Arc<Running>, mut client: Client, clock: Stopwatch, ending: Arc<AtomicBool>) {
    while !ending.load(Ordering::Acquire) {
        let keeps_address = running.keeps_address.load(Ordering::Acquire);
        let (address, answer) = client.ask(&running.service, keeps_address).await;
        running.tally.add(clock.elapsed_ms(), address, answer);
        running.rounds.fetch_add(1, Ordering::AcqRel);
        wait::rest(PAUSE, std::future::pending::<()>()).await;
    }
}
