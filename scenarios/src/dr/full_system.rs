//! A region is lost, with everything in it. The recovery plan brings the system back in another region.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_application::damages::{
    Directed, Misled, TO_ITS_ADDRESSES, TO_THE_VAULT, TO_WHAT_CLIENTS_SEE, TO_WHAT_ROWS_NAME,
};
use comeback_application::judges::ServedJudge;
use comeback_dns::damages::{TO_A_CLIENT, TO_NAME_SERVERS};
use comeback_engine::damage::{Backup, TO_THE_MOMENTS};
use comeback_engine::runner::{Drill, PlannedRecovery, Rehearsal, Scenario, ScenarioSpec, Suite, TO_A_PLAN};
use comeback_error::{Error, Result};
use comeback_model::plan::judge;
use comeback_model::{Phase, Plan};
use comeback_objects::damages::{Replica, TO_A_REPLICA};
use comeback_postgres::judges::{FingerprintJudge, LogicalCatalogue, ServerLogJudge, measure_loss};
use comeback_postgres::{PostgresDrill as _, PostgresServer, everything};
use comeback_redis::damages::{TO_ADDRESSES, TO_REFERENCES};
use comeback_redis::judges::{KeyWritesJudge, KeyspaceJudge, RedisLogJudge};
use comeback_redis::{RedisDrill as _, RedisServer, read_key_writes};
use comeback_secrets::damages::BY_ROTATION;
use comeback_secrets::judges::{LogInJudge, SecretsJudge};
use comeback_secrets::{Identities, open_export};

use super::coherence;
use super::empty_redis::judge_empty_cache;
use super::network::Network;
use super::region::{Backups, Region, Written};
use super::rules::judge_rules;
use super::steps::{Recovered, actions};
use super::work::{EMPTY_REDIS, works};
use crate::roadtrip;

/// How often each client asks before what it saw is judged.
const ROUNDS: u64 = 3;

/// The scenario `dr/full-system`.
pub struct FullSystem;

#[async_trait]
impl Scenario for FullSystem {
    fn spec(&self) -> ScenarioSpec {
        ScenarioSpec {
            name: "dr/full-system".to_owned(),
            title:
                "a lost region's servers, photos, secrets and application come back elsewhere by the recovery plan, and its clients follow"
                    .to_owned(),
            section: "Full disaster recovery".to_owned(),
            suites: vec![Suite::Weekly, Suite::Quarterly],
            damages: vec![
                &TO_A_PLAN,
                &TO_THE_MOMENTS,
                &TO_REFERENCES,
                &TO_WHAT_ROWS_NAME,
                &TO_THE_VAULT,
                &TO_ADDRESSES,
                &TO_A_REPLICA,
                &TO_ITS_ADDRESSES,
                &BY_ROTATION,
                &TO_NAME_SERVERS,
                &TO_A_CLIENT,
                &TO_WHAT_CLIENTS_SEE,
            ],
            requires: Vec::new(),
        }
    }

    fn follows_plan(&self) -> bool {
        true
    }

