//! `comeback archive`: what a PostgreSQL server calls to archive its log and to fetch it again.
//!
//! What these commands say lands in the server's log: one sentence, and at most some hints.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use comeback_engine::repository::{LogArchive, Repository};
use comeback_error::{Error, Result};
use comeback_model::ManifestHead;
use comeback_postgres::{ArchiveContent, DataDirectory, Got, check_archive};
use comeback_reports::format;

use crate::cli::{ArchiveCheckArgs, ArchiveCommand, ArchiveGetArgs, ArchivePushArgs};
use crate::config::Config;
use crate::output;
use crate::repository::RepositoryUrl;

/// What `comeback archive get` exits with if the archive never had the file.
pub(crate) const NEVER_ARCHIVED: u8 = 1;

pub(crate) async fn archive(command: ArchiveCommand, config: &Config) -> Result<u8> {
    match command {
        ArchiveCommand::Push(args) => push(&args, config).await,
        ArchiveCommand::Get(args) => get(&args, config).await,
        ArchiveCommand::Check(args) => check(&args, config).await,
    }
}

async fn push(args: &ArchivePushArgs, config: &Config) -> Result<u8> {
    let data = DataDirectory::open(Path::new("."))?;
    let repository = repository(args.repository.as_ref(), config).await?;
    data.push(repository, &args.path).await?;
    Ok(0)
}

async fn get(args: &ArchiveGetArgs, config: &Config) -> Result<u8> {
    let data = DataDirectory::open(Path::new("."))?;
    let repository = repository(args.repository.as_ref(), config).await?;
    Ok(match data.get(repository, &args.name, &args.path).await? {
        Got::Whole => 0,
        Got::NeverArchived => NEVER_ARCHIVED,
    })
}

/// The repository. A folder must exist; a bucket holds nothing before the first file. The server runs these commands in its
/// data directory, so a relative path would lead into it.
async fn repository(named: Option<&RepositoryUrl>, config: &Config) -> Result<Arc<dyn Repository>> {
    let url = named.or(config.repository.main.url.as_ref());
    if let Some(folder) = url.and_then(RepositoryUrl::relative_folder) {
        return Err(Error::usage(format!("the repository `{}` is a relative path", folder.display()))
            .hint("name it by its absolute path: the server runs this command in its data directory"));
    }
    super::open_repository(named, config, matches!(url, Some(RepositoryUrl::Bucket(..)))).await
}

async fn check(args: &ArchiveCheckArgs, config: &Config) -> Result<u8> {
    let repository = super::open_repository(args.repository.as_ref(), config, false).await?;
    let mut clusters = repository.log_clusters().await?;
    let (mut heads, mut unreadable) = (Vec::new(), 0);
    for id in repository.list().await? {
        match repository.head(&id).await {
            Ok(head) => heads.push(head),
            Err(error) => {
                output::problem("warning", &error);
                unreadable += 1;
            }
        }
    }
    let mut without = without_log(&heads, &clusters);
    if let Some(named) = &args.cluster {
        without.retain(|one, _| one == named);
        if !clusters.contains(named) && without.is_empty() {
            let known = if clusters.is_empty() { "none".to_owned() } else { clusters.join(", ") };
            return Err(Error::usage(format!("{} has no log of cluster {named}", repository.location()))
                .hint(format!("it has the log of: {known}")));
        }
        clusters.retain(|one| one == named);
    }
    let mut gaps = 0;
    for cluster in &clusters {
        let archive = LogArchive::new(repository.clone(), cluster);
        let content = check_archive(&archive, &heads).await?;
        output::listing(&told(cluster, &content));
        gaps += content.gaps.len();
    }
    if clusters.is_empty() {
        output::error_line(&format!("there is no log archive in {}", repository.location()));
    }
    for (cluster, backups) in &without {
        let backups = format::plural(*backups as u64, "base backup");
        output::error_line(&format!("cluster {cluster} has {backups} here, and no log"));
        output::error_line("hint: without it, they restore their own moment only: set its archive_command");
    }
    unreadable += without.len();
    Ok(match (gaps, unreadable, clusters.len()) {
        (1.., ..) => 1,
        (0, 0, 1..) => 0,
        _ => 3,
    })
}

/// The clusters that have base backups and no log, with how many.
fn without_log(heads: &[ManifestHead], clusters: &[String]) -> BTreeMap<String, usize> {
    let mut without = BTreeMap::new();
    for log in heads.iter().filter_map(|head| head.content.log.as_ref()) {
        if !clusters.contains(&log.system_identifier) {
            *without.entry(log.system_identifier.clone()).or_default() += 1;
        }
    }
    without
}

fn told(cluster: &str, content: &ArchiveContent) -> String {
    use std::fmt::Write as _;

    let mut text = format!("cluster {cluster}\n");
    for one in &content.timelines {
        let segments = format::plural(one.segments as u64, "segment");
        let _ = writeln!(text, "  timeline {}: {segments}, {} to {}", one.timeline, one.first, one.last);
    }
    let from = match content.backups {
        0 => {
            "there is no base backup of it here: followed from the first segment of each timeline".to_owned()
        }
        backups => format!("followed from {} to the end", format::plural(backups as u64, "base backup")),
    };
    let _ = writeln!(text, "  {from}");
    for gap in &content.gaps {
        let _ = writeln!(text, "  gap: {gap}");
    }
    if content.gaps.is_empty() {
        text.push_str("  no gap\n");
    }
    text
}

/// What `comeback archive get` exits with for any failure. Below 126, PostgreSQL takes the exit code of its
/// `restore_command` for the end of the log: <https://www.postgresql.org/docs/current/archive-recovery-settings.html>.
pub(crate) const GET_FAILED: u8 = 255;

/// Whether a command line is one of `comeback archive get`.
pub(crate) fn is_get(args: impl Iterator<Item = std::ffi::OsString>) -> bool {
    // Options may stand between the two.
    args.skip_while(|arg| arg != "archive").skip(1).any(|arg| arg == "get")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_command_is_known_with_options_at_any_place() {
        let told = |line: &str| is_get(line.split(' ').map(Into::into));
        for line in [
            "comeback archive get 000000010000000000000005 pg_wal/RECOVERYXLOG",
            "comeback archive --config /etc/comeback.toml get a b",
            "comeback --config=/etc/comeback.toml archive --quiet get a b",
        ] {
            assert!(told(line), "{line}");
        }
        assert!(
            !told("comeback archive push pg_wal/000000010000000000000005") && !told("comeback backup get")
        );
    }
}
