//! Redis answers with wrong content, and gets that of the newest snapshot back, without ever being empty.

use async_trait::async_trait;
use comeback_harness::Result;
use comeback_harness::damage::{Backup, TO_ANY_BACKUP, TO_THE_CHOICE};
use comeback_harness::model::{Phase, Verdict};
use comeback_harness::oracle::{
    AccessOracle, ContinuityOracle, KeyCounts, KeyspaceOracle, NewestBackup, RedisLogOracle,
};
use comeback_harness::repository;
use comeback_harness::runner::{Drill, Scenario, ScenarioSpec, Suite};
use comeback_harness::stores::redis::RedisDrill as _;
use comeback_harness::stores::redis::damages::{Keyspace, TO_A_KEYSPACE, TO_A_SNAPSHOT};
use comeback_harness::stores::redis::{
    Judgement, Observer, RedisWorkload, Settled, corrupt_keyspace, replace_keyspace, restore_snapshot,
    take_snapshot,
};

use super::{USERS, fill, is_snapshot, settings};

/// A key that is always there, by which a client tells the old state from the new one; and its right value.
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
            title: "a Redis server that serves wrong content gets that of its newest snapshot back"
                .to_owned(),
            section: "Redis / Cache corruption".to_owned(),
            suites: vec![Suite::Ci, Suite::Weekly, Suite::Quarterly],
            // Not those to the writes of an application, which has been stopped.
            damages: vec![&TO_A_KEYSPACE, &TO_THE_CHOICE, &TO_ANY_BACKUP, &TO_A_SNAPSHOT],
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
        // What tells the two snapshots apart.
        let workload = RedisWorkload::start(&address, drill.clock()).await?;
        workload.reach(WRITES).await?;
        workload.finish().await?;

        drill.step(Phase::Backup, "take the newest snapshot");
        let newest = take_snapshot(&address, drill.repository(), drill.clock()).await?;
        drill.backup_taken(&newest.manifest);
        let (snapshot, recorded) = newest.manifest.content.keyspace()?;
        drill.inject::<Backup>(drill.repository()).await?;

        drill
            .step(Phase::Disaster, "overwrite values, change types, make expiries permanent, add stray keys");
        let corruption = corrupt_keyspace(&address, GENERATION.0, drill.seed()).await?;
        drill.note(corruption.to_string());
        drill.declare_disaster();
        let observer = Observer::start(&address, GENERATION.0, GENERATION.1).await?;
        observer.look_again().await?;

        drill.step(Phase::Recover, "take a snapshot of the damaged server, as evidence");
        let chosen = repository::newest(drill.repository(), is_snapshot).await?;
        let evidence = drill.repository_in("evidence").await?;
        let damaged = take_snapshot(&address, &evidence, drill.clock()).await?;
        drill.note(format!("{} of the damaged server", damaged.manifest.content.figures()));

        drill.step(Phase::Recover, "prove on a throw-away server that the newest snapshot loads");
        let proof = drill.redis_node("proof").await?;
        let restored = restore_snapshot(&proof, drill.repository(), &chosen, &settings(false)).await;
        let (_, loaded) = drill.restored(restored)?;
        drill.note(format!("{} loads: {} keys; {} had expired", chosen.id, loaded.keys, loaded.expired));

        drill.step(Phase::Recover, "copy it beside what the damaged server holds, compare the copy, and exchange the two all at once");
        let replaced = replace_keyspace(&proof.address(), &address, recorded).await?;
        drill.ready();
        observer.look_again().await?;
        let seen = observer.finish().await?;
        drill.note(format!(
            "{} keys were copied and compared in {} ms beside the damaged ones, and exchanged for them in {} µs",
            replaced.keys, replaced.copy_ms, replaced.exchange_us
        ));
        drill.inject::<Keyspace>(&address).await?;

        drill.step(Phase::Recover, "verify the number of keys against the snapshot's manifest");
        drill.judge(&KeyCounts { server: &address, recorded, set_aside: &replaced.set_aside() }).await;
        drill.recovered();

        drill.step(
            Phase::Judge,
            "prove that every key came back, that nothing else is there, and what clients saw",
        );
        drill.judge(&NewestBackup { recorded: &newest.manifest, restored: &chosen }).await;
        let judged = drill
            .judge(&KeyspaceOracle { server: &address, recorded, set_aside: &replaced.set_aside() })
            .await;
        drill.judge(&ContinuityOracle { seen: &seen }).await;
        drill.judge(&AccessOracle { server: &address, recorded: snapshot }).await;
        drill.judge(&RedisLogOracle { server: &live }).await;
        drill.judge_time().await?;

        drill.step(Phase::Judge, "remove the damaged content that was kept, or bring it back");
        let settled = replaced.settle(judgement(judged)).await?;
        drill.note(told(&settled));
        drill.verified();
        Ok(())
    }
}

fn judgement(judged: Verdict) -> Judgement {
    match judged {
        Verdict::Verified => Judgement::Agreed,
        Verdict::Failed => Judgement::Disagreed,
        _ => Judgement::Unknown,
    }
}

fn told(settled: &Settled) -> String {
    match settled {
        Settled::New => "the judges agree: the damaged content is removed".to_owned(),
        Settled::Old => "the judges disagree: the server serves what it held before".to_owned(),
        Settled::Both { why, back, .. } => format!("{why}: both are kept; to go back: {back}"),
    }
}
