//! Region A is back. Its old primary is fenced, the region is rebuilt from region B, and the writes move there, once.

mod old_primary;
mod rebuilt;
mod serving;
mod verdicts;

use async_trait::async_trait;
use comeback_dns::addresses_of_two_regions;
use comeback_dns::damages::{TO_A_CLIENT, TO_NAME_SERVERS};
use comeback_engine::damage::TO_AN_ALLOWED_OUTAGE;
use comeback_engine::prober::Prober;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::Phase;
use comeback_postgres::PostgresDrill as _;
use comeback_postgres::damages::{Replicated, Switching, TO_A_SWITCHOVER, TO_REPLICATION};
use comeback_postgres::procedures::Switchover;
use comeback_redis::RedisDrill as _;
use comeback_redis::damages::{HandingOver, TO_A_HANDOVER};
use comeback_redis::procedures::Handover;

use self::rebuilt::Rebuilt;
use self::serving::Serving;
use self::verdicts::{Evidence, Tries, judge};
use super::network::Network;
use crate::roadtrip::DATABASE;

/// The servers that accept writes in turn, and the old primary, which must not, by their names in reports.
const DATABASES: [&str; 2] = ["database-b", "database-a"];
const CACHES: [&str; 2] = ["cache-b", "cache-a"];
const OLD_PRIMARY: &str = "database-a-old";
/// Acknowledged writes of each store between two events of the drill.
const WRITES: u64 = 25;
/// How many tries of the prober prove that a server is fenced, or open.
const TRIES: usize = 10;

/// The scenario `dr/failback`.
pub struct Failback;

#[async_trait]
impl Scenario for Failback {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "dr/failback".to_owned(),
            title:
                "the service moves back to its first region: no write is lost, and one region at a time accepts writes"
                    .to_owned(),
            section: "Failback".to_owned(),
            suites: vec![Suite::Quarterly],
            damages: vec![
                &TO_A_SWITCHOVER,
                &TO_REPLICATION,
                &TO_A_HANDOVER,
                &TO_NAME_SERVERS,
                &TO_A_CLIENT,
                &TO_AN_ALLOWED_OUTAGE,
            ],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        let [at_a, at_b] = addresses_of_two_regions()?;
        let network = Network::start_at(drill, [at_b, at_a]).await?;
        let (serving, old) = Serving::start(drill, &network).await?;
        let (switchover, handover) = (Switchover::default(), Handover::default());
        drill.inject::<Switching>((&switchover, [OLD_PRIMARY, DATABASES[0]])).await?;
        let (mut databases, mut caches) = (Prober::new(drill.clock()), Prober::new(drill.clock()));
        serving.be_tried(&mut databases, &mut caches).await?;

        switchover.start_old_primary(drill, &old.database).await?;
        old.be_tried(&serving.secrets, &mut databases).await?;
        let lost = old.list_orphans(drill).await?;

        let rebuilt = Rebuilt::start(drill, &switchover, &old, &serving, &network).await?;
        rebuilt.be_tried(&mut databases, &mut caches).await?;
        drill.inject::<Replicated>((&switchover, &serving.database)).await?;
        drill.inject::<HandingOver>((&handover, &rebuilt.cache, CACHES[0])).await?;
        serving.go_on().await?;

        drill.step(Phase::Disaster, "declare the switch, and stop the application of region B");
        let declared_ms = drill.declare_disaster();
        let answered = serving.answered.clone();
        let stopped = serving.stop_application(drill).await?;
        switchover.carry_out(drill, &stopped.database, &rebuilt.database).await?;
        handover.carry_out(drill, &stopped.cache, &rebuilt.cache).await?;
        drill.ready();
        rebuilt.start_application(drill).await?;
        network.move_name(drill).await?;
        drill.application().switch_to(rebuilt.database.server.options(DATABASE));
        drill.cache().switch_to(rebuilt.cache.address());
        drill.recovered();

        databases.until_accepted(DATABASES[1], TRIES).await?;
        caches.until_accepted(CACHES[1], TRIES).await?;
        // Also after the switch, each server has been tried.
        databases.until_tried(DATABASES[0], TRIES).await?;
        databases.until_tried(OLD_PRIMARY, TRIES).await?;
        caches.until_tried(CACHES[0], TRIES).await?;
        let tries = &Tries { databases: databases.finish().await?, caches: caches.finish().await? };
        drill.save_tries("databases", &tries.databases).await?;
        drill.save_tries("caches", &tries.caches).await?;
        let recorded = &stopped.record(drill).await?;
        let (old, lost, answered) = (&old, &lost, &answered[..]);
        let evidence = Evidence { old, lost, recorded, answered, tries, declared_ms };
        judge(drill, &network, &rebuilt, &evidence).await?;
        drill.verified();
        Ok(())
    }
}
