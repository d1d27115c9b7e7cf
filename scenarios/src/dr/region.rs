//! The region that is lost: its servers under load, and the backups that were copied out of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_application::damages::{Outside, Outsiders, SealedRows, Vault};
use comeback_application::{
    ApplicationNodes as _, ApplicationServer, Clients, Configuration, Expectation, Somebody, prepare_sample,
    sample_services,
};
use comeback_engine::repository::{LocalRepository, copy_backup};
use comeback_engine::runner::Drill;
use comeback_error::Result;
use comeback_model::{DumpFormat, ForkMoment, Ledger, Manifest, Phase, WriteLedger};
use comeback_objects::LocalBucket;
use comeback_postgres::{
    PostgresDrill as _, PostgresNodes as _, PostgresServer, WORKLOAD_SETTINGS, Workload, take_dump,
};
use comeback_redis::{
    RedisDrill as _, RedisNodes as _, RedisServer, RedisWorkload, count_kinds, take_snapshot,
};
use comeback_secrets::damages::{Rotated, Rotation};
use comeback_secrets::{
    ExportKeys, FolderStore, SecretStore as _, SecretsDrill as _, export_secrets, keep_export,
};

use super::network::Network;
use super::photos;
use super::work::empties_redis;
use crate::{redis, roadtrip, secrets};

/// Acknowledged writes of each store between two events of the drill.
const WRITES: u64 = 25;

/// A region with everything that the application needs, under load.
pub(super) struct Region {
    database: PostgresServer,
    cache: RedisServer,
    secrets: FolderStore,
    bucket: LocalBucket,
    application: ApplicationServer,
    configuration: Configuration,
    user: Somebody,
    answered: Arc<[Expectation]>,
    /// Clients of everything that the application serves.
    clients: Clients,
    /// What must be named nowhere when the region is lost.
    addresses: Vec<String>,
    transactions: Workload,
    key_writes: RedisWorkload,
}

/// What was copied out of the region before it was lost.
pub(super) struct Backups {
    /// Where that is.
    pub(super) repository: Arc<LocalRepository>,
    pub(super) dump: Manifest,
    pub(super) snapshot: Manifest,
    /// When the snapshot was taken, as the workload saw it.
    pub(super) fork: ForkMoment,
    pub(super) export: Manifest,
    pub(super) keys: ExportKeys,
    /// Somebody who can sign in.
    pub(super) user: Somebody,
    /// The copy of the photos' bucket.
    pub(super) bucket: LocalBucket,
    /// What the application answered in region A, which it must answer in region B as well.
    pub(super) answered: Arc<[Expectation]>,
    /// What the application was told in region A.
    pub(super) configuration: Configuration,
    /// Addresses of region A: of the application, of its servers, of its bucket.
    pub(super) lost: Vec<String>,
}

/// The loss of a region.
pub(super) struct Disaster {
    /// When it was declared, on the clock of the run, in milliseconds.
    pub(super) declared_ms: u64,
    /// The clients of what was lost.
    pub(super) clients: Clients,
}

/// What clients had written when the region was lost.
pub(super) struct Written {
    pub(super) transactions: Ledger,
    pub(super) key_writes: WriteLedger,
    /// How many keys of each kind Redis held.
    pub(super) kinds: BTreeMap<String, u64>,
}

impl Region {
    /// Starts the servers, fills them, and starts the load.
    pub(super) async fn start(drill: &mut Drill, network: &Network) -> Result<Self> {
        drill.step(Phase::Prepare, "start the database and Redis in region A, and fill them");
        drill.enter_region("region-a")?;
        let database = drill.postgres_node("database-a").await?;
        database.init().await?;
        database.configure(&WORKLOAD_SETTINGS).await?;
        database.start(&[]).await?;
        roadtrip::fill(drill, &database).await?;
        let cache = drill.redis_node("cache-a").await?;
        cache.start(&redis::USERS).await?;
        redis::fill(drill, &cache.address()).await?;

        drill.step(Phase::Prepare, "fill the store of secrets, and admit the application with them");
        let store = drill.secret_store("region-a").await?;
        drill.sample_data_loaded(secrets::fill(&store).await?);
        secrets::admit_application(&store, &database, &cache).await?;
        let vault_keys = secrets::versions(&store, secrets::VAULT_KEY).await?;
        let mut superuser = database.connect(roadtrip::DATABASE).await?;
        let user = prepare_sample(&mut superuser, &vault_keys).await?;
        let bucket = photos::fill(drill, &database).await?;

        drill.step(Phase::Prepare, "start the application, sign in, book, and keep what it answers");
        let application = drill.application_node_at("application-a", network.at[0]).await?;
        let configuration = secrets::configuration("a", &store, &database, &cache).await?;
        application.put_bucket(bucket.folder()).await?;
        application.start(&configuration).await?;
        application.wait_until_ready().await?;
        let answered: Arc<[_]> = user.record_everything(&application.client()).await?.into();
        let addresses = vec![
            network.at[0].ip().to_string(),
            database.peer_place(),
            cache.peer_place(),
            bucket.folder().display().to_string(),
            store.location(),
        ];
        network.start_client(drill).await?;
        let known = sample_services(
            &user,
            &application.client(),
            &answered,
            drill.plan()?,
            empties_redis(drill.plan()?),
        )
        .await?;
        let clients = network.start_clients(drill, known)?;
        clients.served().await?;

        drill.step(Phase::Prepare, "put both servers under load");
        drill.application().switch_to(database.options(roadtrip::DATABASE));
        drill.cache().switch_to(cache.address());
        let transactions = roadtrip::start_workload(drill, &database).await?;
        let key_writes = RedisWorkload::start(&cache.address(), drill.clock()).await?;
        let region = Self {
            database,
            cache,
            secrets: store,
            bucket,
            application,
            configuration,
            user,
            answered,
            clients,
            addresses,
            transactions,
            key_writes,
        };
        region.go_on().await?;
        Ok(region)
    }

