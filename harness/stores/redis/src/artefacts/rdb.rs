//! RDB files, alone or several in a folder.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, Lack, Layer, Place, Recoverable, Restored, Select, VerifyOptions, peel,
};
use comeback_engine::runner::Course;
use comeback_error::{Error, Result};
use comeback_model::Phase;
use comeback_model::evidence::ArtefactSummary;

use super::head::RdbHead;
use super::load::{check_room, count_loaded, put_rdb, start};
use super::restored::{RestoredRedis, lack_of_version};
use crate::RedisNodes as _;

/// Most files of a folder that are looked into.
const MOST_FILES: usize = 10_000;

/// Recognises RDB files of Redis and Valkey.
pub(super) struct RdbKind;

#[async_trait]
impl ArtefactKind for RdbKind {
    fn name(&self) -> &'static str {
        "rdb"
    }

    fn looks_for(&self) -> &'static str {
        "an RDB file of Redis or Valkey (REDIS, VALKEY)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let mut files = find(found, options).await?;
        files.sort_by(|one, other| {
            (one.head.written_at, &one.path).cmp(&(other.head.written_at, &other.path))
        });
        let backups = files.iter().map(|file| file.summary(found)).collect();
        let recoverable = Recoverable { backups, ..Recoverable::default() };
        let Some(file) = choose(found, files, options)? else { return Ok(None) };
        let summary = file.summary(found);
        let File { path, layers, head, .. } = file;
        let is_packed = !layers.is_empty();
        let (place, options) = (found.place.clone(), options.clone());
        Ok(Some(Arc::new(Rdb { place, path, head, is_packed, summary, recoverable, options })))
    }
}

/// An RDB file in a place.
struct File {
    path: String,
    bytes: u64,
    layers: Vec<Layer>,
    head: RdbHead,
}

impl File {
    fn summary(&self, found: &Found) -> ArtefactSummary {
        let Self { path, bytes, layers, head } = self;
        ArtefactSummary {
            source: found.place.name(),
            kind: layers.iter().fold("RDB file".to_owned(), |text, layer| format!("{text}, {layer}")),
            id: (!path.is_empty()).then(|| path.clone()),
            bytes: Some(*bytes),
            taken_at: head.written_at,
            software: head.software.clone(),
        }
    }
}

/// The RDB files of a place: their names say where to look, and their content what they are.
async fn find(found: &Found, options: &VerifyOptions) -> Result<Vec<File>> {
    if let Some(single) = found.single() {
        let file = RdbHead::read(&found.head).map(|head| File {
            path: String::new(),
            bytes: single.bytes,
            layers: found.layers.clone(),
            head,
        });
        return Ok(file.into_iter().collect());
    }
    let mut files = Vec::new();
    for entry in found.entries.iter().filter(|entry| entry.path.contains(".rdb")).take(MOST_FILES) {
        // Those of an append-only file are no backups of their own.
        if entry.path.contains(".base.rdb") || entry.bytes == 0 {
            continue;
        }
        let peeled = found.peel(&entry.path, options.decryptor.as_deref()).await?;
        if let Some(head) = RdbHead::read(&peeled.head) {
            files.push(File { path: entry.path.clone(), bytes: entry.bytes, layers: peeled.layers, head });
        }
    }
    Ok(files)
}

/// Chooses one of the files, which are sorted: the newest is the one that was written last, by what it says.
fn choose(found: &Found, mut files: Vec<File>, options: &VerifyOptions) -> Result<Option<File>> {
    match &options.select {
        Select::Latest => Ok(files.pop()),
        Select::Random => {
            let at = options.seed.checked_rem(files.len() as u64).and_then(|at| usize::try_from(at).ok());
            Ok(at.map(|at| files.swap_remove(at)))
        }
        Select::Id(_) if files.is_empty() => Ok(None),
        Select::Id(id) => {
            if let Some(at) = files.iter().position(|file| file.path == *id) {
                return Ok(Some(files.swap_remove(at)));
            }
            let newest = files.iter().rev().take(5).map(|file| file.path.as_str()).collect::<Vec<_>>();
            Err(Error::usage(format!("there is no RDB file `{id}` in {}", found.place.name()))
                .hint(format!("the newest are: {}", newest.join(", "))))
        }
    }
}

struct Rdb {
    place: Arc<dyn Place>,
    path: String,
    head: RdbHead,
    is_packed: bool,
    summary: ArtefactSummary,
    recoverable: Recoverable,
    options: Arc<VerifyOptions>,
}

impl Rdb {
    fn name(&self) -> String {
        if self.path.is_empty() { self.place.name() } else { format!("{}/{}", self.place.name(), self.path) }
    }
}

#[async_trait]
impl Artefact for Rdb {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    fn recoverable(&self) -> Recoverable {
        self.recoverable.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let memory = self.head.used_memory_bytes.unwrap_or_default();
        check_room(course, self.summary.bytes.unwrap_or_default(), self.is_packed, memory).await?;
        Ok(lack_of_version(course, self.head.version).await?.into_iter().collect())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        let name = self.name();
        course.step(Phase::Recover, "create a new server");
        let server = course.redis_node("restored").await?;

        course.step(Phase::Recover, "fetch the file, and read it on the way as a server would");
        let decryptor = self.options.decryptor.as_deref();
        let meter = course.meter(self.summary.bytes.unwrap_or_default());
        let file = meter.watch(self.place.open(&self.path).await?);
        let peeled = peel(&name, file, decryptor).await?;
        let (to, with_groups) = (server.rdb_path(), self.options.wants_profile());
        let file = put_rdb(&server, &name, peeled.content, &to, with_groups).await?;

        course.step(Phase::Recover, "start the server, which loads it, and count the keys");
        start(&server, &name, &[]).await?;
        let loaded = count_loaded(&server, &name, file.keys).await?;
        let summary = format!(
            "the server loaded {} keys, and {} had expired: the {} of the file",
            loaded.keys, loaded.expired, file.keys
        );
        Ok(Box::new(RestoredRedis::new(server, summary, &self.options).of_file(file)))
    }
}
