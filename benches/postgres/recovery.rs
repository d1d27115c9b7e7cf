//! Whole recoveries against shell scripts of the same steps: what the harness costs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use comeback_engine::judge::Judge;
use comeback_engine::repository::{LocalRepository, LogArchive, Repository};
use comeback_error::{Error, Result};
use comeback_model::{DumpFormat, Manifest, RecoveryPoint, RecoveryTarget};
use comeback_postgres::judges::UnpackedFiles;
use comeback_postgres::{
    Archiver, AtTarget, PostgresServer, Recovery, RestoreFailure, fetch_base_backup, fetch_log,
    gather_statistics, hold_moment, parallelism, recover_to, restore_dump, restore_roles, run_script,
    system_identifier, take_base_backup, take_dump,
};

use super::bench::{DATABASE, Table, World, rounds, say};

/// A good hand-written script: checksums first, then unpack, check, replay, and poll until it accepts a write.
const RECOVERY_SCRIPT: &str = r#"
    (cd "$BACKUP" && sha256sum --quiet -c "$SUMS")
    mkdir -m 0700 "$DATA"
    zstd -dc "$BACKUP/base.tar.zst" | tar -x -C "$DATA"
    pg_verifybackup -qn "$DATA"
    touch "$DATA/recovery.signal"
    get="for f in $BACKUP/wal/%f.zst $ARCHIVE/*/%f-*.zst $ARCHIVE/%f-*.zst; do test -e \$f && exec zstd -dqfo %p \$f; done; exit 1"
    echo "local all all scram-sha-256" > "$DATA/../script_hba.conf"
    postgres -D "$DATA" -k "$PGHOST" -c listen_addresses= -c archive_mode=off -c hba_file="$DATA/../script_hba.conf" \
        -c restore_command="$get" -c recovery_target_time="$TARGET" -c recovery_target_inclusive=off \
        -c recovery_target_action=promote > "$DATA/../script.log" 2>&1 &
    until [ "$(psql -XAtc 'select pg_is_in_recovery()' postgres 2>/dev/null)" = f ]; do
        kill -0 $! || { tail -n 20 "$DATA/../script.log" >&2; exit 1; }
        sleep 0.05
    done
    psql -Xqc "select pg_logical_emit_message(true, 'script', 'ready')" postgres > /dev/null
    kill -9 $!
    wait || true"#;

pub(crate) async fn compare_recovery() -> Result<()> {
    let world = World::new().await?;
    world.server.start_archiving(&[]).await?;
    let (folder, repository) = repository().await?;
    let cluster = system_identifier(world.server.address()).await?;
    let archive = LogArchive::new(repository.clone(), &cluster);
    let archiver = Archiver::start(&world.server, archive.clone()).await?;
    world.fill().await?;
    let manifest = take_base_backup(world.server.address(), &world.server.programs(), &*repository).await?;
    run_script(
        world.server.address(),
        DATABASE,
        "changes",
        "update narrow set balance = balance + 1 where aid % 20 = 0",
    )
    .await?;
    let well = hold_moment(world.server.address(), "all_is_well").await?;
    run_script(world.server.address(), DATABASE, "an accident", "delete from wide where id % 2 = 0").await?;
    archiver.catch_up().await?;
    archiver.finish().await?;
    world.server.node().kill().await?;
    open_to_all(folder.path())?;
    let target = RecoveryTarget::before(RecoveryPoint::Time(well.at));
    let mut table = Table::default();
    for round in 0..rounds() {
        let server = PostgresServer::create(&*world.substrate, &format!("s{round}"), &world.password).await?;
        let backup = folder.path().join(&manifest.id);
        let script = format!(
            "BACKUP={} SUMS={}/sums DATA={} ARCHIVE={}/wal/{cluster} TARGET='{}'\n{RECOVERY_SCRIPT}",
            backup.display(),
            server.node().dir(),
            server.data_dir(),
            folder.path().display(),
            well.at.to_string().replace('Z', "+00"),
        );
        write_sums(&world, &server, &manifest).await?;
        settle()?;
        table.time("shell script", world.shell(&server, &script)).await?;
        server.node().remove().await?;

        let server = PostgresServer::create(&*world.substrate, &format!("h{round}"), &world.password).await?;
        settle()?;
        let mut parts = Vec::new();
        let recovery = async {
            let mut watch = Instant::now();
            let mut part = |name: &'static str| {
                parts.push(format!("{name} {:.1} s", watch.elapsed().as_secs_f64()));
                watch = Instant::now();
            };
            fetch_base_backup(&server, &*repository, &manifest).await?;
            part("base backup");
            let opinion = UnpackedFiles { server: &server }.judge().await?;
            part("check of the files");
            if let Some(finding) = opinion.findings.into_iter().next() {
                return Err(finding.into());
            }
            let plan = Recovery::from_backup(&archive, manifest.clone(), target.clone()).await?;
            let log = fetch_log(&server, &plan).await?;
            part("way through the log");
            let recovered = recover_to(&server, &manifest, &target, log, AtTarget::Promote).await;
            part("log and replay");
            recovered
        };
        table.time("comeback", Box::pin(plain(recovery))).await?;
        server.node().remove().await?;
        say(&format!("  comeback: {}", parts.join(", ")))?;
    }
    world.substrate.remove_all().await?;
    table.print("point-in-time recovery")
}

