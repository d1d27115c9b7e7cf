//! A folder with several backups, one a file or a folder: last night's and those before it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use jiff::Timestamp;

use super::found::Found;
use super::placed::{Placed, named};
use super::{Artefact, ArtefactKind, Place, PlaceEntry, Recoverable, Select, VerifyOptions};
use crate::damage::choose;
use crate::repository::Reader;

/// Endings of files that lie beside a backup and are none.
const BESIDE: [&str; 9] = [".asc", ".log", ".md5", ".sha1", ".sha256", ".sha512", ".sig", ".md", ".txt"];

/// One file or folder of a place.
struct Candidate {
    name: String,
    /// When the newest of its files was written, where the place tells.
    written_at: Option<Timestamp>,
}

/// Chooses a backup of a folder that is none itself. `None` if nothing in it is a backup.
///
/// The newest is chosen by what the backups say of themselves; one that does not say when it was taken counts from when
/// it was written. The file that was written last must be a backup: otherwise last night's failed, and an older one would
/// be verified in its place.
pub(super) async fn choose_in(
    kinds: &[&dyn ArtefactKind],
    found: &Found,
    options: &Arc<VerifyOptions>,
) -> Result<Option<Arc<dyn Artefact>>> {
    let candidates = candidates(&found.entries);
    match &options.select {
        Select::Id(name) => {
            if !candidates.iter().any(|candidate| candidate.name == *name) {
                return Ok(None);
            }
            let chosen = recognise_one(kinds, found, name, options).await?;
            Ok(chosen.map(|artefact| chosen_one(artefact, name, String::new(), &candidates, None)))
        }
        Select::Random => {
            let mut recognised = recognise_all(kinds, found, &candidates, options).await;
            if recognised.is_empty() {
                return Ok(None);
            }
            let (count, recoverable) = (recognised.len(), in_order(&recognised, &candidates));
            let at = choose(options.seed, count);
            let (name, artefact) = recognised.swap_remove(at);
            let note = format!("chose {name} of {count} backups by the seed of the run");
            Ok(Some(chosen_one(artefact, &name, note, &candidates, Some(recoverable))))
        }
        Select::Latest => latest(kinds, found, &candidates, options).await,
    }
}

async fn latest(
    kinds: &[&dyn ArtefactKind],
    found: &Found,
    candidates: &[Candidate],
    options: &Arc<VerifyOptions>,
) -> Result<Option<Arc<dyn Artefact>>> {
    let recognised = recognise_all(kinds, found, candidates, options).await;
    if recognised.is_empty() {
        return Ok(None);
    }
    let newest_written = candidates.iter().max_by_key(|candidate| candidate.written_at);
    if let Some(newest) =
        newest_written.filter(|newest| !recognised.iter().any(|(name, _)| *name == newest.name))
    {
        let told = recognise_one(kinds, found, &newest.name, options).await.err();
        let place = found.place.name();
        let error = told.unwrap_or_else(|| {
            Error::could_not_verify(format!(
                "{}, which was written last in {place}, is no backup that Comeback recognises",
                newest.name
            ))
        });
        return Err(error.hint("name an older backup with --select NAME to verify that one"));
    }
    let (count, recoverable) = (recognised.len(), in_order(&recognised, candidates));
    let age = |name: &str, artefact: &Arc<dyn Artefact>| {
        artefact.summary().taken_at.or_else(|| written_at(candidates, name))
    };
    let newest = recognised.into_iter().max_by_key(|(name, artefact)| (age(name, artefact), name.clone()));
    Ok(newest.map(|(name, artefact)| {
        let by = match artefact.summary().taken_at {
            Some(_) => "the newest by what they say of themselves",
            None => "the one that was written last: it does not say when it was taken",
        };
        let note = format!("chose {name} of {count} backups, {by}");
        chosen_one(artefact, &name, note, candidates, Some(recoverable))
    }))
}

async fn recognise_all(
    kinds: &[&dyn ArtefactKind],
    found: &Found,
    candidates: &[Candidate],
    options: &Arc<VerifyOptions>,
) -> Vec<(String, Arc<dyn Artefact>)> {
    let mut recognised = Vec::new();
    for candidate in candidates {
        // What cannot be read is missing here; the caller asks again where that matters.
        if let Ok(Some(artefact)) = recognise_one(kinds, found, &candidate.name, options).await {
            recognised.push((candidate.name.clone(), artefact));
        }
    }
    recognised
}

