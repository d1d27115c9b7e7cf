//! A server that came back from a backup of the user, and its judges.

use std::sync::Arc;

use comeback_engine::artefact::{Lack, OwnBackup, Restored, VerifyOptions};
use comeback_engine::judge::Judge;
use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::Statement;

use crate::judges::{
    AppendOnlyFile, FileChecksum, KeyspaceJudge, KeyspaceReference, RedisLogJudge, RedisQueries,
};
use crate::rdb::RdbSummary;
use crate::{RedisAddress, RedisServer};

/// A restored server: it has loaded its backup and answers.
pub(super) struct RestoredRedis {
    server: RedisServer,
    address: RedisAddress,
    summary: String,
    options: Arc<VerifyOptions>,
    /// The RDB file that it loaded.
    file: Option<RdbSummary>,
    /// What was recorded when the backup was taken.
    own: Option<Arc<OwnBackup>>,
    /// Whether it was loaded from an append-only file.
    is_append_only: bool,
}

impl RestoredRedis {
    pub(super) fn new(server: RedisServer, summary: String, options: &Arc<VerifyOptions>) -> Self {
        let (address, options) = (server.address(), options.clone());
        Self { server, address, summary, options, file: None, own: None, is_append_only: false }
    }

    pub(super) fn of_file(self, file: RdbSummary) -> Self {
        Self { file: Some(file), ..self }
    }

    pub(super) fn recorded_in(self, own: Arc<OwnBackup>) -> Self {
        Self { own: Some(own), ..self }
    }

    pub(super) fn of_append_only_file(self) -> Self {
        Self { is_append_only: true, ..self }
    }
}

impl Restored for RestoredRedis {
    fn summary(&self) -> String {
        self.summary.clone()
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let (server, set_aside) = (&self.address, &[][..]);
        let mut judges: Vec<(Statement, Box<dyn Judge + '_>)> =
            vec![(Statement::Sound, Box::new(RedisLogJudge { server: &self.server }))];
        if let Some(own) = &self.own {
            judges.push((Statement::Restored, Box::new(own.provenance())));
        }
        if let Some(file) = &self.file {
            judges.push((Statement::Sound, Box::new(FileChecksum { file })));
        }
        let recorded = self.own.as_ref().and_then(|own| own.manifest.content.keyspace().ok());
        match (recorded, &self.file) {
            (Some((_, recorded)), _) => {
                judges.push((Statement::Exact, Box::new(KeyspaceJudge { server, recorded, set_aside })));
            }
            // What our reader found in the file must be what the server holds.
            (None, Some(file)) => {
                let recorded = &file.fingerprint;
                judges.push((Statement::Sound, Box::new(KeyspaceJudge { server, recorded, set_aside })));
            }
            (None, None) => {}
        }
        if self.is_append_only {
            judges.push((Statement::Sound, Box::new(AppendOnlyFile { server: &self.server })));
        }
        let options = &self.options;
        let (queries, record) = (&options.redis_queries, options.record.as_ref());
        if !queries.is_empty() {
            let shows = VerifyOptions::shown_by_answers(queries.iter().map(|query| &query.expect));
            judges.push((shows, Box::new(RedisQueries { server, queries, record })));
        }
        if options.wants_profile() {
            let (file, reference) = (self.file.as_ref(), options.reference.as_deref());
            let judge = KeyspaceReference { server, file, reference, record };
            judges.push((options.shown_by_profile(), Box::new(judge)));
        }
        judges
    }
}

/// What the server of this machine or image lacks to load a file of a version. The node is removed again.
pub(super) async fn lack_of_version(course: &Course, rdb_version: u32) -> Result<Option<Lack>> {
    let server =
        RedisServer::create(course.substrate()?, &course.node_name("version"), course.password()).await?;
    let newest = server.version().newest_rdb();
    let lack = newest.filter(|newest| *newest < rdb_version).map(|newest| Lack {
        what: format!(
            "a server that reads RDB files of version {rdb_version}: {} reads them up to version {newest}",
            server.version()
        ),
        remedy: format!(
            "verify it on {}: install that server, or name its image with `[docker] image = …`",
            servers_for(rdb_version)
        ),
    });
    server.node().remove().await?;
    Ok(lack)
}

/// The servers that load a version, for people. Source: `RDB_VERSION` in `rdb.h` of each.
fn servers_for(rdb_version: u32) -> &'static str {
    match rdb_version {
        ..=10 => "Redis 7.0 or newer, or any Valkey",
        11 => "Redis 7.2 or newer, or any Valkey",
        12..80 => "Redis 7.4 or newer, and no Valkey",
        _ => "Valkey 9 or newer",
    }
}
