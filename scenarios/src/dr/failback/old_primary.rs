//! The old primary of region A: it was lost with writes that region B never got, and its machine comes back.

use std::collections::BTreeSet;

use comeback_engine::prober::Prober;
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::{Ledger, Phase};
use comeback_postgres::{
    PostgresNodes as _, PostgresServer, Standby, TableProbe, WORKLOAD_SETTINGS, create_tries,
    list_transactions, missing_transactions, set_password,
};
use comeback_secrets::{FolderStore, access_newest};

use super::{DATABASES, OLD_PRIMARY, TRIES, WRITES};
use crate::roadtrip::{self, DATABASE};
use crate::secrets::{POSTGRES_PASSWORD, ROLE};

/// The list of the writes that region B never got, in the evidence.
const LIST: &str = "writes-to-merge-by-hand.txt";

/// The old primary.
pub(super) struct OldPrimary {
    pub(super) database: PostgresServer,
    /// What it acknowledged.
    pub(super) ledger: Ledger,
    /// The transactions of it that region B does not have.
    pub(super) orphaned: BTreeSet<u64>,
}

impl OldPrimary {
    /// Starts and fills it, replicates it to region B, and loses it while it accepts writes that region B never gets.
    /// Returns it with the server of region B, which serves from then on.
    pub(super) async fn lose(drill: &mut Drill, secrets: &FolderStore) -> Result<(Self, PostgresServer)> {
        drill.step(Phase::Prepare, "start the database in region A, and fill it");
        let database = drill.postgres_node(OLD_PRIMARY).await?;
        database.init().await?;
        database.configure(&WORKLOAD_SETTINGS).await?;
        database.start_for_standbys().await?;
        roadtrip::fill(drill, &database).await?;
        set_password(database.address(), ROLE, &access_newest(secrets, POSTGRES_PASSWORD).await?).await?;
        create_tries(database.address(), DATABASE, ROLE).await?;

        drill.step(Phase::Prepare, "replicate it to region B, under load");
        let workload = roadtrip::start_workload(drill, &database).await?;
        workload.reach(WRITES).await?;
        let standby = Standby::build(drill.postgres_node(DATABASES[0]).await?, &database, "region_b").await?;
        workload.reach(workload.acknowledged() + WRITES).await?;

        drill.step(Phase::Prepare, "lose region A, with writes that region B never got; region B serves");
        database.cut_off_standbys().await?;
        workload.reach(workload.acknowledged() + WRITES).await?;
        database.node().kill().await?;
        standby.promote().await?;
        let ledger = workload.finish().await?;
        let orphaned = missing_transactions(standby.server.address(), DATABASE, &ledger).await?;
        drill.note(format!("{} acknowledged transactions ended in region A alone", orphaned.len()));
        Ok((Self { database, ledger, orphaned }, standby.server))
    }

    /// Lets the prober try to write to it, as the application would, until it is certain what it does.
    pub(super) async fn be_tried(&self, secrets: &FolderStore, prober: &mut Prober) -> Result<()> {
        let password = access_newest(secrets, POSTGRES_PASSWORD).await?;
        prober.watch(OLD_PRIMARY, TableProbe::new(OLD_PRIMARY, &self.database, DATABASE, ROLE, &password));
        prober.until_tried(OLD_PRIMARY, TRIES).await
    }

    /// Lists what it has and region B has not, for people who merge it by hand. Returns the transactions that it does
    /// not have either.
    pub(super) async fn list_orphans(&self, drill: &Drill) -> Result<BTreeSet<u64>> {
        drill.step(Phase::Disaster, "list the writes that the old primary has and region B never got");
        let missing = missing_transactions(self.database.address(), DATABASE, &self.ledger).await?;
        let found: BTreeSet<_> = self.orphaned.difference(&missing).copied().collect();
        drill.save_evidence(LIST, list_transactions(&self.ledger, &found).as_bytes()).await?;
        drill.note(format!("{} transactions are to be merged by hand: see {LIST}", found.len()));
        Ok(missing)
    }
}
