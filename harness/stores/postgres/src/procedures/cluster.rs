//! Restores a cluster of the user's from a base backup, into a folder of the user's.

use std::path::Path;

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::runner::Course;
use comeback_engine::substrate::{Command, Io};
use comeback_model::{Lsn, Manifest, NotLookedAt, Phase, RecoveryTarget, ScopeKind, Verdict};
use jiff::Timestamp;
use tokio::fs;

use crate::artefacts::own_cluster::{OpenCluster, ROLE, WithoutOurRole, recover_own, recover_to_target};
use crate::base_backup::fetch::{fetch_base_backup, position_of};
use crate::error::{Context as _, Error, Result};
use crate::judges::{CatalogueJudge, FingerprintJudge, RowCounts, ServerLogJudge, UnpackedFiles};
use crate::log::fetch::fetch_log;
use crate::recovery::choice::is_before;
use crate::recovery::plan::Recovery;
use crate::{PostgresNodes as _, PostgresServer};

/// Settings that somebody must look at before the restored server starts: they reach other machines or files.
const TO_LOOK_AT: [&str; 20] = [
    "archive_cleanup_command",
    "archive_command",
    "archive_library",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "ident_file",
    "include",
    "include_dir",
    "include_if_exists",
    "listen_addresses",
    "log_directory",
    "port",
    "primary_conninfo",
    "recovery_end_command",
    "restore_command",
    "shared_preload_libraries",
    "ssl_cert_file",
    "ssl_key_file",
    "unix_socket_directories",
];
/// The settings that `ALTER SYSTEM` made, and where they are kept while the server runs here.
const AUTO: &str = "postgresql.auto.conf";

/// Ends what our start has changed. The new timeline's history is marked for the cluster's own archive, as a promotion
/// with an archive marks it.
const PUT_BACK: &str = r#"
    set -e
    [ ! -f "$1" ] || mv "$1" "$0/postgresql.auto.conf"
    rm -f "$0/postmaster.opts"
    newest=$(cd "$0/pg_wal" && ls *.history 2>/dev/null | sort | tail -n 1)
    [ -z "$newest" ] || (umask 077 && : > "$0/pg_wal/archive_status/$newest.ready")
    sync
"#;

/// A cluster that is being restored into a folder.
pub struct ClusterRestore<'a> {
    server: PostgresServer,
    backup: &'a Manifest,
    target: Option<RecoveryTarget>,
    opened: Option<OpenCluster>,
}

/// Where a restored cluster stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoredTo {
    /// The server's message about where it stopped.
    pub said: String,
    /// The last record that was replayed.
    pub record: Option<Lsn>,
    /// The time of the last commit that was replayed.
    pub last_commit_at: Option<Timestamp>,
    /// How many segments came from the archive.
    pub fetched_segments: usize,
    /// Its timeline.
    pub timeline: i32,
    /// Settings of the cluster that somebody must look at before its first start.
    pub to_look_at: Vec<String>,
}

impl<'a> ClusterRestore<'a> {
    /// Fails if a backup cannot become a data directory, or does not lead to a target.
    pub fn ensure_possible(backup: &Manifest, target: Option<&RecoveryTarget>) -> Result<()> {
        let position = position_of(backup)?;
        if let Some(target) = target.filter(|target| !is_before(position, target)) {
            return Err(Error::usage(format!(
                "backup {} does not lead to {target}: it is consistent from {} ({}) on",
                backup.id, position.end_lsn, position.end_at
            ))
            .hint("name an older backup: `comeback backup list` shows what there is"));
        }
        if backup.files.iter().any(|file| file.name.starts_with("tablespaces/")) {
            return Err(Error::usage(format!(
                "backup {} has tablespaces, which need folders of their own",
                backup.id
            ))
            .hint("`comeback verify` restores it on a throw-away server")
            .hint(
                "by hand: unpack base.tar.zst and each file of tablespaces/, and point pg_tblspc to them",
            ));
        }
        Ok(())
    }

