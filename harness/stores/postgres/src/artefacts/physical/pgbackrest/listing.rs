//! What a pgBackRest repository says of itself: `pgbackrest info --output=json`.
//!
//! Source: "Command Reference: Info" of pgBackRest; the fields are the same in 2.45 and 2.55.

use comeback_engine::artefact::{Select, VerifyOptions};
use comeback_engine::substrate::Need;
use comeback_model::{Lsn, RecoveryPoint};
use jiff::Timestamp;
use serde::Deserialize;

/// A stanza: a cluster and its backups.
#[derive(Debug, Deserialize)]
pub(super) struct Stanza {
    pub(super) name: String,
    #[serde(default)]
    pub(super) archive: Vec<Archive>,
    /// The oldest first.
    #[serde(default)]
    pub(super) backup: Vec<Backup>,
    #[serde(default)]
    db: Vec<Database>,
    pub(super) status: Status,
    #[serde(default)]
    repo: Vec<Repo>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Archive {
    pub(super) id: String,
    database: DatabaseId,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Backup {
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) backrest: Software,
    pub(super) info: Info,
    database: DatabaseId,
    /// Absent in backups of a server that could not tell.
    #[serde(default)]
    lsn: Option<Positions>,
    timestamp: Times,
    /// Whether pages with wrong checksums were met while it was taken.
    #[serde(default)]
    pub(super) error: Option<bool>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Software {
    pub(super) version: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Info {
    /// The size of the cluster, in bytes.
    #[serde(default)]
    pub(super) size: Option<u64>,
    #[serde(default)]
    pub(super) repository: Option<Stored>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Stored {
    #[serde(default)]
    pub(super) size: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
struct DatabaseId {
    id: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct Positions {
    stop: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Times {
    /// In seconds since 1970.
    stop: i64,
}

#[derive(Debug, Deserialize)]
struct Database {
    id: u64,
    version: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Status {
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

#[derive(Debug, Deserialize)]
struct Repo {
    status: Status,
}

impl Backup {
    /// The disk for its files, twice: the tool restores into a folder of this machine, from which they are copied into
    /// the node.
    pub(super) fn need(&self) -> Need {
        let bytes = self.info.size.unwrap_or_default();
        Need { node_bytes: bytes, repository_bytes: bytes, ..Need::default() }
    }

    /// When it was complete.
    pub(super) fn ended_at(&self) -> Option<Timestamp> {
        Timestamp::from_second(self.timestamp.stop).ok()
    }

    fn end_lsn(&self) -> Option<Lsn> {
        self.lsn.as_ref()?.stop.as_ref()?.parse().ok()
    }

    /// Whether recovery from it can stop at a point, as far as the listing shows.
    fn leads_to(&self, point: &RecoveryPoint) -> bool {
        match point {
            RecoveryPoint::Time(at) => self.ended_at().is_some_and(|end| end <= *at),
            RecoveryPoint::Lsn(lsn) => self.end_lsn().is_none_or(|end| end <= *lsn),
            _ => true,
        }
    }
}

impl Stanza {
    /// The chosen backup: of those from which the target can be reached. `Err` says why there is none.
    pub(super) fn choose(&self, options: &VerifyOptions) -> Result<&Backup, String> {
        let point = options.target.as_ref().map(|target| &target.point);
        let fit: Vec<_> =
            self.backup.iter().filter(|backup| point.is_none_or(|point| backup.leads_to(point))).collect();
        let chosen = match &options.select {
            Select::Latest => fit.iter().max_by_key(|backup| backup.timestamp.stop),
            Select::Random => {
                usize::try_from(options.seed).unwrap_or(0).checked_rem(fit.len()).and_then(|at| fit.get(at))
            }
            Select::Id(id) => fit.iter().find(|backup| backup.label == *id),
        };
        chosen.copied().ok_or_else(|| {
            let all = self.backup.iter().map(|backup| backup.label.as_str()).collect::<Vec<_>>().join(", ");
            let which = match (&options.select, &options.target) {
                (Select::Id(id), None) => format!("no backup {id}"),
                (Select::Id(id), Some(target)) => format!("no backup {id} that leads to {target}"),
                (_, Some(target)) => format!("no backup that leads to {target}"),
                (_, None) => "no backup".to_owned(),
            };
            format!("{which} in stanza {}; it has: {all}", self.name)
        })
    }

    /// The major version of the server that a backup was taken of.
    pub(super) fn major_of(&self, backup: &Backup) -> Option<u32> {
        let database = self.db.iter().find(|database| database.id == backup.database.id)?;
        database.version.split('.').next()?.parse().ok()
    }

    /// The folder in the archive with the log of a backup's cluster.
    pub(super) fn archive_of(&self, backup: &Backup) -> Option<&str> {
        let archive = self.archive.iter().find(|archive| archive.database == backup.database)?;
        Some(&archive.id)
    }

    /// What the tool says is wrong with it; `None` if it can be read.
    pub(super) fn complaint(&self) -> Option<String> {
        let of_repository = self.repo.iter().map(|repo| &repo.status).find(|status| status.code != 0);
        let status = if self.status.code == 0 { return None } else { of_repository.unwrap_or(&self.status) };
        Some(status.message.lines().map(str::trim).collect::<Vec<_>>().join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What pgBackRest 2.45 printed for a full backup and an incremental one, shortened.
    const INFO: &str = r#"[{"archive":[{"database":{"id":1,"repo-key":1},"id":"15-1","max":"000000010000000000000006"}],
        "backup":[{"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,
        "info":{"delta":22992631,"repository":{"delta":3056753,"size":3056753},"size":22992631},
        "label":"20261130-130403F","lsn":{"start":"0/2000028","stop":"0/2000100"},"prior":null,"reference":null,
        "timestamp":{"start":1796043843,"stop":1796043856},"type":"full"},
        {"backrest":{"format":5,"version":"2.45"},"database":{"id":1,"repo-key":1},"error":false,
        "info":{"delta":1450250,"repository":{"delta":167764,"size":3062024},"size":23033591},
        "label":"20261130-130403F_20261130-130418I","lsn":{"start":"0/4000028","stop":"0/5000050"},
        "timestamp":{"start":1796043858,"stop":1796043860},"type":"incr"}],"cipher":"none",
        "db":[{"id":1,"repo-key":1,"system-id":7713949544375504477,"version":"15"}],"name":"app",
        "repo":[{"cipher":"none","key":1,"status":{"code":0,"message":"ok"}}],
        "status":{"code":0,"lock":{"backup":{"held":false}},"message":"ok"}}]"#;

    fn chosen(select: Select, target: Option<RecoveryPoint>) -> Result<String, String> {
        let stanzas: Vec<Stanza> = serde_json::from_str(INFO).unwrap();
        let target = target.map(comeback_model::RecoveryTarget::including);
        let options = VerifyOptions { select, target, ..VerifyOptions::default() };
        stanzas[0].choose(&options).map(|backup| backup.label.clone())
    }

    #[test]
    fn the_newest_backup_before_the_target_is_chosen() {
        let (full, incremental) = ("20261130-130403F", "20261130-130403F_20261130-130418I");
        assert_eq!(chosen(Select::Latest, None).unwrap(), incremental);
        let time = |at: i64| Some(RecoveryPoint::Time(Timestamp::from_second(at).unwrap()));
        assert_eq!(chosen(Select::Latest, time(1_796_043_859)).unwrap(), full);
        assert_eq!(chosen(Select::Latest, time(1_796_043_860)).unwrap(), incremental);
        let lsn = Some(RecoveryPoint::Lsn("0/4000000".parse().unwrap()));
        assert_eq!(chosen(Select::Latest, lsn).unwrap(), full);
        assert_eq!(chosen(Select::Id(full.to_owned()), None).unwrap(), full);
        let why = chosen(Select::Latest, time(1)).unwrap_err();
        assert!(why.starts_with("no backup that leads to time 1970") && why.contains(full), "{why}");
    }

    #[test]
    fn a_stanza_says_its_version_and_its_archive() {
        let stanzas: Vec<Stanza> = serde_json::from_str(INFO).unwrap();
        let backup = &stanzas[0].backup[0];
        assert_eq!(stanzas[0].major_of(backup), Some(15));
        assert_eq!(stanzas[0].archive_of(backup), Some("15-1"));
        assert_eq!(stanzas[0].complaint(), None);
        let twice = Need { node_bytes: 22_992_631, repository_bytes: 22_992_631, memory_bytes: 0 };
        assert_eq!(backup.need(), twice);
    }

    #[test]
    fn what_the_tool_cannot_read_is_told() {
        let info = r#"[{"archive":[],"backup":[],"cipher":"none","db":[],"name":"app","repo":[{"cipher":"none","key":1,
            "status":{"code":99,"message":"[FormatError] unable to load info file\nHINT: x"}}],
            "status":{"code":99,"lock":{"backup":{"held":false}},"message":"other"}}]"#;
        let stanzas: Vec<Stanza> = serde_json::from_str(info).unwrap();
        let complaint = stanzas[0].complaint().unwrap();
        assert_eq!(complaint, "[FormatError] unable to load info file; HINT: x");
    }
}
