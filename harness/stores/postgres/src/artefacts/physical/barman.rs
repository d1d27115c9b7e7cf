//! Backups of Barman: those on a Barman server, and those that `barman-cloud-backup` writes into a bucket. Both are
//! plain files in a documented layout, and are read without the tool.
//!
//! Source: the manual of Barman, "Directory structure", and `barman/infofile.py`; the same in 3.4 and 3.13.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, PlaceEntry, Recoverable, Select, VerifyOptions,
};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode};
use jiff::Timestamp;

use super::archive::{ArchivedLog, archived_up_to, log_name};
use super::artefact::{ClusterFiles, PhysicalArtefact};
use super::folder::Folder;
use super::tar_files::{TarFiles, Tars};
use super::tree::{Tree, find_tablespaces, read_text};
use crate::error::{Error, Result};

/// Recognises backups of Barman.
pub(in crate::artefacts) struct BarmanKind;

#[async_trait]
impl ArtefactKind for BarmanKind {
    fn name(&self) -> &'static str {
        "barman"
    }

    fn looks_for(&self) -> &'static str {
        "backups of Barman (SERVER/base/ID/backup.info beside SERVER/wals)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let Some(server) = choose_server(found, options)? else { return Ok(None) };
        let mut backups = Vec::new();
        for id in backups_of(found, &server) {
            let text = read_text(&*found.place, &format!("{server}base/{id}/backup.info")).await?;
            backups.push((id, Info::parse(&text)));
        }
        if backups.iter().all(|(_, info)| info.status.is_none()) {
            // Without one readable file the folder could be anything's.
            return Ok(None);
        }
        let recoverable = recoverable(found, &server, &backups);
        let (id, info) = choose(found, backups, options)?;
        into_artefact(found, &server, &id, &info, options, recoverable).await.map(Some)
    }
}

/// The folders of servers in the place, each with a `/` at its end, or empty.
fn servers(found: &Found) -> Vec<String> {
    let mut servers: Vec<_> = found
        .entries
        .iter()
        .filter_map(|entry| {
            let (before, id) = entry.path.strip_suffix("/backup.info")?.rsplit_once("base/")?;
            let is_server = before.is_empty() || before.ends_with('/');
            (is_server && !id.contains('/')).then(|| before.to_owned())
        })
        .collect();
    servers.dedup();
    servers
}

fn choose_server(found: &Found, options: &VerifyOptions) -> Result<Option<String>> {
    let servers = servers(found);
    let name = |server: &str| server.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
    let names = servers.iter().map(|server| name(server)).collect::<Vec<_>>().join(", ");
    match (&options.stanza, servers.as_slice()) {
        (_, []) => Ok(None),
        // The place is the folder of a server itself, whose name is not in it.
        (None, [only]) => Ok(Some(only.clone())),
        (Some(_), [only]) if only.is_empty() => Ok(Some(String::new())),
        (Some(wanted), all) => match all.iter().find(|server| name(server) == *wanted) {
            Some(server) => Ok(Some(server.clone())),
            None => Err(Error::usage(format!("there is no server {wanted} in {}", found.place.name()))
                .hint(format!("there are: {names}"))),
        },
        (None, _) => Err(Error::usage(format!("{} has backups of several servers", found.place.name()))
            .hint(format!("name one with --stanza: {names}"))),
    }
}

fn backups_of(found: &Found, server: &str) -> Vec<String> {
    let id = |path: &str| {
        let id = path.strip_prefix(server)?.strip_prefix("base/")?.strip_suffix("/backup.info")?;
        (!id.contains('/')).then(|| id.to_owned())
    };
    found.entries.iter().filter_map(|entry| id(&entry.path)).collect()
}

/// The file `backup.info` of a backup, as far as it is needed. A value that is missing or damaged is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Info {
    status: Option<String>,
    ended_at: Option<Timestamp>,
    major: Option<u32>,
    /// The tablespaces, by their object identifiers.
    tablespaces: Vec<String>,
}