    /// Fetches the backup into `folder`, which is empty and is given to the server's user. The files must be those that
    /// PostgreSQL backed up.
    pub async fn fetch(
        course: &mut Course,
        folder: &Path,
        backup: &'a Manifest,
        target: Option<RecoveryTarget>,
    ) -> Result<Self> {
        course.step(Phase::Recover, "create a new server");
        let major = position_of(backup)?.major;
        let server = course.postgres_node_as("restored", major, ROLE).await?;
        let root = folder
            .to_str()
            .ok_or_else(|| Error::usage(format!("{} is no name in UTF-8", folder.display())))?;
        give(&server, folder).await?;
        let server = server.kept_in(root);

        course.step(Phase::Recover, "fetch the base backup, check every byte and unpack it");
        let fetched = fetch_base_backup(&server, course.repository(), backup).await;
        course.restored(fetched)?;

        course.step(Phase::Recover, "compare the unpacked files with PostgreSQL's own list of them");
        course.insist(&UnpackedFiles { server: &server }).await?;
        Ok(Self { server, backup, target, opened: None })
    }

    /// Starts the server, which replays the log to the target and opens.
    pub async fn recover(&mut self, course: &Course) -> Result<()> {
        self.keep_aside().await?;
        let Self { server, backup, target, .. } = self;
        let opened = match target {
            None => {
                let goal = position_of(backup)?.goal();
                course.step(Phase::Recover, &format!("replay the log to {goal}, and open for writes"));
                course.restored(recover_own(course, server, backup).await)?
            }
            Some(target) => {
                course
                    .step(Phase::Recover, "fetch the log from there to that moment, and check every segment");
                let archive = course.log_archive(&position_of(backup)?.system_identifier);
                let planned = Recovery::from_backup(&archive, (*backup).clone(), target.clone()).await;
                let recovery = course.restored(planned)?;
                let feed = course.restored(fetch_log(server, &recovery).await)?;
                course.step(Phase::Recover, &format!("replay the log to {target}, and open for writes"));
                course.restored(recover_to_target(course, server, backup, target, feed).await)?
            }
        };
        if !opened.arrived.said.is_empty() {
            course.note(opened.arrived.said.clone());
        }
        self.opened = Some(opened);
        Ok(())
    }

    /// Judges what came back: exactly, if the server stands at the moment of the manifest.
    pub async fn judge(&self, course: &Course) -> Result<()> {
        course.step(Phase::Judge, "judge what came back");
        let (server, recorded) = (self.server.address(), self.backup.content.cluster()?);
        // A message in the log, such as another version of a collation, withholds nothing that came back.
        let mut verdicts = Vec::new();
        let log = ServerLogJudge { server: &self.server };
        if self.target.is_none() && position_of(self.backup)?.restore_point.is_some() {
            course.judge(&log).await;
            verdicts.push(course.judge(&RowCounts { server, recorded }).await);
            verdicts.push(course.judge(&FingerprintJudge::new(server, recorded)).await);
            verdicts.push(course.judge(&WithoutOurRole(CatalogueJudge { server, recorded })).await);
        } else {
            course.judge(&ContentNotCompared(log)).await;
        }
        if verdicts.contains(&Verdict::Failed) {
            return Err(Error::failed(
                "the restored cluster is not what was backed up: nothing of it is kept",
            ));
        }
        Ok(())
    }

    /// Stops the server cleanly, and leaves its data directory as that of an ordinary cluster, with its own
    /// configuration. It is the folder `data` in the folder that was given.
    pub async fn hand_over(&self, course: &Course) -> Result<RestoredTo> {
        course.step(Phase::Recover, "stop it, and put its own configuration back");
        let Some(opened) = &self.opened else {
            return Err(Error::could_not_verify("the cluster was not opened"));
        };
        let mut connection = self.server.connect("postgres").await?;
        let timeline: i32 = sqlx::query_scalar("select timeline_id from pg_control_checkpoint()")
            .fetch_one(&mut connection)
            .await
            .context("asking for the timeline")?;
        crate::connection::session::close(connection).await;
        opened.close(&self.server).await?;
        self.run(PUT_BACK, "putting the configuration back").await?;
        let arrived = &opened.arrived;
        Ok(RestoredTo {
            said: arrived.said.clone(),
            record: arrived.record,
            last_commit_at: arrived.last_commit_at,
            fetched_segments: arrived.fetched_segments,
            timeline,
            to_look_at: self.to_look_at().await?,
        })
    }

