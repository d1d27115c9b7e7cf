//! The runs of earlier: those in the folder of the evidence, and those that are kept where it outlives this machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use comeback_engine::evidence::{JOURNAL_FILE, Record, read_journal};
use comeback_engine::evidence_store::EvidenceStore;
use comeback_error::{Error, Result};
use comeback_model::{Looked, looked_at};

use crate::repository::{RepositoryUrl, open};

/// Where runs are looked for.
#[derive(Debug, Clone)]
pub(crate) struct History {
    dir: PathBuf,
    store: Option<RepositoryUrl>,
}

/// The runs that were found.
#[derive(Default)]
pub(crate) struct Runs {
    /// Their records, the oldest first.
    pub(crate) records: Vec<Record>,
    /// Runs that cannot be read: they do not keep the others from being read.
    pub(crate) unreadable: Vec<Error>,
    /// Where they were looked for.
    pub(crate) places: Vec<String>,
}

impl History {
    /// The runs in the folder of the evidence, and in its store.
    pub(crate) fn new(dir: PathBuf, store: Option<RepositoryUrl>) -> Self {
        Self { dir, store }
    }

    /// Reads every run. A store that cannot be reached is an error: without it, the history would have gaps.
    pub(crate) async fn runs(&self) -> Result<Runs> {
        let mut runs = Runs { places: vec![self.dir.display().to_string()], ..Runs::default() };
        let mut known = BTreeSet::new();
        for folder in folders(&self.dir)? {
            let read = read_journal(&folder).and_then(|events| Record::from_events(&events));
            // The store may have a good copy of a run that cannot be read here.
            if read.is_ok() {
                known.extend(folder.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
            runs.add(read);
        }
        if let Some(store) = self.store().await? {
            runs.places.push(store.location());
            let mut names = store.runs().await?;
            names.retain(|name| !known.contains(name));
            for (_, events) in store.events_of(names).await {
                runs.add(events.and_then(|events| Record::from_events(&events)));
            }
        }
        runs.records.sort_by(|one, other| {
            (one.started_at, &one.run.run_id).cmp(&(other.started_at, &other.run.run_id))
        });
        Ok(runs)
    }

    /// The store of the evidence; `None` where there is none, or where no run was kept yet.
    async fn store(&self) -> Result<Option<EvidenceStore>> {
        match &self.store {
            Some(RepositoryUrl::Folder(folder)) if !folder.exists() => Ok(None),
            // Nothing is created in a bucket by opening it.
            Some(url) => Ok(Some(EvidenceStore::new(open(url, true).await?))),
            None => Ok(None),
        }
    }

    /// Every time that a backup was verified.
    pub(crate) async fn looked(&self) -> Result<Vec<Looked>> {
        Ok(self.runs().await?.looked())
    }
}

impl Runs {
    fn add(&mut self, read: Result<Record>) {
        match read {
            Ok(record) => self.records.push(record),
            Err(error) => self.unreadable.push(error.context("a run is left out")),
        }
    }

    /// Every time that a backup was verified. A damage on purpose says nothing of the backup.
    pub(crate) fn looked(&self) -> Vec<Looked> {
        self.records.iter().filter(|record| record.run.damage.is_none()).flat_map(looked_at).collect()
    }
}

/// The evidence folders below a folder, by name; none if it does not exist.
pub(crate) fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let complain =
        |error: std::io::Error| Error::could_not_verify(format!("reading {}: {error}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(complain)?;
    let mut folders = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(complain)?;
    folders.retain(|folder| folder.join(JOURNAL_FILE).is_file());
    folders.sort();
    Ok(folders)
}