const DUMP_SCRIPT: &str = r#"
    (cd "$BACKUP" && sha256sum --quiet -c "$SUMS")
    psql -Xq -v ON_ERROR_STOP=0 -f "$BACKUP/roles.sql" postgres > /dev/null 2>&1
    gzip -dc "$BACKUP/dump.sql.gz" | psql -Xq -v ON_ERROR_STOP=1 postgres > /dev/null
    vacuumdb -q --analyze-only -j 2 bench"#;

pub(crate) async fn compare_dump() -> Result<()> {
    let world = World::new().await?;
    world.server.start(&[]).await?;
    let (folder, repository) = repository().await?;
    world.fill().await?;
    let manifest = take_dump(
        world.server.address(),
        &world.server.programs(),
        DATABASE,
        &*repository,
        DumpFormat::Plain,
    )
    .await?;
    world.server.stop().await?;
    let mut table = Table::default();
    for round in 0..rounds() {
        let server = world.another(&format!("s{round}")).await?;
        let backup = folder.path().join(&manifest.id);
        let script = format!("BACKUP={} SUMS={}/sums\n{DUMP_SCRIPT}", backup.display(), server.node().dir());
        write_sums(&world, &server, &manifest).await?;
        table.time("shell script (psql, one connection)", world.shell(&server, &script)).await?;
        server.node().remove().await?;

        let server = world.another(&format!("h{round}")).await?;
        let restore = async {
            restore_roles(&server, &*repository, &manifest).await?;
            restore_dump(&server, &*repository, &manifest, parallelism()).await?;
            Ok(gather_statistics(server.address(), DATABASE, parallelism()).await?)
        };
        table.time("comeback", Box::pin(plain(restore))).await?;
        server.node().remove().await?;
    }
    world.substrate.remove_all().await?;
    table.print("restore of a .sql.gz export")
}

/// A repository in a folder that the servers' user can read.
async fn repository() -> Result<(tempfile::TempDir, Arc<dyn Repository>)> {
    use std::os::unix::fs::PermissionsExt as _;
    let error = |error: std::io::Error| Error::could_not_verify(error.to_string());
    let folder = tempfile::tempdir().map_err(error)?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).map_err(error)?;
    let repository: Arc<dyn Repository> = Arc::new(LocalRepository::open(folder.path()).await?);
    Ok((folder, repository))
}

/// Waits until what was written so far is on the disk: nobody shall pay for the one before.
fn settle() -> Result<()> {
    match std::process::Command::new("sync").status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(Error::could_not_verify(format!("sync: {other:?}"))),
    }
}

/// The script runs as the servers' user, and the repository's files are for their owner alone.
fn open_to_all(folder: &Path) -> Result<()> {
    let changed = std::process::Command::new("chmod").args(["-R", "a+rX"]).arg(folder).status();
    match changed {
        Ok(status) if status.success() => Ok(()),
        other => Err(Error::could_not_verify(format!("opening {} to all: {other:?}", folder.display()))),
    }
}

/// Writes the checksums in the form of `sha256sum`.
async fn write_sums(world: &World, server: &PostgresServer, manifest: &Manifest) -> Result<()> {
    let sums = manifest.files.iter().map(|file| format!("{}  {}\n", file.sha256, file.name));
    let path = Path::new(server.node().dir()).join("sums");
    world
        .shell(server, &format!("cat > {} <<'E'\n{}E\n", path.display(), sums.collect::<String>()))
        .await
        .map(drop)
}

async fn plain<T>(recovery: impl Future<Output = Result<T, RestoreFailure>>) -> Result<T> {
    recovery.await.map_err(|failure| match failure {
        RestoreFailure::Backup(finding) => Error::failed(finding.to_string()),
        RestoreFailure::Other(error) => error,
    })
}
