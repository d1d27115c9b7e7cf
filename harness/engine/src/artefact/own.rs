//! Backups that Comeback took itself: their manifests say what was backed up, to the byte.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::{Context as _, Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{ContentKind, Manifest};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use super::{Found, Place, PlaceEntry, Recoverable, Select, VerifyOptions};
use crate::RestoreFailure;
use crate::judge::{ProvenanceJudge, distrust};
use crate::repository::{GuardedRepository, Keyring, Reader, Repository, SealedRepository, Upload};

const MANIFEST: &str = "manifest.json";
/// The folder of the log archives in a repository.
const LOG: &str = "wal";
/// A longer manifest is not ours: that of a cluster with 100,000 tables has some 600 MB.
const LONGEST_MANIFEST: u64 = 2 << 30;
/// A longer file beside a manifest is not ours.
const LONGEST_SIDECAR: u64 = 1 << 20;

/// One of Comeback's own backups in a place.
pub struct OwnBackup {
    /// Its manifest.
    pub manifest: Manifest,
    /// The place as a repository, which is read and never written.
    pub repository: Arc<dyn Repository>,
    /// The backup in figures.
    pub summary: ArtefactSummary,
    /// All of Comeback's own backups in the place that can be verified there.
    pub recoverable: Recoverable,
}

impl OwnBackup {
    /// Refuses a backup that no trusted key vouches for, before anything of it is run.
    pub async fn ensure_trusted(&self) -> Result<(), RestoreFailure> {
        match distrust(&*self.repository, &self.manifest.id).await? {
            Some(finding) => Err(finding.into()),
            None => Ok(()),
        }
    }

    /// The judge of who signed it.
    pub fn provenance(&self) -> ProvenanceJudge<'_> {
        ProvenanceJudge { repository: &*self.repository, id: &self.manifest.id }
    }
}

/// The beginning of a manifest: enough to choose.
#[derive(Deserialize)]
struct Head {
    id: String,
    taken_at: Timestamp,
    /// In a manifest that is not encrypted.
    content: Option<Tag>,
    /// In the head of an encrypted one.
    sealed: Option<Tag>,
}

impl Head {
    fn kind(&self) -> &str {
        self.content.as_ref().or(self.sealed.as_ref()).map_or("", |tag| &tag.kind)
    }

    /// The kind in the words of the reports; that of a newer version as it is written.
    fn label(&self) -> String {
        let known = serde_json::from_value::<ContentKind>(self.kind().into());
        known.map_or_else(|_| self.kind().to_owned(), |kind| kind.label().to_owned())
    }
}

#[derive(Deserialize)]
struct Tag {
    kind: String,
}

/// Chooses one of Comeback's own backups in a place: a repository, or the folder of one backup. `None` if there is
/// none, or if the chosen one is of another kind than `wanted`, the tags of [`comeback_model::Content`].
///
/// The newest one is the one of the latest moment, by its manifest. It is chosen among all kinds, unless the user
/// has named the kind `own`.
pub async fn find_own(
    found: &Found,
    options: &VerifyOptions,
    own: &str,
    wanted: &[&str],
) -> Result<Option<OwnBackup>> {
    let mut heads: Vec<(String, Head)> = Vec::new();
    for entry in &found.entries {
        let Some(folder) = folder_of(&entry.path) else { continue };
        if let Some(head) = read_head(found, entry).await? {
            heads.push((folder.to_owned(), head));
        }
    }
    if heads.is_empty() {
        return Ok(None);
    }
    let is_named = options.kind.as_deref() == Some(own);
    let may_be = |head: &Head| {
        if is_named {
            wanted.contains(&head.kind())
        } else {
            // The bytes of an inventory's objects stay in their bucket.
            head.kind() != "object_inventory"
        }
    };
    let Some(head) = choose(&heads, options, may_be)? else { return Ok(None) };
    if !wanted.contains(&head.kind()) {
        return Ok(None);
    }
    let folders = heads.iter().map(|(folder, head)| (head.id.clone(), folder.clone())).collect();
    let place = PlaceRepository { place: found.place.clone(), entries: found.entries.clone(), folders };
    let keys = Keyring::new(None, options.trusted_keys.clone());
    let guarded = Arc::new(GuardedRepository::new(Arc::new(place), keys, false));
    let repository = SealedRepository::new(guarded, None, options.decryptor.clone());
    let manifest = repository.manifest(&head.id).await?;
    let summary = summarise(found, &manifest);
    let recoverable = list(found, heads.iter().map(|(_, head)| head).filter(|head| may_be(head)));
    Ok(Some(OwnBackup { manifest, repository: Arc::new(repository), summary, recoverable }))
}