    /// Waits until each store has acknowledged further writes.
    pub(super) async fn go_on(&self) -> Result<()> {
        self.transactions.reach(self.transactions.acknowledged() + WRITES).await?;
        self.key_writes.reach(self.key_writes.acknowledged() + WRITES).await
    }

    /// Takes the backups of a night, and copies them to region B.
    pub(super) async fn back_up(&self, drill: &Drill) -> Result<Backups> {
        let repository = Arc::new(drill.repository_in("region-b").await?);
        self.clients.backups_begin();
        let (clients, database) = (&self.clients, &self.database.options(roadtrip::DATABASE));
        drill.inject::<Outside>(Outsiders { clients, database }).await?;
        drill.step(Phase::Backup, "export the secrets, encrypted to the daily and to the break-glass key");
        let keys = drill.export_keys()?;
        let file = drill.export_file("tonight").await?;
        let exported = export_secrets(&self.secrets, &keys.recipients, &file, drill.wall_clock()).await?;
        let export = keep_export(&exported, drill.repository()).await?;
        let (secret, set_password) =
            (secrets::POSTGRES_PASSWORD, secrets::set_password(&self.database, secrets::ROLE));
        drill.inject::<Rotation>(Rotated { store: &self.secrets, secret, set_password }).await?;

        let vault_keys = secrets::versions(&self.secrets, secrets::VAULT_KEY).await?;
        let sealed = SealedRows { database: &self.database.options(roadtrip::DATABASE), keys: &vault_keys };
        drill.inject::<Vault>(sealed).await?;
        let (inventory, bucket) = photos::back_up(drill, &self.bucket).await?;

        drill.step(Phase::Backup, "take an SQL export and a snapshot of Redis");
        let (address, programs) = (self.database.address(), self.database.programs());
        let dump =
            take_dump(address, &programs, roadtrip::DATABASE, drill.repository(), DumpFormat::Plain).await?;
        let taken = take_snapshot(&self.cache.address(), drill.repository(), drill.clock()).await?;

        drill.step(Phase::Backup, "copy the backups to region B");
        for manifest in [&export, &inventory, &dump, &taken.manifest] {
            copy_backup(drill.repository(), &*repository, &manifest.id).await?;
            drill.backup_taken(manifest);
        }
        Ok(Backups {
            repository,
            dump,
            snapshot: taken.manifest,
            fork: taken.fork,
            export,
            keys,
            user: self.user.clone(),
            bucket,
            answered: Arc::clone(&self.answered),
            configuration: self.configuration.clone(),
            lost: self.addresses.clone(),
        })
    }

    /// Loses the region: servers, disks, photos, secrets, and the backups beside them. Its clients go on.
    pub(super) async fn lose(self, drill: &mut Drill) -> Result<(Disaster, Written)> {
        self.clients.lose_region().await?;
        let kinds = count_kinds(&self.cache.address()).await?;
        for node in [self.application.node(), self.database.node()] {
            node.kill().await?;
            node.remove().await?;
        }
        self.cache.destroy().await?;
        self.secrets.destroy()?;
        self.bucket.destroy().await?;
        for id in drill.repository().list().await? {
            drill.repository().remove(&id).await?;
        }
        drill.application().disconnect();
        drill.cache().disconnect();
        let declared_ms = drill.declare_disaster();
        let transactions = self.transactions.finish().await?;
        drill.save_ledger(&transactions).await?;
        let key_writes = self.key_writes.finish().await?;
        Ok((Disaster { declared_ms, clients: self.clients }, Written { transactions, key_writes, kinds }))
    }
}
