//! Region A, rebuilt from region B.

use comeback_application::{ApplicationNodes as _, ApplicationServer};
use comeback_engine::prober::Prober;
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::{Manifest, Phase};
use comeback_postgres::procedures::Switchover;
use comeback_postgres::{PostgresNodes as _, Standby, TableProbe};
use comeback_redis::{KeyProbe, RedisNodes as _, RedisServer, set_password};
use comeback_secrets::procedures::{Export, SecretsImport};
use comeback_secrets::{
    FolderStore, Identities, SecretsDrill as _, access_newest, export_secrets, keep_export,
};

use super::old_primary::OldPrimary;
use super::serving::Serving;
use super::{CACHES, DATABASES, TRIES};
use crate::dr::network::Network;
use crate::roadtrip::DATABASE;
use crate::secrets::{self, POSTGRES_PASSWORD, REDIS_PASSWORD, ROLE, USER};

/// Region A, which follows region B.
pub(super) struct Rebuilt {
    pub(super) database: Standby,
    pub(super) cache: RedisServer,
    pub(super) secrets: FolderStore,
    /// The secrets that were copied, and how they are opened.
    pub(super) export: Manifest,
    pub(super) import: SecretsImport,
    pub(super) application: ApplicationServer,
}

impl Rebuilt {
    /// Rebuilds region A in empty nodes, while region B serves.
    pub(super) async fn start(
        drill: &mut Drill,
        switchover: &Switchover,
        old: &OldPrimary,
        serving: &Serving,
        network: &Network,
    ) -> Result<Self> {
        drill.step(Phase::Recover, "rebuild region A in empty nodes, while region B serves");
        let node = drill.postgres_node(DATABASES[1]).await?;
        let database = switchover.rebuild(drill, node, &old.database, &serving.database, "region_a").await?;

        drill.step(Phase::Recover, "start Redis in region A as a replica, and admit the application there");
        let cache = drill.replicated_redis_node(CACHES[1]).await?;
        cache.start_as_replica_of(&serving.cache, &crate::redis::USERS).await?;
        set_password(&cache, USER, &access_newest(&serving.secrets, REDIS_PASSWORD).await?).await?;

        drill.step(Phase::Recover, "export the secrets of region B, encrypted");
        let store = drill.secret_store("region-a").await?;
        let (keys, file) = (drill.export_keys()?, drill.export_file("failback").await?);
        let exported = export_secrets(&serving.secrets, &keys.recipients, &file, drill.wall_clock()).await?;
        let export = keep_export(&exported, drill.repository()).await?;
        let key = Identities::read(&keys.break_glass)?;
        let import = SecretsImport::open(drill, Export::Kept(&export), &key).await?;
        let plan = import.plan(drill, &store, false).await?;
        import.carry_out(drill, &store, &plan).await?;

        let application = drill.application_node_at("application-a", network.at[1]).await?;
        Ok(Self { database, cache, secrets: store, export, import, application })
    }

    /// Lets the probers try to write to its servers, as the application would.
    pub(super) async fn be_tried(&self, databases: &mut Prober, caches: &mut Prober) -> Result<()> {
        let password = access_newest(&self.secrets, POSTGRES_PASSWORD).await?;
        let [_, server] = DATABASES;
        databases.watch(server, TableProbe::new(server, &self.database.server, DATABASE, ROLE, &password));
        let password = access_newest(&self.secrets, REDIS_PASSWORD).await?;
        caches.watch(CACHES[1], KeyProbe::new(&self.cache.address(), USER, &password));
        databases.until_tried(server, TRIES).await?;
        caches.until_tried(CACHES[1], TRIES).await
    }

    /// Starts the application, with the servers and the secrets of region A alone.
    pub(super) async fn start_application(&self, drill: &Drill) -> Result<()> {
        drill.step(Phase::Recover, "start the application in region A");
        let (database, cache) = (&self.database.server, &self.cache);
        let configuration = secrets::configuration("a", &self.secrets, database, cache).await?;
        self.application.start(&configuration).await?;
        self.application.wait_until_ready().await
    }
}
