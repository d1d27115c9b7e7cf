//! Where the evidence of runs is kept when their machine is gone.
//!
//! A run is kept as a backup is: whole and once, in a [`Repository`]. Its files come first; the list of them with their
//! SHA-256 comes last, under a name that can be given only once. What a killed upload left is never listed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_error::{Context as _, Error, Result};
use comeback_model::FileEntry;
use futures_util::stream::{StreamExt as _, iter};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::evidence::{Event, JOURNAL_FILE, parse_journal};
use crate::repository::{Reader, Repository, Upload, ensure_file_name};
use crate::sha256::Sha256;

/// The version of the list of files.
const VERSION: u32 = 1;
/// How many runs are read at once.
const PARALLEL: usize = 16;
/// How much of a file is in memory.
const BUFFER_BYTES: usize = 256 * 1024;
/// The files that are made from the journal again by `comeback report`.
const REPORTS: [&str; 4] = ["junit.xml", "report.html", "report.json", "summary.md"];
/// A file that keeps its folder out of every store: the folder holds data of users, such as the content of a server before
/// it was replaced.
pub const STAYS: &str = ".stays-here";

/// Runs that are kept in a repository of their own.
#[derive(Clone)]
pub struct EvidenceStore(Arc<dyn Repository>);

/// What was kept of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRun {
    evidence_version: u32,
    /// The name of its evidence folder.
    pub run: String,
    /// Its files.
    pub files: Vec<FileEntry>,
    /// Folders that stay on their machine: they hold data of users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// What keeping a run has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// The run is in the store now.
    Stored,
    /// The store had this run already, file for file.
    WasThere,
}

impl EvidenceStore {
    /// The runs in a repository, which holds nothing else.
    pub fn new(repository: Arc<dyn Repository>) -> Self {
        Self(repository)
    }

    /// Its location, for people.
    pub fn location(&self) -> String {
        self.0.location()
    }

    /// The names of the runs, the newest first.
    pub async fn runs(&self) -> Result<Vec<String>> {
        self.0.list().await
    }

    /// Keeps the run in an evidence folder. A run is never replaced: one of the same name with other files is an error.
    pub async fn keep(&self, folder: &Path) -> Result<Keeping> {
        let doing = format!("keeping the evidence in {}", self.location());
        self.put(folder).await.map_err(|error| {
            error.context(doing).hint(format!("to try again: comeback evidence push {}", folder.display()))
        })
    }

    async fn put(&self, folder: &Path) -> Result<Keeping> {
        let run = name_of(folder)?;
        let Found { files, left_out } = look(folder).await?;
        let mut entries = Vec::with_capacity(files.len());
        for name in files {
            entries.push(entry_of(&name, open(&folder.join(&name)).await?).await?);
        }
        let kept = KeptRun { evidence_version: VERSION, run: run.clone(), files: entries, left_out };
        let text = serde_json::to_vec_pretty(&kept).context("writing the list of files")?;
        let mut upload = match self.0.resume(&run, &Sha256::of(&text)).await {
            Ok(upload) => upload,
            // To list a store of many runs takes long.
            Err(refused) => {
                let Ok(there) = self.kept(&run).await else { return Err(refused) };
                return compare(&there, &kept);
            }
        };
        for file in &kept.files {
            // A try that was interrupted may have left it there, whole or not.
            let is_there = match upload.read(&file.name).await? {
                Some(present) => entry_of(&file.name, present).await? == *file,
                None => false,
            };
            if !is_there {
                send(&mut *upload, file, open(&folder.join(&file.name)).await?).await?;
            }
        }
        upload.commit(&text).await.map(|()| Keeping::Stored)
    }

    /// What is kept of a run.
    pub async fn kept(&self, run: &str) -> Result<KeptRun> {
        let text = self.0.manifest_bytes(run).await?;
        let kept: KeptRun = serde_json::from_slice(&text).map_err(|error| {
            Error::failed(format!("the list of files of run {run} cannot be read: {error}"))
        })?;
        if kept.evidence_version > VERSION {
            return Err(Error::could_not_verify(format!(
                "the evidence of run {run} has version {}, and this is a reader of version {VERSION}",
                kept.evidence_version
            ))
            .hint("use the version of comeback that wrote it, or a newer one"));
        }
        Ok(kept)
    }