/// The backups, the oldest first, with what the beginnings of their manifests say.
fn list<'a>(found: &Found, heads: impl Iterator<Item = &'a Head>) -> Recoverable {
    let summary = |head: &Head| ArtefactSummary {
        source: found.place.name(),
        id: Some(head.id.clone()),
        kind: format!("{} of comeback", head.label()),
        taken_at: Some(head.taken_at),
        ..ArtefactSummary::default()
    };
    let mut backups: Vec<_> = heads.map(summary).collect();
    backups.sort_by(|one, other| (one.taken_at, &one.id).cmp(&(other.taken_at, &other.id)));
    Recoverable { backups, ..Recoverable::default() }
}

/// The folder of a manifest; `None` for another file. Manifests lie in the place itself or in a folder of it.
fn folder_of(path: &str) -> Option<&str> {
    let folder = path.strip_suffix(MANIFEST)?;
    match folder.strip_suffix('/') {
        None => folder.is_empty().then_some(folder),
        Some(name) => (!name.contains('/') && !name.starts_with('.') && name != LOG).then_some(folder),
    }
}

async fn read_head(found: &Found, entry: &PlaceEntry) -> Result<Option<Head>> {
    if entry.bytes > LONGEST_MANIFEST {
        return Ok(None);
    }
    let text = read(&*found.place, &entry.path).await?;
    match serde_json::from_slice::<Head>(&text) {
        Ok(head) => Ok(Some(head)),
        // Other tools have files of this name, too.
        Err(_) if !text.windows(MARK.len()).any(|bytes| bytes == MARK) => Ok(None),
        Err(error) => {
            let what =
                format!("the manifest {} in {} cannot be read: {error}", entry.path, found.place.name());
            Err(Error::failed(what)
                .hint("verify an older backup with --select, and find out what cut this one"))
        }
    }
}

/// What is in every manifest of ours.
const MARK: &[u8] = b"\"manifest_version\"";

fn choose<'a>(
    heads: &'a [(String, Head)],
    options: &VerifyOptions,
    may_be: impl Fn(&Head) -> bool,
) -> Result<Option<&'a Head>> {
    let mut of_kind: Vec<_> = heads.iter().map(|(_, head)| head).filter(|head| may_be(head)).collect();
    of_kind.sort_by(|one, other| (one.taken_at, &one.id).cmp(&(other.taken_at, &other.id)));
    match &options.select {
        Select::Latest => Ok(of_kind.last().copied()),
        Select::Random => {
            let count = of_kind.len() as u64;
            let at = options.seed.checked_rem(count).and_then(|at| usize::try_from(at).ok());
            Ok(at.and_then(|at| of_kind.get(at).copied()))
        }
        Select::Id(id) => {
            let named = heads.iter().map(|(_, head)| head).find(|head| head.id == *id);
            let named = named.ok_or_else(|| {
                let newest = of_kind.iter().rev().take(5).map(|head| head.id.as_str());
                Error::usage(format!("there is no backup `{id}`"))
                    .hint(format!("the newest are: {}", newest.collect::<Vec<_>>().join(", ")))
            })?;
            Ok(Some(named))
        }
    }
}

