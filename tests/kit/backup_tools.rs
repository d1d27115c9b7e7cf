//! Sets up pgBackRest and Barman for a foreign cluster, in the folder of its node: to take backups with them.

use std::process::Command;

use super::foreign_cluster::{ForeignCluster, OWNER};
use super::require::or_skip;

/// The passphrase of an encrypted pgBackRest repository, as the environment holds it.
pub(crate) const PASSPHRASE: (&str, &str) = ("PGBACKREST_REPO1_CIPHER_PASS", "correct horse battery staple");

/// Whether a tool is there; reports it if it is not.
pub(crate) fn has(program: &str, version: &str) -> bool {
    or_skip(program, Command::new(program).arg(version).output()).is_some()
}

/// pgBackRest with the repository `repo` in a folder and the stanza `app`. A command is still to follow.
pub(crate) fn pgbackrest(dir: &str, is_encrypted: bool) -> String {
    let (name, value) = PASSPHRASE;
    let cipher = if is_encrypted { "--repo1-cipher-type=aes-256-cbc" } else { "" };
    let secret = if is_encrypted { format!("env {name}=\"{value}\"") } else { String::new() };
    format!(
        "{secret} pgbackrest --no-config --repo1-path={dir}/repo {cipher} --stanza=app --pg1-path={dir}/data \
         --log-level-console=off --log-level-file=off --lock-path={dir}/lock"
    )
}

/// Creates the repository of a cluster whose log already goes there. Returns the tool with its connection.
pub(crate) async fn set_up_pgbackrest(cluster: &ForeignCluster, is_encrypted: bool) -> String {
    let tool = pgbackrest(cluster.dir(), is_encrypted);
    let tool = format!("{tool} --pg1-user={OWNER} --pg1-socket-path={}", cluster.socket_dir());
    cluster.run("mkdir", &["repo"]).await;
    cluster.run("sh", &["-c", &format!("{tool} stanza-create")]).await;
    tool
}

/// Where a cluster has to copy its log for Barman, whose server is `app`.
pub(crate) fn barman_incoming(dir: &str) -> String {
    format!("{dir}/barman/app/incoming")
}

/// Lets Barman look after a cluster, whose log already goes there.
pub(crate) async fn set_up_barman(cluster: &ForeignCluster) {
    let (socket, home) = (cluster.socket_dir(), cluster.inside("barman"));
    let user = cluster.run("id", &["-un"]).await;
    let settings = format!(
        "[barman]\nbarman_home={home}\nbarman_user={}\nlog_file={home}/log\n[app]\ndescription=app\n\
         conninfo=host={socket} user={OWNER} dbname=postgres\nstreaming_conninfo=host={socket} user={OWNER}\n\
         backup_method=postgres\narchiver=on\nstreaming_archiver=off\ncompression=gzip\npath_prefix={}\n",
        user.trim(),
        cluster.programs()
    );
    cluster.write("barman.conf", &settings).await;
    cluster.run("mkdir", &["barman"]).await;
    // The first check creates Barman's folders, and complains that there is no log yet.
    cluster.run("sh", &["-c", "barman -q -c barman.conf check app || true"]).await;
    cluster.archive_log().await;
    barman(cluster, &["archive-wal", "app"]).await;
}

/// Runs a command of Barman.
pub(crate) async fn barman(cluster: &ForeignCluster, args: &[&str]) {
    cluster.run("barman", &[&["-q", "-c", "barman.conf"], args].concat()).await;
}