    /// The events of a run. Its journal must be as it was when the run was kept.
    pub async fn events(&self, run: &str) -> Result<Vec<Event>> {
        let kept = self.kept(run).await?;
        let journal = kept.files.iter().find(|file| file.name == JOURNAL_FILE);
        let journal = journal
            .ok_or_else(|| Error::could_not_verify(format!("run {run} was kept without its journal")))?;
        let content = self.read(run, journal).await?;
        parse_journal(&format!("{}/{run}/{JOURNAL_FILE}", self.location()), &content)
    }

    /// The events of several runs, several at a time, each with the name of its run.
    pub async fn events_of(&self, runs: Vec<String>) -> Vec<(String, Result<Vec<Event>>)> {
        let read = iter(runs).map(|run| async move {
            let events = self.events(&run).await;
            (run, events)
        });
        read.buffered(PARALLEL).collect().await
    }

    /// Writes the files of a run into a new folder below `parent`, which gets the run's name. Returns the folder.
    pub async fn fetch(&self, run: &str, parent: &Path) -> Result<PathBuf> {
        let kept = self.kept(run).await?;
        let folder = parent.join(run);
        if folder.exists() {
            return Err(Error::usage(format!("{} exists already", folder.display()))
                .hint("name another folder with --out"));
        }
        let doing = format!("writing the evidence to {}", parent.display());
        tokio::fs::create_dir_all(parent).await.context(&doing)?;
        // The run's name appears only once every file is there.
        let unfinished = tempfile::Builder::new().prefix(".comeback-").tempdir_in(parent).context(&doing)?;
        for file in &kept.files {
            ensure_file_name(&file.name)?;
            let path = unfinished.path().join(&file.name);
            if let Some(folder) = path.parent() {
                tokio::fs::create_dir_all(folder).await.context(&doing)?;
            }
            let content = self.read(run, file).await?;
            let file =
                tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).await;
            let mut file = file.context(&doing)?;
            file.write_all(&content).await.context(&doing)?;
            // Only this tells of a write that failed: tokio's `sync_all` does not.
            file.flush().await.context(&doing)?;
            file.sync_all().await.context(&doing)?;
        }
        tokio::fs::rename(unfinished.path(), &folder).await.context(&doing)?;
        let _ = unfinished.keep();
        Ok(folder)
    }

    async fn read(&self, run: &str, file: &FileEntry) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let mut reader = self.0.open(run, &file.name).await?;
        reader.read_to_end(&mut content).await.context(format_args!("reading {} of run {run}", file.name))?;
        if entry(&file.name, &content) == *file {
            return Ok(content);
        }
        Err(Error::failed(format!(
            "{} of run {run} in {} is not the file that was kept: its SHA-256 differs",
            file.name,
            self.location()
        ))
        .hint("it was changed after the run: do not trust it"))
    }
}

/// Reports are left out: they follow from the journal, and another version may write them otherwise.
fn compare(there: &KeptRun, kept: &KeptRun) -> Result<Keeping> {
    let files = kept.files.iter().chain(&there.files).filter(|file| !REPORTS.contains(&file.name.as_str()));
    let differing = files.filter(|file| !(there.files.contains(file) && kept.files.contains(file)));
    let names: BTreeSet<_> = differing.map(|file| file.name.as_str()).collect();
    if names.is_empty() {
        return Ok(Keeping::WasThere);
    }
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    Err(Error::failed(format!("run {} is there already, with other files: {names}", kept.run))
        .hint("one of the two was changed after its end: compare them before you trust either"))
}

fn entry(name: &str, content: &[u8]) -> FileEntry {
    FileEntry { name: name.to_owned(), bytes: content.len() as u64, sha256: Sha256::of(content) }
}

