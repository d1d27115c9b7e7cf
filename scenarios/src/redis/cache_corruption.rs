//! Redis serves wrong content and gets the content of the newest snapshot, without ever being empty.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_engine::judge::NewestBackup;
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::Phase;
use comeback_redis::damages::{Keyspace, TO_A_KEYSPACE, TO_A_SNAPSHOT};
use comeback_redis::judges::{ContinuityJudge, RedisLogJudge};
use comeback_redis::procedures::KeyspaceReplacement;
use comeback_redis::{
    Observer, RedisDrill as _, RedisNodes as _, RedisWorkload, corrupt_keyspace, take_snapshot,
};

use super::{USERS, fill, is_snapshot};

/// A key that always exists, by which a client distinguishes the old state from the new one, and its right value.
const GENERATION: (&str, &str) = ("cache-generation", "41");

/// Writes that the application makes between the two snapshots.
const WRITES: u64 = 20;

/// The scenario `redis/cache-corruption`.
pub struct CacheCorruption;

#[async_trait]
impl Scenario for CacheCorruption {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "redis/cache-corruption".to_owned(),
            title: "a Redis server that serves wrong content is restored from its newest snapshot".to_owned(),
            section: "Redis / Cache corruption".to_owned(),
            suites: vec![Suite::Ci, Suite::Weekly, Suite::Quarterly],
            // No damages to the writes of an application: it has been stopped.
            damages: vec![&TO_A_KEYSPACE, &TO_THE_CHOICE, &TO_ANY_BACKUP, &TO_A_SNAPSHOT],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the server and fill it with the application's data");
        let live = drill.redis_node("live").await?;
        live.start(&USERS).await?;
        let address = live.address();
        fill(drill, &address).await?;
        drill.cache().switch_to(address.clone());

        drill.step(Phase::Backup, "take an earlier snapshot");
        let earlier = take_snapshot(&address, drill.repository(), drill.clock()).await?;
        drill.backup_taken(&earlier.manifest);
        // Writes that distinguish the two snapshots.
        let workload = RedisWorkload::start(&address, drill.clock()).await?;
        workload.reach(WRITES).await?;
        workload.finish().await?;

        drill.step(Phase::Backup, "take the newest snapshot");
        let newest = take_snapshot(&address, drill.repository(), drill.clock()).await?;
        drill.backup_taken(&newest.manifest);
        drill.inject::<Backup>(drill.repository()).await?;

        drill
            .step(Phase::Disaster, "overwrite values, change types, make expiries permanent, add stray keys");
        let corruption = corrupt_keyspace(&address, GENERATION.0, drill.seed()).await?;
        drill.note(corruption.to_string());
        drill.declare_disaster();
        let observer = Observer::start(&address, GENERATION.0, GENERATION.1).await?;
        observer.look_again().await?;

        let evidence = drill.repository_in("evidence").await?;
        let begun = KeyspaceReplacement::begin(drill, &address, &evidence).await?;
        let chosen = repository::newest(drill.repository(), is_snapshot).await?;
        let proven = begun.prove(drill, &chosen).await?;
        let replacement = proven.exchange(drill).await?;
        drill.ready();
        observer.look_again().await?;
        let seen = observer.finish().await?;
        drill.inject::<Keyspace>(&address).await?;
        replacement.count_keys(drill).await;
        drill.recovered();

        let judged = replacement.judge(drill).await;
        drill.judge(&NewestBackup { recorded: &newest.manifest, restored: &chosen }).await;
        drill.judge(&ContinuityJudge { seen: &seen }).await;
        drill.judge(&RedisLogJudge { server: &live }).await;
        drill.judge_time().await?;
        replacement.settle(drill, judged).await?;
        drill.verified();
        Ok(())
    }
}
