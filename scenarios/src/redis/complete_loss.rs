//! The Redis server and its disk are lost; the newest snapshot restores it.

use async_trait::async_trait;
use comeback_engine::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE, TO_THE_SIGNATURE};
use comeback_engine::judge::{NewestBackup, ProvenanceJudge};
use comeback_engine::repository;
use comeback_engine::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_error::Result;
use comeback_model::Phase;
use comeback_redis::damages::{KeyWrites, Keyspace, TO_A_KEYSPACE, TO_A_SNAPSHOT, TO_KEY_WRITES};
use comeback_redis::judges::{AccessJudge, KeyWritesJudge, KeyspaceJudge, RedisLogJudge, measure_key_loss};
use comeback_redis::procedures::SnapshotLoad;
use comeback_redis::{
    RedisDrill as _, RedisNodes as _, RedisWorkload, ServerAccess, read_key_writes, take_snapshot,
};

use super::{USERS, fill, is_snapshot, settings};

/// Acknowledged writes between two events of the drill.
const WRITES: u64 = 60;

/// The scenario `redis/complete-loss`.
pub struct CompleteLoss;

#[async_trait]
impl Scenario for CompleteLoss {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "redis/complete-loss".to_owned(),
            title: "a lost Redis server comes back from its newest snapshot".to_owned(),
            section: "Redis / Complete loss".to_owned(),
            suites: vec![Suite::Ci, Suite::Weekly, Suite::Quarterly],
            damages: vec![
                &TO_A_KEYSPACE,
                &TO_KEY_WRITES,
                &TO_THE_CHOICE,
                &TO_THE_SIGNATURE,
                &TO_ANY_BACKUP,
                &TO_A_SNAPSHOT,
            ],
            requires: Vec::new(),
        }
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        drill.step(Phase::Prepare, "start the server and fill it with the application's data");
        let primary = drill.redis_node("primary").await?;
        primary.start(&USERS).await?;
        fill(drill, &primary.address()).await?;
        drill.cache().switch_to(primary.address());
        let workload = RedisWorkload::start(&primary.address(), drill.clock()).await?;
        workload.reach(WRITES).await?;

        drill.step(Phase::Backup, "take an earlier snapshot");
        let earlier = take_snapshot(&primary.address(), drill.repository(), drill.clock()).await?;
        drill.backup_taken(&earlier.manifest);
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Backup, "take the newest snapshot");
        let newest = take_snapshot(&primary.address(), drill.repository(), drill.clock()).await?;
        drill.backup_taken(&newest.manifest);
        drill.inject::<Backup>(drill.repository()).await?;
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Disaster, "kill the server with SIGKILL and delete its disk");
        primary.destroy().await?;
        drill.cache().disconnect();
        let disaster_ms = drill.declare_disaster();
        let (snapshot, recorded) = newest.manifest.content.keyspace()?;
        let ledger = workload.finish().await?;
        drill.save_write_ledger(&ledger).await?;

        drill.step(Phase::Recover, "find the newest snapshot in the catalogue");
        let chosen = repository::newest(drill.repository(), is_snapshot).await?;
        drill.note(format!("chose backup {}", chosen.id));

        let load = SnapshotLoad::start(drill, "restored", &chosen, &settings(true)).await?;
        drill.ready();
        let address = load.address();
        drill.inject::<Keyspace>(&address).await?;
        load.count_keys(drill).await;

        drill.step(Phase::Recover, "switch the application to the new server");
        drill.cache().switch_to(address.clone());
        drill.recovered();

        drill.step(Phase::Judge, "prove that every key of the snapshot came back, and nothing after it");
        let observed = read_key_writes(&address, &ledger).await?;
        drill.inject::<KeyWrites>((&address, &ledger, &observed)).await?;
        let observed = read_key_writes(&address, &ledger).await?;
        drill.judge(&NewestBackup { recorded: &newest.manifest, restored: &chosen }).await;
        drill.judge(&ProvenanceJudge { repository: drill.repository(), id: &chosen.id }).await;
        drill.judge(&KeyspaceJudge { server: &address, recorded, set_aside: &[] }).await;
        drill.judge(&KeyWritesJudge { ledger: &ledger, fork: newest.fork, observed: &observed }).await;
        drill
            .judge(&AccessJudge { server: &address, recorded: snapshot, before: ServerAccess::default() })
            .await;
        drill.judge(&RedisLogJudge { server: &load.server }).await;
        let loss = measure_key_loss(&ledger, &observed, disaster_ms);
        drill.note(format!("{} acknowledged writes came after the snapshot and are lost", loss.lost_writes));
        drill.judge_loss(loss).await;
        drill.judge_time().await?;
        drill.verified();
        Ok(())
    }
}