async fn open(path: &Path) -> Result<Reader> {
    let file = tokio::fs::File::open(path).await.context(format_args!("reading {}", path.display()))?;
    Ok(Box::new(file))
}

/// The size and the SHA-256 of a file, which may be large.
async fn entry_of(name: &str, mut reader: Reader) -> Result<FileEntry> {
    let (mut bytes, mut sha256, mut buffer) = (0, Sha256::default(), vec![0; BUFFER_BYTES]);
    loop {
        let read = reader.read(&mut buffer).await.context(format_args!("reading {name}"))?;
        if read == 0 {
            return Ok(FileEntry { name: name.to_owned(), bytes, sha256: sha256.finish() });
        }
        bytes += read as u64;
        sha256.update(&buffer[..read]);
    }
}

async fn send(upload: &mut dyn Upload, file: &FileEntry, mut reader: Reader) -> Result<()> {
    let doing = format!("writing {}", file.name);
    let mut writer = upload.create(&file.name).await?;
    let (mut sent, mut buffer) = (Sha256::default(), vec![0; BUFFER_BYTES]);
    loop {
        let read = reader.read(&mut buffer).await.context(format_args!("reading {}", file.name))?;
        if read == 0 {
            break;
        }
        sent.update(&buffer[..read]);
        writer.write_all(&buffer[..read]).await.context(&doing)?;
    }
    if sent.finish() != file.sha256 {
        return Err(Error::could_not_verify(format!("{} changed while it was read", file.name))
            .hint("keep a run when it has ended"));
    }
    writer.shutdown().await.context(&doing)
}

fn name_of(folder: &Path) -> Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Error::usage(format!("{} is no evidence of a run", folder.display())));
    name.map(ToOwned::to_owned)
}

/// What an evidence folder holds.
#[derive(Default)]
struct Found {
    /// The names of the files, sorted; `/` separates folders. Links are not followed.
    files: Vec<String>,
    /// The folders that [stay](STAYS) where they are.
    left_out: Vec<String>,
}

async fn look(folder: &Path) -> Result<Found> {
    let (root, doing) = (folder.to_owned(), format!("reading {}", folder.display()));
    let listed = tokio::task::spawn_blocking(move || {
        let (mut found, mut folders) = (Found::default(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            let named = |path: &Path| path.strip_prefix(&root).ok().and_then(Path::to_str).map(str::to_owned);
            if folder.join(STAYS).exists() {
                found.left_out.extend(named(&folder));
                continue;
            }
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let (kind, path) = (entry.file_type()?, entry.path());
                if kind.is_dir() {
                    folders.push(path);
                } else if kind.is_file() {
                    found.files.extend(named(&path));
                }
            }
        }
        found.files.sort();
        found.left_out.sort();
        std::io::Result::Ok(found)
    });
    listed.await.context(&doing)?.context(&doing)
}

#[cfg(test)]
mod tests {
    use comeback_error::ErrorKind;

    use super::*;
    use crate::repository::LocalRepository;

    fn run(parent: &Path, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let folder = parent.join(name);
        for (name, content) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    async fn store(folder: &Path) -> EvidenceStore {
        EvidenceStore::new(Arc::new(LocalRepository::open(folder.join("store")).await.unwrap()))
    }

    #[tokio::test]
    async fn a_run_is_kept_whole_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("journal.jsonl", "{}\n"), ("logs/postgres.log", "ready\n")];
        let first = run(folder.path(), "20261201T060000Z-0a", &files);
        let store = store(folder.path()).await;
        assert_eq!(store.keep(&first).await.unwrap(), Keeping::Stored);
        assert_eq!(store.keep(&first).await.unwrap(), Keeping::WasThere);
        assert_eq!(store.runs().await.unwrap(), ["20261201T060000Z-0a"]);
        let fetched = store.fetch("20261201T060000Z-0a", &folder.path().join("out")).await.unwrap();
        for (name, content) in files {
            assert_eq!(std::fs::read_to_string(fetched.join(name)).unwrap(), content);
        }
        let twice = store.fetch("20261201T060000Z-0a", &folder.path().join("out")).await.unwrap_err();
        assert_eq!(twice.kind(), ErrorKind::Usage);