impl Info {
    fn parse(text: &str) -> Self {
        let find = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let time = |text: &str| {
            let (text, offset) = text.trim().split_at_checked(text.trim().len().checked_sub(6)?)?;
            format!("{}{offset}", text.replacen(' ', "T", 1)).parse().ok()
        };
        // `150018` is 15.18.
        let major = |text: &str| text.trim().parse::<u32>().ok().map(|number| number / 10_000);
        Self {
            status: find("status").map(|status| status.trim().to_owned()).filter(|status| !status.is_empty()),
            ended_at: find("end_time").and_then(time),
            major: find("version").and_then(major).filter(|major| *major > 0),
            tablespaces: find("tablespaces").map(identifiers).unwrap_or_default(),
        }
    }

    /// Barman marks a backup as done once its files are there, and before that its log.
    fn is_complete(&self) -> bool {
        self.status.as_deref().is_some_and(|status| ["DONE", "WAITING_FOR_WALS"].contains(&status))
    }
}

/// The identifiers in `[('name', 16390, '/srv/ts')]`: those numbers that stand between commas.
fn identifiers(list: &str) -> Vec<String> {
    let parts = list.split(',').map(str::trim);
    parts.filter(|part| super::tree::is_identifier(part)).map(ToOwned::to_owned).collect()
}

/// What a server's folder can bring back: its complete backups, and its log.
fn recoverable(found: &Found, server: &str, backups: &[(String, Info)]) -> Recoverable {
    let folder = |id: &str| format!("{server}base/{id}/");
    let bytes = |id: &str| {
        let of_backup = |entry: &&PlaceEntry| entry.path.starts_with(&folder(id));
        found.entries.iter().filter(of_backup).map(|entry| entry.bytes).sum()
    };
    let complete = backups.iter().filter(|(_, info)| info.is_complete());
    let mut backups: Vec<_> = complete
        .map(|(id, info)| ArtefactSummary {
            bytes: Some(bytes(id)),
            software: info.major.map(|major| format!("Barman, PostgreSQL {major}")),
            ..in_figures(found, id, info)
        })
        .collect();
    backups.sort_by(|one, other| (one.taken_at, &one.id).cmp(&(other.taken_at, &other.id)));
    let wals = format!("{server}wals/");
    let log = found.entries.iter().filter(|entry| entry.path.starts_with(&wals));
    let log: Vec<_> = log.filter_map(|entry| Some((log_name(&entry.path)?, entry))).collect();
    let log = archived_up_to(log.iter().map(|(name, entry)| (name.as_str(), *entry)));
    Recoverable { backups, log, ..Recoverable::default() }
}

fn in_figures(found: &Found, id: &str, info: &Info) -> ArtefactSummary {
    ArtefactSummary {
        source: found.place.name(),
        kind: "backup of Barman".to_owned(),
        id: Some(id.to_owned()),
        taken_at: info.ended_at,
        ..ArtefactSummary::default()
    }
}

/// The backup that the user chose: of those that are complete, unless it is named.
fn choose(
    found: &Found,
    mut backups: Vec<(String, Info)>,
    options: &VerifyOptions,
) -> Result<(String, Info)> {
    let names = backups.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>().join(", ");
    if let Select::Id(wanted) = &options.select {
        backups.retain(|(id, _)| id == wanted);
    } else {
        let target = options.target.as_ref().map(|target| &target.point);
        backups.retain(|(_, info)| {
            let is_before = match target {
                Some(comeback_model::RecoveryPoint::Time(at)) => info.ended_at.is_some_and(|end| end <= *at),
                _ => true,
            };
            info.is_complete() && is_before
        });
    }
    backups.sort_by_key(|(id, info)| (info.ended_at, id.clone()));
    let at = match options.select {
        Select::Random => usize::try_from(options.seed).unwrap_or(0).checked_rem(backups.len()),
        Select::Latest | Select::Id(_) => backups.len().checked_sub(1),
    };
    at.map(|at| backups.swap_remove(at)).ok_or_else(|| {
        Error::failed(format!("{} has no complete backup that fits", found.place.name()))
            .hint(format!("choose another one with --select, or another moment with --at; it has: {names}"))
    })
}