    fn plan_procedures(&self) -> &'static [&'static str] {
        &[EMPTY_REDIS]
    }

    fn check_plan(&self, plan: &Plan) -> Result<()> {
        works(plan).map(drop)
    }

    async fn run(&self, drill: &mut Drill) -> Result<()> {
        let plan = drill.plan()?.clone();
        let network = Arc::new(Network::start(drill).await?);
        let region = Region::start(drill, &network).await?;
        let backups = region.back_up(drill).await?;
        region.go_on().await?;
        let recovered = Arc::new(Recovered::by(&plan));
        let rehearsal = Rehearsal::new(&plan, actions(drill, &plan, &backups, &network, &recovered).await?)?;
        drill.inject::<PlannedRecovery>(&rehearsal).await?;
        drill.inject::<Backup>(&*backups.repository).await?;
        drill.inject::<Replica>(&backups.bucket).await?;

        drill.step(
            Phase::Disaster,
            "lose region A: servers, disks, photos, secrets, and the backups beside them",
        );
        let (disaster, written) = region.lose(drill).await?;

        drill.step(Phase::Recover, "carry out the recovery plan in region B, from the backups alone");
        let carried_out = drill.rehearse(rehearsal).await?;
        let is_recovered = judge(&carried_out.plan, &carried_out.measured).recovered_ms.is_some();
        if is_recovered {
            switch(drill, &recovered);
            drill.recovered();
        }

        drill.step(Phase::Judge, "hold steps and tiers against their budgets and limits");
        drill.judge_plan(&carried_out).await;
        if is_recovered {
            drill.judge_time_with(network.shortened_wait().as_ref()).await?;
            network.judge_client(drill).await?;
        }
        if recovered.application.get().is_some() {
            drill.step(Phase::Judge, "ask the clients what they saw, and look for all that they wrote");
            if let Err(error) = disaster.clients.rounds(ROUNDS).await {
                drill.note(error.message());
            }
            let view = disaster.clients.leave(disaster.declared_ms, network.shortened_ms()).await?;
            drill.judge_clients(&carried_out.plan, view).await;
        }
        if let Some(application) = recovered.application.get() {
            drill.step(Phase::Judge, "ask the application of region B what it answered in region A");
            let earlier = &backups.configuration;
            drill.inject::<Directed>(Misled { server: application, earlier }).await?;
            let expected = recovered.expected.get().unwrap_or(&backups.answered);
            let client = &application.client();
            drill.judge(&ServedJudge { client, expected }).await;
        }
        if let Some(database) = recovered.database.get() {
            judge_database(drill, database, &backups, &written, disaster.declared_ms).await?;
        }
        if let (Some(database), Some(cache), true) =
            (recovered.database.get(), recovered.cache.get(), recovered.is_cache_empty)
        {
            judge_empty_cache(drill, database, cache, &written).await?;
        } else if let Some(cache) = recovered.cache.get() {
            judge_cache(drill, cache, &backups, &written).await?;
        }
        if let (Some(store), Some(log_ins)) = (recovered.secrets.get(), recovered.log_ins.get()) {
            drill.step(
                Phase::Judge,
                "prove that the secrets are those of the export, and open what came back",
            );
            let (_, recorded) = backups.export.content.secrets()?;
            let key = &Identities::read(&backups.keys.break_glass)?;
            let opened =
                open_export(&*backups.repository, &backups.export, key).await.map_err(Error::from)?;
            drill.judge(&SecretsJudge { store, key: &opened.key, recorded }).await;
            drill.judge(&LogInJudge { log_ins }).await;
        }
        let coherent = coherence::judge(drill, &recovered, &backups).await;
        judge_rules(drill, &recovered).await;
        coherent?;
        drill.verified();
        Ok(())
    }
}

/// Points the application of region B at what came back.
fn switch(drill: &Drill, recovered: &Recovered) {
    if let Some(database) = recovered.database.get() {
        drill.application().switch_to(database.options(roadtrip::DATABASE));
    }
    if let Some(cache) = recovered.cache.get() {
        drill.cache().switch_to(cache.address());
    }
}

async fn judge_database(
    drill: &mut Drill,
    database: &PostgresServer,
    backups: &Backups,
    written: &Written,
    disaster_ms: u64,
) -> Result<()> {
    drill.step(Phase::Judge, "prove that the database is that of the export, and measure what was not in it");
    let (server, recorded) = (database.address(), backups.dump.content.cluster()?);
    drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
    drill.judge(&LogicalCatalogue { server, recorded: &backups.dump }).await;
    drill.judge(&ServerLogJudge { server: database }).await;
    // An export has no position in the log: this only counts the writes after it.
    let ledger = &written.transactions;
    let expected = &everything(ledger);
    drill.judge_loss(measure_loss(server, roadtrip::DATABASE, ledger, expected, disaster_ms).await?).await;
    Ok(())
}

async fn judge_cache(
    drill: &mut Drill,
    cache: &RedisServer,
    backups: &Backups,
    written: &Written,
) -> Result<()> {
    drill.step(Phase::Judge, "prove that Redis is that of the snapshot");
    let address = cache.address();
    let (_, recorded) = backups.snapshot.content.keyspace()?;
    let (ledger, fork) = (&written.key_writes, backups.fork);
    let observed = read_key_writes(&address, ledger).await?;
    drill.judge_of("redis", &KeyspaceJudge { server: &address, recorded, set_aside: &[] }).await;
    drill.judge_of("redis", &KeyWritesJudge { ledger, fork, observed: &observed }).await;
    drill.judge_of("redis", &RedisLogJudge { server: cache }).await;
    Ok(())
}