fn summarise(found: &Found, manifest: &Manifest) -> ArtefactSummary {
    let versions = manifest.versions.iter().map(|(name, version)| format!("{name} {version}"));
    ArtefactSummary {
        source: found.place.name(),
        id: Some(manifest.id.clone()),
        kind: format!("{} of comeback", manifest.content.label()),
        bytes: Some(manifest.files.iter().map(|file| file.bytes).sum()),
        taken_at: Some(manifest.taken_at),
        software: Some(versions.collect::<Vec<_>>().join(", ")),
    }
}

async fn read(place: &dyn Place, path: &str) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut file = place.open(path).await?.take(LONGEST_MANIFEST);
    file.read_to_end(&mut text).await.context(format!("reading {path} in {}", place.name()))?;
    Ok(text)
}

/// A place as a repository that nobody writes to.
struct PlaceRepository {
    place: Arc<dyn Place>,
    entries: Vec<PlaceEntry>,
    /// Name of a backup → its folder, with `/` at its end unless it is the place itself.
    folders: BTreeMap<String, String>,
}

impl PlaceRepository {
    fn path(&self, id: &str, file: &str) -> Result<String> {
        let folder = self.folders.get(id);
        let folder = folder
            .ok_or_else(|| Error::usage(format!("there is no backup `{id}` in {}", self.place.name())))?;
        Ok(format!("{folder}{file}"))
    }

    /// The files of a log archive, by name and path. They may lie in folders of the archive's own.
    fn log_paths<'a>(&'a self, cluster: &str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let below = format!("{LOG}/{cluster}/");
        let inside = self.entries.iter().filter(move |entry| entry.path.starts_with(&below));
        inside.filter_map(|entry| Some((entry.path.rsplit('/').next()?, entry.path.as_str())))
    }

    async fn open_listed(&self, path: &str) -> Result<Reader> {
        if !self.entries.iter().any(|entry| entry.path == path) {
            return Err(Error::failed(format!("there is no {path} in {}", self.place.name())));
        }
        self.place.open(path).await
    }

    fn read_only<T>(&self) -> Result<T> {
        Err(Error::usage(format!("{} is verified, and nothing is written to it", self.place.name())))
    }
}

#[async_trait]
impl Repository for PlaceRepository {
    fn location(&self) -> String {
        self.place.name()
    }

    async fn begin(&self, _: &str) -> Result<Box<dyn Upload>> {
        self.read_only()
    }

    async fn list(&self) -> Result<Vec<String>> {
        Ok(self.folders.keys().rev().cloned().collect())
    }

    async fn manifest_bytes(&self, id: &str) -> Result<Vec<u8>> {
        read(&*self.place, &self.path(id, MANIFEST)?).await
    }

    async fn beside(&self, id: &str, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.path(id, name)?;
        let is_there = self.entries.iter().any(|entry| entry.path == path && entry.bytes < LONGEST_SIDECAR);
        if is_there { read(&*self.place, &path).await.map(Some) } else { Ok(None) }
    }

    async fn open(&self, id: &str, file: &str) -> Result<Reader> {
        self.open_listed(&self.path(id, file)?).await
    }

    async fn remove(&self, _: &str) -> Result<()> {
        self.read_only()
    }

    async fn log_clusters(&self) -> Result<Vec<String>> {
        let below = format!("{LOG}/");
        let inside = self.entries.iter().filter_map(|entry| entry.path.strip_prefix(&below));
        let clusters: BTreeSet<_> =
            inside.filter_map(|path| Some(path.split_once('/')?.0.to_owned())).collect();
        Ok(clusters.into_iter().collect())
    }

    async fn list_log(&self, cluster: &str, prefix: &str) -> Result<Vec<String>> {
        let names = self.log_paths(cluster).map(|(name, _)| name).filter(|name| name.starts_with(prefix));
        let names: BTreeSet<_> = names.map(str::to_owned).collect();
        Ok(names.into_iter().collect())
    }

