//! How clients find the application: its name, the name servers, and a client that connects by the name.

use std::sync::{Arc, OnceLock};

use comeback_application::{Bookings, Clients, Lookup, Service};
use comeback_dns::damages::{Client, Servers};
use comeback_dns::judges::{AuthoritativeJudge, CacheJudge, ConnectionsJudge};
use comeback_dns::procedures::Failover;
use comeback_dns::{
    AddressRecord, DnsNodes as _, NameServers, ServiceAddress, Visitor, addresses_of_two_regions, learnt,
    look_up,
};
use comeback_engine::judge::ShortenedWait;
use comeback_engine::runner::{Course, Drill, Proof};
use comeback_error::Result;
use comeback_model::{DocumentedTtl, Phase, Verdict};
use futures_util::FutureExt as _;

use crate::dns::{NEW_TTL_S, TTL_S, documented_ttl, service};

/// How many new connections of the client are looked at.
const VISITS: usize = 5;

/// The name of the application, and who follows it.
pub(super) struct Network {
    servers: NameServers,
    /// Where the application listens: in the region that the name leads to first, and in the other one.
    pub(super) at: [ServiceAddress; 2],
    ttl: DocumentedTtl,
    client: OnceLock<Visitor>,
    /// How long the step waited for the TTL, in milliseconds.
    drilled_ms: OnceLock<u64>,
}

impl Network {
    /// Starts the name servers, which are in neither region.
    pub(super) async fn start(drill: &mut Drill) -> Result<Self> {
        Self::start_at(drill, addresses_of_two_regions()?).await
    }

    /// The same, with a name that leads to the first of these addresses.
    pub(super) async fn start_at(drill: &mut Drill, at: [ServiceAddress; 2]) -> Result<Self> {
        drill.step(Phase::Prepare, "start the name servers of the application's zone, in neither region");
        let ttl = documented_ttl(drill)?;
        drill.enter_region("dns")?;
        let servers = drill.name_servers(service()).await?;
        drill.sample_data_loaded(servers.start(AddressRecord { address: *at[0].ip(), ttl_s: TTL_S }).await?);
        drill.inject::<Servers>(&servers).await?;
        Ok(Self { servers, at, ttl, client: OnceLock::new(), drilled_ms: OnceLock::new() })
    }

    /// Starts the client, once the application listens in the first region.
    pub(super) async fn start_client(&self, drill: &Drill) -> Result<()> {
        let (resolver, [first, _]) = (self.servers.resolver.address()?, self.at);
        let client = Visitor::start(resolver, &self.servers.name, first.port(), drill.clock());
        client.reach(first).await?;
        drill.inject::<Client>(&client).await?;
        let _ = self.client.set(client);
        Ok(())
    }

    /// Starts clients of the application that find it by its name.
    pub(super) fn start_clients(
        &self,
        drill: &Drill,
        (services, bookings): (Vec<Service>, Arc<Bookings>),
    ) -> Result<Clients> {
        let (resolver, name, port) =
            (self.servers.resolver.address()?, self.servers.name.clone(), self.at[0].port());
        let lookup: Lookup = Arc::new(move || {
            let name = name.clone();
            async move { Ok(look_up(resolver, &name, port).await?.into()) }.boxed()
        });
        Ok(Clients::start(&lookup, self.at.map(Into::into), services, bookings, drill.clock()))
    }

    /// Moves the name to the other region; proven by every name server and the resolver.
    pub(super) async fn move_name(&self, course: &Course) -> Result<Proof> {
        let NameServers { name, key, .. } = &self.servers;
        let (authoritative, resolver) =
            (&self.servers.authoritative()?[..], self.servers.resolver.address()?);
        let new = AddressRecord { address: *self.at[1].ip(), ttl_s: NEW_TTL_S };
        // The wait for the TTL is the longest when the resolver has just learnt the record. Until it has, the drill waits:
        // that is part of the wait that stands for the documented one.
        let old = AddressRecord { address: *self.at[0].ip(), ttl_s: TTL_S };
        let before_ms = course.clock().elapsed_ms();
        learnt(resolver, name, old).await?;
        let learning_ms = course.clock().elapsed_ms().saturating_sub(before_ms);
        let failover = Failover { name, key, authoritative, resolver };
        let moved = failover.carry_out(course, old.address, new).await?;
        let verdicts = [
            course.judge(&AuthoritativeJudge { servers: authoritative, name, moved: &moved }).await,
            course.judge(&CacheJudge { moved: &moved }).await,
        ];
        let _ = self.drilled_ms.set(learning_ms.saturating_add(moved.ttl_wait_ms));
        Ok(Proof { verdict: Verdict::merge(verdicts), shortened_ms: self.shortened_ms() })
    }

    /// Judges where the client's new connections lead.
    pub(super) async fn judge_client(&self, drill: &Drill) -> Result<()> {
        let Some(client) = self.client.get() else { return Ok(()) };
        let visits = client.next_visits(VISITS).await?;
        drill.judge(&ConnectionsJudge { visits: &visits, expected: self.at[1] }).await;
        Ok(())
    }

    /// By how much clients wait longer as documented than they did in the drill, in milliseconds.
    pub(super) fn shortened_ms(&self) -> u64 {
        self.drilled_ms.get().map_or(0, |drilled_ms| self.ttl.ms.saturating_sub(*drilled_ms))
    }

    /// The wait for the TTL, which was drilled with a short one; `None` if the name was not moved.
    pub(super) fn shortened_wait(&self) -> Option<ShortenedWait> {
        let drilled_ms = *self.drilled_ms.get()?;
        Some(ShortenedWait {
            what: "the TTL of the old record".to_owned(),
            drilled_ms,
            documented_ms: self.ttl.ms,
            source: self.ttl.source.clone(),
        })
    }
}