async fn into_artefact(
    found: &Found,
    server: &str,
    id: &str,
    info: &Info,
    options: &Arc<VerifyOptions>,
    recoverable: Recoverable,
) -> Result<Arc<dyn Artefact>> {
    let folder = format!("{server}base/{id}/");
    let mut summary = in_figures(found, id, info);
    let refused = |summary, actual: &str| {
        let subject = format!("backup.info of {id}");
        let finding =
            Finding::new(FindingCode::BackupDamaged, subject, "a complete backup of Barman", actual);
        let finding = finding.remedy("restore another backup, and find out what damaged this one");
        PhysicalArtefact::shared(summary, Err(Box::new(finding)), 0, options)
    };
    let Some(major) = info.major.filter(|_| info.status.is_some()) else {
        return Ok(refused(summary, "one that names neither status nor version"));
    };
    if !info.is_complete() {
        let status = info.status.as_deref().unwrap_or_default();
        return Ok(refused(summary, &format!("one whose status is {status}")));
    }
    summary.software = Some(format!("Barman, PostgreSQL {major}"));
    let log = log_of(found, server, options).await?;
    let Some((files, kind, bytes)) = files_of(found, &folder, info, log, options).await? else {
        return Ok(refused(summary, "one without its data directory"));
    };
    summary.kind = kind.to_owned();
    summary.bytes = Some(bytes);
    Ok(PhysicalArtefact::of_repository(summary, Ok(files), major, options, recoverable))
}

/// The log of a server; that of another folder if the user names one.
async fn log_of(found: &Found, server: &str, options: &VerifyOptions) -> Result<ArchivedLog> {
    if options.log.is_some() {
        return super::outside::log_beside(found, options, "").await;
    }
    let folder = format!("{server}wals/");
    let entries = found.entries.iter().filter(|entry| entry.path.starts_with(&folder));
    Ok(ArchivedLog::of_place(found.place.clone(), entries, options.decryptor.clone()))
}

type Files = (Arc<dyn ClusterFiles>, &'static str, u64);

/// The files of a backup: a data directory, or the tars of a compressed one, or those of a bucket.
async fn files_of(
    found: &Found,
    folder: &str,
    info: &Info,
    log: ArchivedLog,
    options: &VerifyOptions,
) -> Result<Option<Files>> {
    let data = Tree::new(found.place.clone(), &found.entries, &format!("{folder}data/"));
    if data.has("global/pg_control") {
        let mut tablespaces = find_tablespaces(found, &data, Some(folder)).await?;
        for identifier in &info.tablespaces {
            tablespaces.entry(identifier.clone()).or_insert(None);
        }
        let bytes = data.bytes();
        return Ok(Some((Arc::new(Folder { tree: data, tablespaces, log }), "backup of Barman", bytes)));
    }
    let compressed = Tars::list(found, &format!("{folder}data/"), "base")
        .map(|tars| (tars, "backup of Barman, compressed"));
    let cloud =
        || Tars::list(found, folder, "data").map(|tars| (tars, "backup of Barman in the cloud's layout"));
    let Some((tars, kind)) = compressed.or_else(cloud) else { return Ok(None) };
    let bytes = tars.bytes(found);
    let (place, decryptor, map) = (found.place.clone(), options.decryptor.clone(), info.tablespaces.clone());
    Ok(Some((Arc::new(TarFiles { place, decryptor, tars, bytes, map, log }), kind, bytes)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_file_of_a_backup_is_read() {
        let text = "begin_xlog=0/2000028\nend_time=2026-11-30 13:20:52.165775+00:00\nstatus=DONE\n\
            tablespaces=[('outer', 16390, '/srv/ts')]\nversion=150018\n";
        let info = Info::parse(text);
        assert_eq!(info.major, Some(15));
        assert_eq!(info.ended_at, Some("2026-11-30T13:20:52.165775Z".parse().unwrap()));
        assert_eq!(info.tablespaces, ["16390"]);
        assert!(info.is_complete());
        assert!(!Info::parse("status=FAILED\n").is_complete());
        assert_eq!(Info::parse("tablespaces=None\n"), Info::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "((status|end_time|version|tablespaces)=|[0-9: +.-]|\n|.){0,40}") {
            let _ = Info::parse(&text);
        }
    }
}
