//! A snapshot brought into a new server and proven, against that server simply started on the file.

use std::sync::Arc;

use comeback_engine::RestoreFailure;
use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::{LocalRepository, Repository};
use comeback_error::{Context as _, Error, Result};
use comeback_redis::{RedisServer, RestoreSettings, copy_snapshot, restore_snapshot, take_snapshot};

use super::bench::{ROUNDS, Table, World, start_by_hand, stop_by_hand};

pub(crate) async fn compare() -> Result<()> {
    let world = World::new().await?;
    let folder = tempfile::tempdir().context("creating a repository")?;
    let repository: Arc<dyn Repository> = Arc::new(LocalRepository::open(folder.path()).await?);
    let taken = take_snapshot(&world.server.address(), &*repository, Stopwatch::start()).await?;
    world.server.stop().await?;
    let manifest = &taken.manifest;
    let plain = folder.path().join("plain.rdb");
    let mut file = tokio::fs::File::create(&plain).await.context("unpacking the snapshot")?;
    copy_snapshot(&*repository, manifest, &mut file).await.map_err(plainly)?;
    let packed = folder.path().join(&manifest.id).join("dump.rdb.gz");
    let mut table = Table::default();
    for round in 0..ROUNDS {
        // The node's user cannot read the repository, and need not: the files go in over its standard input.
        let server = world.node(&format!("plain{round}")).await?;
        place(&server, &plain, "dump.rdb").await?;
        table.time("redis-server started on the file", start_by_hand(&server, "")).await?;
        stop_by_hand(&server).await?;
        server.node().remove().await?;

        let server = world.node(&format!("packed{round}")).await?;
        place(&server, &packed, "dump.rdb.gz").await?;
        let unpack = "gzip -dc dump.rdb.gz > dump.rdb";
        table.time("gzip -dc, and redis-server started", start_by_hand(&server, unpack)).await?;
        stop_by_hand(&server).await?;
        server.node().remove().await?;

        let server = world.node(&format!("ours{round}")).await?;
        let restore = async {
            let settings = RestoreSettings::default();
            restore_snapshot(&server, &*repository, manifest, &settings).await.map_err(plainly)
        };
        table.time("comeback, proofs included", restore).await?;
        server.node().remove().await?;
    }
    world.substrate.remove_all().await?;
    table.print("restore of a snapshot")
}

impl World {
    async fn node(&self, name: &str) -> Result<RedisServer> {
        RedisServer::create(&*self.substrate, name, &self.password).await
    }
}

/// Puts a file into a server's data directory.
async fn place(server: &RedisServer, path: &std::path::Path, name: &str) -> Result<()> {
    use comeback_engine::substrate::{Command, Io};
    let mut file = tokio::fs::File::open(path).await.context(path.display())?;
    let write = Command::new("sh").args(["-c", "cat > \"$0\"", &format!("{}/{name}", server.data_dir())]);
    let io = Io { stdin: Some(&mut file), stdout: None };
    server.node().exec(&write, io).await?.success("placing the file").map(drop)
}

fn plainly(failure: RestoreFailure) -> Error {
    match failure {
        RestoreFailure::Backup(finding) => Error::failed(finding.to_string()),
        RestoreFailure::Other(error) => error,
    }
}
