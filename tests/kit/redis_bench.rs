//! Starts a Redis server with the road-trip data in it: to take snapshots of it, and to restore them.

use std::sync::Arc;

use comeback_engine::RestoreFailure;
use comeback_engine::clock::Stopwatch;
use comeback_engine::judge::Judge as _;
use comeback_engine::repository::{BackupWriter, LocalRepository, Repository, find_file};
use comeback_engine::secret::Secret;
use comeback_engine::substrate::{Command, Io, Substrate};
use comeback_error::Error;
use comeback_model::{Finding, KeyspaceFingerprint, Manifest, RedisSnapshot};
use comeback_redis::judges::KeyspaceJudge;
use comeback_redis::{
    Loaded, RedisAddress, RedisServer, RestoreSettings, copy_snapshot, load_commands, restore_snapshot,
    take_snapshot,
};
use redis::{FromRedisValue, cmd};
use tokio::io::AsyncReadExt as _;

use super::require::or_skip;
use super::substrates;

const SNAPSHOT: &str = "dump.rdb.gz";

/// A running server with the road-trip data in it, and an empty repository.
pub(crate) struct RedisBench {
    pub(crate) substrate: Arc<dyn Substrate>,
    pub(crate) primary: RedisServer,
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) password: Secret,
    pub(crate) folder: tempfile::TempDir,
}

impl RedisBench {
    pub(crate) async fn local() -> Option<Self> {
        Self::local_with(&[]).await
    }

    /// As [`Self::local`], with further settings of the server.
    pub(crate) async fn local_with(settings: &[(&str, &str)]) -> Option<Self> {
        Self::on(substrates::local()?, "local", settings).await
    }

    pub(crate) async fn docker(image: Option<&str>) -> Option<Self> {
        Self::on(substrates::docker(image).await?, "docker", &[]).await
    }

    async fn on(substrate: Arc<dyn Substrate>, need: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let password = Secret::random().unwrap();
        let primary = or_skip(need, RedisServer::create(&*substrate, "primary", &password).await)?;
        primary.start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let repository = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
        let bench = Self { substrate, primary, repository, password, folder };
        bench.fill(&bench.primary.address(), 7).await;
        Some(bench)
    }

    pub(crate) async fn fill(&self, server: &RedisAddress, seed: u64) {
        let commands = comeback_fixtures::Keyspace::new(seed, comeback_fixtures::Scale::Ci).commands();
        load_commands(server, commands.map(|one| (one.database, one.words))).await.unwrap();
    }

    pub(crate) async fn snapshot(&self) -> Manifest {
        let taken = take_snapshot(&self.primary.address(), &*self.repository, Stopwatch::start()).await;
        taken.unwrap().manifest
    }

    /// A new node without a server.
    pub(crate) async fn node(&self, name: &str) -> RedisServer {
        RedisServer::create(&*self.substrate, name, &self.password).await.unwrap()
    }

    /// Restores into a node.
    pub(crate) async fn restore_into(
        &self,
        server: &RedisServer,
        manifest: &Manifest,
        settings: &RestoreSettings,
    ) -> Result<Loaded, RestoreFailure> {
        restore_snapshot(server, &*self.repository, manifest, settings).await.map(|(_, loaded)| loaded)
    }

    /// Restores onto a new node.
    pub(crate) async fn restore(
        &self,
        name: &str,
        manifest: &Manifest,
        settings: &RestoreSettings,
    ) -> Result<(RedisServer, Loaded), RestoreFailure> {
        let server = self.node(name).await;
        let loaded = self.restore_into(&server, manifest, settings).await?;
        Ok((server, loaded))
    }

    /// Puts a file where a server will load it, without any proof.
    pub(crate) async fn place(&self, server: &RedisServer, file: &[u8]) {
        let (path, mut bytes) = (server.rdb_path(), file);
        let write = Command::new("sh").args(["-c", "cat > \"$0\"", &path]);
        server.node().exec(&write, Io { stdin: Some(&mut bytes), stdout: None }).await.unwrap();
    }

    /// The file of a backup, as it is stored.
    pub(crate) async fn stored(&self, manifest: &Manifest) -> Vec<u8> {
        let mut stored = Vec::new();
        let mut file = self.repository.open(&manifest.id, SNAPSHOT).await.unwrap();
        file.read_to_end(&mut stored).await.unwrap();
        assert_eq!(stored.len() as u64, find_file(manifest, SNAPSHOT).unwrap().bytes);
        stored
    }

    /// The file of a backup, unpacked.
    pub(crate) async fn unpacked(&self, manifest: &Manifest) -> Vec<u8> {
        let mut file = std::io::Cursor::new(Vec::new());
        copy_snapshot(&*self.repository, manifest, &mut file).await.unwrap();
        file.into_inner()
    }

    /// Replaces the stored bytes, with a manifest whose checksum fits them.
    pub(crate) async fn store(&self, manifest: &Manifest, stored: &[u8]) -> Manifest {
        self.repository.remove(&manifest.id).await.unwrap();
        let mut backup = BackupWriter::new(self.repository.begin(&manifest.id).await.unwrap());
        backup.write(SNAPSHOT, stored).await.unwrap();
        let manifest = Manifest { files: backup.files().to_vec(), ..manifest.clone() };
        backup.commit(&manifest).await.unwrap();
        manifest
    }

    /// Replaces the file, packed as stored files are.
    pub(crate) async fn store_unpacked(&self, manifest: &Manifest, file: &[u8]) -> Manifest {
        use tokio::io::AsyncWriteExt as _;
        self.repository.remove(&manifest.id).await.unwrap();
        let mut backup = BackupWriter::new(self.repository.begin(&manifest.id).await.unwrap());
        let mut sink = backup.create_gzip(SNAPSHOT).await.unwrap();
        sink.write_all(file).await.unwrap();
        sink.finish().await.unwrap();
        let manifest = Manifest { files: backup.files().to_vec(), ..manifest.clone() };
        backup.commit(&manifest).await.unwrap();
        manifest
    }

    pub(crate) async fn end(self) {
        self.substrate.remove_all().await.unwrap();
    }
}

pub(crate) fn content(manifest: &Manifest) -> (&RedisSnapshot, &KeyspaceFingerprint) {
    manifest.content.keyspace().unwrap()
}

/// The conclusion of the keyspace judge about a server.
pub(crate) async fn differences(server: &RedisAddress, manifest: &Manifest) -> Vec<String> {
    let (_, recorded) = content(manifest);
    let opinion = KeyspaceJudge { server, recorded, set_aside: &[] }.judge().await.unwrap();
    opinion.findings.iter().map(ToString::to_string).collect()
}

/// Sends a command to database 0.
pub(crate) async fn ask<T: FromRedisValue>(server: &RedisServer, words: &[&str]) -> T {
    let mut command = cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    server.connect(0).await.unwrap().ask(&command).await.unwrap()
}

/// The finding, if the backup itself is at fault.
pub(crate) fn finding<T: std::fmt::Debug>(outcome: Result<T, RestoreFailure>) -> Finding {
    match outcome {
        Err(RestoreFailure::Backup(finding)) => *finding,
        other => panic!("{other:?}"),
    }
}

/// The error, if something other than the backup is at fault.
pub(crate) fn refusal<T: std::fmt::Debug>(outcome: Result<T, RestoreFailure>) -> Error {
    match outcome {
        Err(RestoreFailure::Other(error)) => error,
        other => panic!("{other:?}"),
    }
}