        // Reports can be made again; what a run saw cannot.
        std::fs::write(first.join("summary.md"), "other words\n").unwrap();
        assert_eq!(store.keep(&first).await.unwrap(), Keeping::WasThere);
        std::fs::write(first.join("journal.jsonl"), "{ }\n").unwrap();
        let changed = store.keep(&first).await.unwrap_err();
        assert_eq!(changed.kind(), ErrorKind::Failed);
        assert!(changed.message().contains("with other files: journal.jsonl"), "{changed}");
    }

    #[tokio::test]
    async fn runs_that_are_kept_at_once_do_not_meet() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let runs: Vec<_> = (0..8)
            .map(|at| {
                run(folder.path(), &format!("20261201T060000Z-0{at}"), &[("journal.jsonl", &at.to_string())])
            })
            .collect();
        let kept = futures_util::future::join_all(runs.iter().map(|run| store.keep(run))).await;
        assert!(kept.into_iter().all(|kept| kept.unwrap() == Keeping::Stored));
        assert_eq!(store.runs().await.unwrap().len(), 8);
        for (at, run) in runs.iter().enumerate() {
            let name = run.file_name().unwrap().to_str().unwrap();
            let kept = store.kept(name).await.unwrap();
            assert_eq!(kept.files, [entry("journal.jsonl", at.to_string().as_bytes())]);
        }
    }

    #[tokio::test]
    async fn data_of_users_stays_and_a_try_that_was_interrupted_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let files =
            [("journal.jsonl", "{}\n"), ("logs/damaged/x/dump.rdb.gz", "secret"), ("logs/a.log", "a")];
        let first = run(folder.path(), "20261201T060000Z-0a", &files);
        std::fs::write(first.join("logs/damaged").join(STAYS), "").unwrap();
        let repository = Arc::new(LocalRepository::open(folder.path().join("store")).await.unwrap());
        let store = EvidenceStore::new(repository.clone());
        let kept = KeptRun {
            evidence_version: VERSION,
            run: "20261201T060000Z-0a".to_owned(),
            files: vec![entry("journal.jsonl", b"{}\n"), entry("logs/a.log", b"a")],
            left_out: vec!["logs/damaged".to_owned()],
        };
        let text = serde_json::to_vec_pretty(&kept).unwrap();
        let mut upload = repository.resume(&kept.run, &Sha256::of(&text)).await.unwrap();
        let mut half = upload.create("logs/a.log").await.unwrap();
        half.write_all(b"half").await.unwrap();
        half.shutdown().await.unwrap();
        drop((half, upload));
        assert_eq!(store.runs().await.unwrap(), [""; 0]);
        assert_eq!(store.keep(&first).await.unwrap(), Keeping::Stored);
        assert_eq!(store.kept(&kept.run).await.unwrap(), kept);
        assert!(!folder.path().join("store/20261201T060000Z-0a/logs/damaged").exists());
        store.fetch(&kept.run, &folder.path().join("out")).await.unwrap();
    }

    #[tokio::test]
    async fn evidence_that_was_changed_in_the_store_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let first = run(folder.path(), "20261201T060000Z-0a", &[("journal.jsonl", "{}\n")]);
        let store = store(folder.path()).await;
        store.keep(&first).await.unwrap();
        let journal = folder.path().join("store/20261201T060000Z-0a/journal.jsonl");
        std::fs::write(journal, "{ }\n").unwrap();
        let error = store.events("20261201T060000Z-0a").await.unwrap_err();
        assert!(error.kind() == ErrorKind::Failed && error.message().contains("is not the file"), "{error}");
        assert!(store.fetch("20261201T060000Z-0a", &folder.path().join("out")).await.is_err());
        assert!(!folder.path().join("out/20261201T060000Z-0a").exists());
    }
}