async fn recognise_one(
    kinds: &[&dyn ArtefactKind],
    found: &Found,
    name: &str,
    options: &Arc<VerifyOptions>,
) -> Result<Option<Arc<dyn Artefact>>> {
    let place = Arc::new(Below {
        place: found.place.clone(),
        entries: below(&found.entries, name),
        name: name.to_owned(),
    });
    let one = Found::look(place, options.decryptor.as_deref()).await?;
    let options = Arc::new(VerifyOptions { select: Select::Latest, ..(**options).clone() });
    for kind in kinds {
        if let Some(artefact) = kind.recognise(&one, &options).await? {
            return Ok(Some(artefact));
        }
    }
    Ok(None)
}

fn chosen_one(
    artefact: Arc<dyn Artefact>,
    name: &str,
    note: String,
    candidates: &[Candidate],
    recoverable: Option<Recoverable>,
) -> Arc<dyn Artefact> {
    let written_at = written_at(candidates, name);
    Arc::new(Placed { artefact, name: Some(name.to_owned()), note, written_at, recoverable })
}

/// The backups of a folder, the oldest first. The log beside one of them is not that of the folder.
fn in_order(recognised: &[(String, Arc<dyn Artefact>)], candidates: &[Candidate]) -> Recoverable {
    let mut backups: Vec<_> = recognised.iter().map(|(name, one)| named(one.summary(), Some(name))).collect();
    backups.sort_by(|one, other| (one.taken_at, &one.id).cmp(&(other.taken_at, &other.id)));
    let is_recognised = |candidate: &&Candidate| recognised.iter().any(|(name, _)| *name == candidate.name);
    let unrecognised =
        candidates.iter().filter(|one| !is_recognised(one)).map(|one| one.name.clone()).collect();
    Recoverable { backups, unrecognised, log: None }
}

fn written_at(candidates: &[Candidate], name: &str) -> Option<Timestamp> {
    candidates.iter().find(|candidate| candidate.name == name)?.written_at
}

/// The files and folders right below a place, without what lies beside backups.
fn candidates(entries: &[PlaceEntry]) -> Vec<Candidate> {
    let mut named: BTreeMap<&str, Option<Timestamp>> = BTreeMap::new();
    for entry in entries {
        let name = entry.path.split('/').next().unwrap_or_default();
        if name.is_empty() || BESIDE.iter().any(|end| name.ends_with(end)) || name.starts_with('.') {
            continue;
        }
        let written = named.entry(name).or_default();
        *written = (*written).max(entry.modified_at);
    }
    named.into_iter().map(|(name, written_at)| Candidate { name: name.to_owned(), written_at }).collect()
}

/// The entries of one candidate, with the paths that they have below it.
fn below(entries: &[PlaceEntry], name: &str) -> Vec<PlaceEntry> {
    let inside = |entry: &PlaceEntry| {
        let rest = entry.path.strip_prefix(name)?;
        let path = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
        Some(PlaceEntry { path: path.to_owned(), ..entry.clone() })
    };
    entries.iter().filter_map(inside).collect()
}

/// A file or folder of a place, as a place of its own.
struct Below {
    place: Arc<dyn Place>,
    name: String,
    entries: Vec<PlaceEntry>,
}

impl Below {
    fn full(&self, path: &str) -> String {
        if path.is_empty() { self.name.clone() } else { format!("{}/{path}", self.name) }
    }
}

#[async_trait]
impl Place for Below {
    fn name(&self) -> String {
        format!("{}/{}", self.place.name().trim_end_matches('/'), self.name)
    }

    async fn list(&self) -> Result<Vec<PlaceEntry>> {
        Ok(self.entries.clone())
    }

    async fn open(&self, path: &str) -> Result<Reader> {
        self.place.open(&self.full(path)).await
    }

    fn local_path(&self, path: &str) -> Option<PathBuf> {
        self.place.local_path(&self.full(path))
    }

    async fn may_write(&self) -> Result<Option<bool>> {
        self.place.may_write().await
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::evidence::ArtefactSummary;

    use super::super::{Lack, Restored, recognise};
    use super::*;
    use crate::RestoreFailure;
    use crate::runner::Course;

    /// Takes files that begin with `backup`, and reads when they were taken from the rest.
    struct Fake;

    struct FakeArtefact(ArtefactSummary);

    #[async_trait]
    impl ArtefactKind for Fake {
        fn name(&self) -> &'static str {
            "fake"
        }

        fn looks_for(&self) -> &'static str {
            "the word backup"
        }

