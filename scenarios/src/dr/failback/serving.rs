//! Region B, which serves since region A was lost.

use comeback_application::{ApplicationNodes as _, ApplicationServer, Expectation, prepare_sample};
use comeback_engine::prober::Prober;
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::{ClusterContent, EDITION, KeyspaceFingerprint, Ledger, Phase, WriteLedger};
use comeback_postgres::{
    PostgresDrill as _, PostgresServer, TRIES_TABLE, TableProbe, Workload, read_content,
};
use comeback_redis::{
    KeyProbe, RedisDrill as _, RedisNodes as _, RedisServer, RedisWorkload, fingerprint_server,
};
use comeback_secrets::{FolderStore, SecretsDrill as _, access_newest};

use super::old_primary::OldPrimary;
use super::{CACHES, DATABASES, TRIES, WRITES};
use crate::dr::network::Network;
use crate::roadtrip::{self, DATABASE};
use crate::secrets::{self, POSTGRES_PASSWORD, REDIS_PASSWORD, ROLE, USER};

/// The regions, whose networks are joined: one replicates the other.
const REGIONS: &str = "regions-a-and-b";

/// Region B under load.
pub(super) struct Serving {
    pub(super) database: PostgresServer,
    pub(super) cache: RedisServer,
    pub(super) secrets: FolderStore,
    application: ApplicationServer,
    /// What its application answered.
    pub(super) answered: Vec<Expectation>,
    transactions: Workload,
    key_writes: RedisWorkload,
}

/// What was in region B when it served no longer.
pub(super) struct Recorded {
    /// What clients wrote to its database.
    pub(super) transactions: Ledger,
    /// What clients wrote to its Redis server.
    pub(super) key_writes: WriteLedger,
    pub(super) content: ClusterContent,
    pub(super) keyspace: KeyspaceFingerprint,
}

impl Serving {
    /// Starts region A, loses it, and lets region B serve. Returns what is left of region A.
    pub(super) async fn start(drill: &mut Drill, network: &Network) -> Result<(Self, OldPrimary)> {
        drill.enter_region(REGIONS)?;
        let store = drill.secret_store("region-b").await?;
        drill.sample_data_loaded(secrets::fill(&store).await?);
        let (old, database) = OldPrimary::lose(drill, &store).await?;

        drill.step(Phase::Prepare, "start Redis and the application in region B, which serves");
        let cache = drill.replicated_redis_node(CACHES[0]).await?;
        cache.start(&crate::redis::USERS).await?;
        crate::redis::fill(drill, &cache.address()).await?;
        secrets::admit_application(&store, &database, &cache).await?;
        let vault_keys = secrets::versions(&store, secrets::VAULT_KEY).await?;
        let user = prepare_sample(&mut database.connect(DATABASE).await?, &vault_keys).await?;
        let application = drill.application_node_at("application-b", network.at[0]).await?;
        application.start(&secrets::configuration("b", &store, &database, &cache).await?).await?;
        application.wait_until_ready().await?;
        let answered = user.record(&application.client()).await?;
        network.start_client(drill).await?;

        drill.application().switch_to(database.options(DATABASE));
        drill.cache().switch_to(cache.address());
        let transactions = roadtrip::start_workload(drill, &database).await?;
        let key_writes = RedisWorkload::start(&cache.address(), drill.clock()).await?;
        let serving =
            Self { database, cache, secrets: store, application, answered, transactions, key_writes };
        serving.go_on().await?;
        Ok((serving, old))
    }

    /// Waits until each store has acknowledged further writes.
    pub(super) async fn go_on(&self) -> Result<()> {
        self.transactions.reach(self.transactions.acknowledged() + WRITES).await?;
        self.key_writes.reach(self.key_writes.acknowledged() + WRITES).await
    }

    /// Lets the probers try to write to its servers, as the application does.
    pub(super) async fn be_tried(&self, databases: &mut Prober, caches: &mut Prober) -> Result<()> {
        let password = access_newest(&self.secrets, POSTGRES_PASSWORD).await?;
        let [server, _] = DATABASES;
        databases.watch(server, TableProbe::new(server, &self.database, DATABASE, ROLE, &password));
        let password = access_newest(&self.secrets, REDIS_PASSWORD).await?;
        caches.watch(CACHES[0], KeyProbe::new(&self.cache.address(), USER, &password));
        databases.until_accepted(server, TRIES).await?;
        caches.until_accepted(CACHES[0], TRIES).await
    }

    /// Stops the application: its writes to the database end. Those to Redis go on until it refuses them.
    pub(super) async fn stop_application(self, drill: &Drill) -> Result<Stopped> {
        self.application.stop().await?;
        drill.application().disconnect();
        drill.cache().disconnect();
        let transactions = self.transactions.finish().await?;
        drill.save_ledger(&transactions).await?;
        let Self { database, cache, key_writes, .. } = self;
        Ok(Stopped { database, cache, transactions, key_writes })
    }
}

/// Region B without its application.
pub(super) struct Stopped {
    pub(super) database: PostgresServer,
    pub(super) cache: RedisServer,
    transactions: Ledger,
    key_writes: RedisWorkload,
}

impl Stopped {
    /// Records what is in its servers. They are fenced, so that this is what was in them at the switch.
    pub(super) async fn record(self, drill: &Drill) -> Result<Recorded> {
        let key_writes = self.key_writes.finish().await?;
        drill.save_write_ledger(&key_writes).await?;
        let mut content = read_content(self.database.address(), DATABASE).await?;
        // In the other region, the prober has written further rows.
        let tables = content.databases.get_mut(DATABASE).map(|database| &mut database.tables);
        if let Some(tries) = tables.and_then(|tables| tables.get_mut(TRIES_TABLE)) {
            tries.condition = Some(format!("WHERE server = '{}'", DATABASES[0]));
        }
        let keyspace = fingerprint_server(&self.cache.address(), EDITION).await?.fingerprint;
        Ok(Recorded { transactions: self.transactions, key_writes, content, keyspace })
    }
}
