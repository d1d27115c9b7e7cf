//! Snapshots that Comeback took itself.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, Lack, OwnBackup, Recoverable, Restored, VerifyOptions, find_own,
};
use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::Phase;
use comeback_model::evidence::ArtefactSummary;

use super::load::check_room;
use super::restored::{RestoredRedis, lack_of_version};
use crate::{RedisNodes as _, RestoreSettings, restore_snapshot};

/// Recognises snapshots in a repository of Comeback.
pub(super) struct OwnKind;

#[async_trait]
impl ArtefactKind for OwnKind {
    fn name(&self) -> &'static str {
        "own-redis"
    }

    fn looks_for(&self) -> &'static str {
        "a snapshot of Redis in a repository of comeback"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let own = find_own(found, options, self.name(), &["redis_snapshot"]).await?;
        let options = options.clone();
        Ok(own.map(|own| Arc::new(OwnSnapshot { own: Arc::new(own), options }) as Arc<dyn Artefact>))
    }
}

struct OwnSnapshot {
    own: Arc<OwnBackup>,
    options: Arc<VerifyOptions>,
}

#[async_trait]
impl Artefact for OwnSnapshot {
    fn summary(&self) -> ArtefactSummary {
        self.own.summary.clone()
    }

    fn recoverable(&self) -> Recoverable {
        self.own.recoverable.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let (snapshot, _) = self.own.manifest.content.keyspace()?;
        check_room(course, snapshot.rdb_bytes, false, snapshot.used_memory_bytes).await?;
        Ok(lack_of_version(course, snapshot.rdb_version).await?.into_iter().collect())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        self.own.ensure_trusted().await?;
        let OwnBackup { manifest, repository, .. } = &*self.own;
        course.step(Phase::Recover, "start a new server that loads it while it is fetched and checked");
        let server = course.redis_node("restored").await?;
        let settings = RestoreSettings::default();
        let (file, loaded) = restore_snapshot(&server, &**repository, manifest, &settings).await?;
        let summary = format!(
            "the server loaded {} keys, and {} had expired: the {} of the manifest",
            loaded.keys, loaded.expired, file.keys
        );
        let restored = RestoredRedis::new(server, summary, &self.options);
        Ok(Box::new(restored.of_file(file).recorded_in(self.own.clone())))
    }
}