        async fn recognise(
            &self,
            found: &Found,
            _: &Arc<VerifyOptions>,
        ) -> Result<Option<Arc<dyn Artefact>>> {
            let head = String::from_utf8_lossy(&found.head).into_owned();
            let Some(at) = head.strip_prefix("backup") else { return Ok(None) };
            let taken_at = at.trim().parse().ok();
            let summary = ArtefactSummary { taken_at, ..ArtefactSummary::default() };
            Ok(Some(Arc::new(FakeArtefact(summary))))
        }
    }

    #[async_trait]
    impl Artefact for FakeArtefact {
        fn summary(&self) -> ArtefactSummary {
            self.0.clone()
        }

        async fn missing(&self, _: &mut Course) -> Result<Vec<Lack>> {
            Ok(Vec::new())
        }

        async fn restore(&self, _: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
            Err(Error::usage("it is a fake").into())
        }
    }

    /// A folder of these files, each written an hour after the one before it.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (hour, (name, text)) in (0..).zip(files) {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let at = std::time::UNIX_EPOCH + std::time::Duration::from_hours(hour);
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(at).unwrap();
        }
        folder
    }

    async fn chosen(files: &[(&str, &str)], select: Select) -> Result<String, String> {
        let folder = folder(files);
        let options = Arc::new(VerifyOptions { select, seed: 3, ..VerifyOptions::default() });
        let place = Arc::new(super::super::LocalPlace::new(folder.path()));
        let kinds: Vec<Box<dyn ArtefactKind>> = vec![Box::new(Fake)];
        let artefact =
            recognise(&kinds, place, &options).await.map_err(|error| error.message().to_owned())?;
        Ok(artefact.summary().id.unwrap_or_default())
    }

    #[tokio::test]
    async fn the_newest_is_chosen_by_what_the_backups_say() {
        let old = ("c.sql", "backup 2026-11-01T00:00:00Z");
        let new = ("a.sql", "backup 2026-11-02T00:00:00Z");
        assert_eq!(chosen(&[new, old], Select::Latest).await.unwrap(), "a.sql");
        assert_eq!(chosen(&[("b", "backup"), ("a", "backup")], Select::Latest).await.unwrap(), "a");
        assert_eq!(chosen(&[new, old], Select::Id("c.sql".to_owned())).await.unwrap(), "c.sql");
        let beside = ("a.sql.sha256", "0123");
        assert_eq!(chosen(&[old, new, beside], Select::Latest).await.unwrap(), "a.sql");
        assert!(chosen(&[new, old], Select::Random).await.is_ok());
    }

    #[tokio::test]
    async fn all_backups_of_a_folder_are_listed_the_oldest_first() {
        let names = |artefact: &dyn Artefact| {
            let Recoverable { backups, unrecognised, log } = artefact.recoverable();
            assert_eq!((log, unrecognised), (None, vec!["words.dat".to_owned()]));
            backups.into_iter().filter_map(|backup| backup.id).collect::<Vec<_>>()
        };
        let folder = folder(&[
            ("words.dat", "words"),
            ("c", "backup 2026-11-01T00:00:00Z"),
            ("b", "backup"),
            ("a", "backup 2026-11-02T00:00:00Z"),
        ]);
        let kinds: Vec<Box<dyn ArtefactKind>> = vec![Box::new(Fake)];
        let place = Arc::new(super::super::LocalPlace::new(folder.path()));
        for (select, listed) in [(Select::Latest, vec!["b", "c", "a"]), (Select::Random, vec!["b", "c", "a"])]
        {
            let options = Arc::new(VerifyOptions { select, ..VerifyOptions::default() });
            let artefact = recognise(&kinds, place.clone(), &options).await.unwrap();
            assert_eq!(names(&*artefact), listed);
        }
    }

    #[tokio::test]
    async fn an_older_backup_does_not_stand_in_for_one_that_failed() {
        let good = ("a.sql", "backup 2026-11-02T00:00:00Z");
        let empty = chosen(&[good, ("b.sql", "")], Select::Latest).await.unwrap_err();
        assert!(empty.contains("b.sql is empty"), "{empty}");
        let garbage = chosen(&[good, ("b.sql", "disk full")], Select::Latest).await.unwrap_err();
        assert!(garbage.contains("b.sql, which was written last"), "{garbage}");
        assert!(chosen(&[("b.sql", "disk full")], Select::Latest).await.is_err());
        let id = Select::Id("a.sql".to_owned());
        assert_eq!(chosen(&[good, ("b.sql", "")], id).await.unwrap(), "a.sql");
    }
}
