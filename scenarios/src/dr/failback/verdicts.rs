//! What is judged once region A serves again.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use comeback_application::Expectation;
use comeback_application::judges::ServedJudge;
use comeback_engine::damage::AllowedOutage;
use comeback_engine::judge::{ExclusiveWrites, WriteOutage};
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::{Phase, WriteTry};
use comeback_postgres::everything;
use comeback_postgres::judges::{
    AcknowledgedTries, CatalogueJudge, FingerprintJudge, LedgerJudge, OrphanedWrites, measure_loss,
};
use comeback_redis::judges::{AcknowledgedKeys, KeyspaceJudge};
use comeback_secrets::judges::SecretsJudge;

use super::old_primary::OldPrimary;
use super::rebuilt::Rebuilt;
use super::serving::Recorded;
use super::{CACHES, DATABASES, OLD_PRIMARY};
use crate::dr::network::Network;
use crate::roadtrip::DATABASE;

/// Every try to write, to every server.
pub(super) struct Tries {
    pub(super) databases: Vec<WriteTry>,
    pub(super) caches: Vec<WriteTry>,
}

/// What the judges compare region A with.
pub(super) struct Evidence<'a> {
    pub(super) old: &'a OldPrimary,
    /// What the old primary acknowledged and does not have.
    pub(super) lost: &'a BTreeSet<u64>,
    pub(super) recorded: &'a Recorded,
    /// What the application answered in region B.
    pub(super) answered: &'a [Expectation],
    pub(super) tries: &'a Tries,
    /// When the switch was declared, in milliseconds on the clock of the run.
    pub(super) declared_ms: u64,
}

/// Judges region A.
pub(super) async fn judge(
    drill: &mut Drill,
    network: &Network,
    rebuilt: &Rebuilt,
    evidence: &Evidence<'_>,
) -> Result<()> {
    judge_turns(drill, evidence.tries).await?;
    judge_database(drill, rebuilt, evidence).await?;

    drill.step(Phase::Judge, "prove that Redis of region A is that of region B at the switch");
    let (server, recorded) = (&rebuilt.cache.address(), evidence.recorded);
    drill.judge_of("redis", &AcknowledgedKeys { server, ledger: &recorded.key_writes }).await;
    drill.judge_of("redis", &KeyspaceJudge { server, recorded: &recorded.keyspace, set_aside: &[] }).await;

    drill.step(Phase::Judge, "ask the application of region A, and look where its clients connect");
    let (_, recorded) = rebuilt.export.content.secrets()?;
    let (store, key) = (&rebuilt.secrets, &rebuilt.import.opened.key);
    drill.judge(&SecretsJudge { store, key, recorded }).await;
    let (client, expected) = (&rebuilt.application.client(), evidence.answered);
    drill.judge(&ServedJudge { client, expected }).await;
    network.judge_client(drill).await?;
    drill.judge_time_with(network.shortened_wait().as_ref()).await
}

/// Judges that one server of a store at a time accepted writes, and for how long none did.
async fn judge_turns(drill: &Drill, tries: &Tries) -> Result<()> {
    drill.step(Phase::Judge, "prove that one region at a time accepted writes; measure how long none did");
    let limit = Mutex::new(drill.time_objective());
    drill.inject::<AllowedOutage>(&limit).await?;
    let objective = &limit.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (databases, caches) = (&tries.databases[..], &tries.caches[..]);
    drill.judge(&ExclusiveWrites { tries: databases, turns: DATABASES, never: &[OLD_PRIMARY] }).await;
    drill.judge(&WriteOutage { tries: databases, turns: DATABASES, objective }).await;
    drill.judge_of("redis", &ExclusiveWrites { tries: caches, turns: CACHES, never: &[] }).await;
    drill.judge_of("redis", &WriteOutage { tries: caches, turns: CACHES, objective }).await;
    Ok(())
}

async fn judge_database(drill: &mut Drill, rebuilt: &Rebuilt, evidence: &Evidence<'_>) -> Result<()> {
    drill.step(Phase::Judge, "prove that the database of region A is that of region B at the switch");
    let Evidence { old, lost, recorded, tries, declared_ms, .. } = evidence;
    let restored = &rebuilt.database.server;
    let (server, database, ledger) = (restored.address(), DATABASE, &recorded.transactions);
    let expectation = &everything(ledger);
    let accepted_by = DATABASES[0];
    drill.judge(&AcknowledgedTries { server, database, tries: &tries.databases, accepted_by }).await;
    drill.judge(&LedgerJudge { server, database, ledger, expectation }).await;
    let (ledger, orphaned) = (&old.ledger, &old.orphaned);
    drill.judge(&OrphanedWrites { rebuilt: server, database, ledger, orphaned, lost }).await;
    let recorded = &recorded.content;
    drill.judge(&FingerprintJudge::new(server, recorded).showing_values(drill.shows_values())).await;
    drill.judge(&CatalogueJudge { server, recorded }).await;
    let ledger = &evidence.recorded.transactions;
    drill.judge_loss(measure_loss(server, database, ledger, expectation, *declared_ms).await?).await;
    Ok(())
}