    /// Copies what a start here overwrites.
    async fn keep_aside(&self) -> Result<()> {
        let copy = "[ ! -f \"$0/postgresql.auto.conf\" ] || cp -p \"$0/postgresql.auto.conf\" \"$1\"";
        self.run(copy, "keeping the configuration").await
    }

    async fn run(&self, script: &str, doing: &str) -> Result<()> {
        let aside = format!("{}/{AUTO}", self.server.root());
        let command = Command::new("sh").args(["-c", script, &self.server.data_dir(), &aside]);
        self.server.node().exec(&command, Io::default()).await?.success(doing).map(drop)
    }

    async fn to_look_at(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for file in ["postgresql.conf", AUTO] {
            let read = Command::new("cat").arg(format!("{}/{file}", self.server.data_dir()));
            let output = self.server.node().exec(&read, Io::default()).await?;
            if output.code != 0 {
                found.push(format!("{file}, which the cluster kept elsewhere"));
            }
            found.extend(names(&output.text()).map(|name| format!("{name} ({file})")));
        }
        Ok(found)
    }
}

/// The judge of the log, for a moment of which the manifest describes no content.
struct ContentNotCompared<'a>(ServerLogJudge<'a>);

#[async_trait]
impl Judge for ContentNotCompared<'_> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn judge(&self) -> Result<Opinion> {
        let mut opinion = self.0.judge().await?;
        let why = "the backup describes no content of this moment to compare them with";
        opinion.not_looked_at.push(NotLookedAt::new(ScopeKind::Database, "rows and definitions", why));
        Ok(opinion)
    }
}

/// The settings in a configuration file that somebody must look at.
fn names(text: &str) -> impl Iterator<Item = &'static str> {
    let set: Vec<_> =
        text.lines().filter_map(|line| line.trim_start().split([' ', '=', '\t']).next()).collect();
    TO_LOOK_AT.into_iter().filter(move |name| set.iter().any(|one| one.eq_ignore_ascii_case(name)))
}

/// Gives a folder of this machine to the user of the server's node.
async fn give(server: &PostgresServer, folder: &Path) -> Result<()> {
    let node = server.node();
    let Some(own) = node.host_path(node.dir()) else {
        return Err(Error::usage(
            "a cluster is restored into a folder by a server of this machine, and not in a container",
        ));
    };
    let doing = format!("giving {} to the server", folder.display());
    let (own, has) = (fs::metadata(own).await.context(&doing)?, fs::metadata(folder).await.context(&doing)?);
    let owner = |of: &std::fs::Metadata| {
        (std::os::unix::fs::MetadataExt::uid(of), std::os::unix::fs::MetadataExt::gid(of))
    };
    let (uid, gid) = owner(&own);
    if owner(&has).0 != uid {
        std::os::unix::fs::chown(folder, Some(uid), Some(gid)).context(&doing)?;
    }
    let try_it =
        Command::new("test").args(["-w", &folder.to_string_lossy(), "-a", "-x", &folder.to_string_lossy()]);
    if node.exec(&try_it, Io::default()).await?.code == 0 {
        return Ok(());
    }
    Err(Error::usage(format!("the user that servers run as cannot reach {}", folder.display()))
        .hint("choose a folder below one that every user can search, such as /var/lib/postgresql"))
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn settings_that_reach_elsewhere_are_named() {
        let text =
            "# archive_command = 'x'\nARCHIVE_command='cp %p /x'\n port=5433\nwork_mem = 4MB\ninclude 'x'\n";
        assert_eq!(names(text).collect::<Vec<_>>(), ["archive_command", "include", "port"]);
    }
}
