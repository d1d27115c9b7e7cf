//! Region A is lost; the application's name is moved to region B, and back again when region A is there.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use comeback_dns::damages::{
    Client, MovedBack, MovedRecord, PromisedTtl, Servers, TO_A_CLIENT, TO_A_MOVED_RECORD, TO_A_PROMISED_TTL,
    TO_A_RECORD_MOVED_BACK, TO_NAME_SERVERS,
};
use comeback_dns::judges::{AuthoritativeJudge, CacheJudge, ConnectionsJudge, FailbackJudge, TtlBudget};
use comeback_dns::{AddressRecord, DnsNodes as _, StandIn, Visitor, learnt, procedures};
use comeback_engine::judge::ShortenedWait;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::{Phase, Verdict};

use super::{NEW_TTL_S, TTL_S, documented_ttl, service};

/// How many new connections of the client are looked at.
const VISITS: usize = 10;

/// The scenario `dns/failover`.
pub struct Failover;

#[async_trait]
impl Scenario for Failover {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "dns/failover".to_owned(),
            title: "the application's name moves to another region, its clients follow, and it moves back"
                .to_owned(),
            section: "Full disaster recovery / Step 5: move the traffic".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![
                &TO_NAME_SERVERS,
                &TO_A_CLIENT,
                &TO_A_PROMISED_TTL,
                &TO_A_MOVED_RECORD,
                &TO_A_RECORD_MOVED_BACK,
            ],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the application in both regions, and the name servers of its zone");
        let ttl = documented_ttl(drill)?;
        let [region_a, region_b] = StandIn::in_two_regions().await?;
        let (at_a, at_b) = (region_a.address(), region_b.address());
        let old = AddressRecord { address: *at_a.ip(), ttl_s: TTL_S };
        let new = AddressRecord { address: *at_b.ip(), ttl_s: NEW_TTL_S };
        drill.enter_region("dns")?;
        let servers = drill.name_servers(service()).await?;
        drill.sample_data_loaded(servers.start(old).await?);
        drill.inject::<Servers>(&servers).await?;

        drill.step(Phase::Prepare, "start a client that connects to the application by its name");
        let (name, resolver) = (&servers.name, servers.resolver.address()?);
        let client = Visitor::start(resolver, name, at_a.port(), drill.clock());
        client.reach(at_a).await?;
        drill.inject::<Client>(&client).await?;
        // The wait for its TTL is the longest when the resolver has just learnt the record.
        learnt(resolver, name, old).await?;

        drill.step(Phase::Disaster, "lose region A");
        drop(region_a);
        let declared_ms = drill.declare_disaster();

        let authoritative = &servers.authoritative()?;
        let failover = procedures::Failover { name, key: &servers.key, authoritative, resolver };
        let moved = failover.carry_out(drill, old.address, new).await?;
        drill.ready();
        drill.recovered();

        drill
            .step(Phase::Judge, "ask every name server and the resolver, and look where the client connects");
        let visits = client.next_visits(VISITS).await?;
        drill.inject::<MovedRecord>((&servers, new)).await?;
        let followed = [
            drill.judge(&AuthoritativeJudge { servers: authoritative, name, moved: &moved }).await,
            drill.judge(&CacheJudge { moved: &moved }).await,
            drill.judge(&ConnectionsJudge { visits: &visits, expected: at_b }).await,
        ];
        if let Some(ms) = client.served_again_after(declared_ms, at_b) {
            drill.note(format!("the client was without the application for {ms} ms"));
        }
        let ttl = Mutex::new(ttl);
        drill.inject::<PromisedTtl>((name, &ttl)).await?;
        let ttl = ttl.into_inner().unwrap_or_else(PoisonError::into_inner);
        drill.judge(&TtlBudget { name, ttl: &ttl, objective: &drill.time_objective() }).await;
        let waited = ShortenedWait {
            what: "the TTL of the old record".to_owned(),
            drilled_ms: moved.ttl_wait_ms,
            documented_ms: ttl.ms,
            source: ttl.source,
        };
        drill.judge_time_with(Some(&waited)).await?;

        if followed.iter().any(|verdict| *verdict != Verdict::Verified) {
            drill.note("the name is not moved back: not everybody has followed it to region B");
            drill.verified();
            return Ok(());
        }

        drill.step(Phase::Judge, "region A is there again: move the name back");
        let _region_a = StandIn::start(at_a).await?;
        let back = failover.carry_out(drill, new.address, old).await?;
        let visits = client.next_visits(VISITS).await?;
        drill.inject::<MovedBack>((&servers, old, new)).await?;
        drill
            .judge(&FailbackJudge {
                authoritative: AuthoritativeJudge { servers: authoritative, name, moved: &back },
                cache: CacheJudge { moved: &back },
                connections: ConnectionsJudge { visits: &visits, expected: at_a },
            })
            .await;
        drill.verified();
        Ok(())
    }
}