    async fn put_log(&self, _: &str, _: &str, _: &[u8]) -> Result<()> {
        self.read_only()
    }

    async fn put_log_new(&self, _: &str, _: &str, _: &[u8]) -> Result<bool> {
        self.read_only()
    }

    async fn remove_log(&self, _: &str, _: &str) -> Result<()> {
        self.read_only()
    }

    async fn open_log(&self, cluster: &str, name: &str) -> Result<Reader> {
        let found = self.log_paths(cluster).find(|(one, _)| *one == name);
        let missing =
            || Error::failed(format!("there is no {name} in the log archive of {}", self.place.name()));
        self.place.open(found.ok_or_else(missing)?.1).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::LocalPlace;
    use super::*;
    use comeback_model::{Content, MANIFEST_VERSION, SecretsExport};

    fn manifest(id: &str, taken_at: &str) -> Manifest {
        Manifest {
            manifest_version: MANIFEST_VERSION,
            id: id.to_owned(),
            started_at: Timestamp::UNIX_EPOCH,
            taken_at: taken_at.parse().unwrap(),
            elapsed_ms: 1,
            host: None,
            versions: BTreeMap::new(),
            files: Vec::new(),
            taken_from: None,
            content: Content::Secrets {
                export: SecretsExport { store: String::new(), recipients: Vec::new(), age_bytes: 0 },
                secrets: BTreeMap::new(),
            },
        }
    }

    async fn found(folder: &std::path::Path) -> Found {
        Found::look(Arc::new(LocalPlace::new(folder)), None).await.unwrap()
    }

    async fn chosen(folder: &std::path::Path, select: Select) -> Result<Option<String>> {
        let options = VerifyOptions { select, seed: 3, ..VerifyOptions::default() };
        let own = find_own(&found(folder).await, &options, "own", &["secrets"]).await?;
        Ok(own.map(|own| own.manifest.id))
    }

    #[tokio::test]
    async fn the_newest_is_that_of_the_latest_moment() {
        let folder = tempfile::tempdir().unwrap();
        for (id, taken_at) in [("b", "2026-11-02T00:00:00Z"), ("a", "2026-11-03T00:00:00Z")] {
            std::fs::create_dir(folder.path().join(id)).unwrap();
            let text = serde_json::to_vec(&manifest(id, taken_at)).unwrap();
            std::fs::write(folder.path().join(id).join(MANIFEST), text).unwrap();
        }
        let (root, one) = (folder.path(), folder.path().join("b"));
        assert_eq!(chosen(root, Select::Latest).await.unwrap().as_deref(), Some("a"));
        assert_eq!(chosen(root, Select::Random).await.unwrap().as_deref(), Some("a"));
        assert_eq!(chosen(root, Select::Id("b".to_owned())).await.unwrap().as_deref(), Some("b"));
        assert_eq!(chosen(&one, Select::Latest).await.unwrap().as_deref(), Some("b"));
        let error = chosen(root, Select::Id("c".to_owned())).await.unwrap_err();
        assert!(
            error.kind() == comeback_error::ErrorKind::Usage && error.hints()[0].contains("a, b"),
            "{error}"
        );
        // A store that is not the chosen one's leaves it to others.
        let options = VerifyOptions::default();
        assert!(find_own(&found(root).await, &options, "own", &["redis_snapshot"]).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_manifest_of_another_tool_is_passed_over_and_a_cut_one_of_ours_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MANIFEST);
        std::fs::write(&path, "{\"name\": \"a web application\"}").unwrap();
        assert_eq!(chosen(folder.path(), Select::Latest).await.unwrap(), None);
        let text = serde_json::to_vec(&manifest("a", "2026-11-03T00:00:00Z")).unwrap();
        std::fs::write(&path, &text[..text.len() - 2]).unwrap();
        let error = chosen(folder.path(), Select::Latest).await.unwrap_err();
        assert_eq!(error.kind(), comeback_error::ErrorKind::Failed);
    }
}
