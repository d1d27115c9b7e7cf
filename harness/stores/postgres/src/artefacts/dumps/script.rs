//! Plain SQL dumps, and other scripts.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, Found, Lack, Restored, VerifyOptions};
use comeback_engine::runner::{Course, Meter};
use comeback_model::Phase;
use comeback_model::evidence::ArtefactSummary;
use tokio::sync::Mutex;

use super::globals;
use super::machine::Machine;
use super::needs::Needs;
use super::server::{DATABASE, NewServer, brings};
use super::source::Source;
use super::text::Said;
use crate::Brings;
use crate::artefacts::RestoredCluster;
use crate::error::{Error, Result};
use crate::import::{Survey, import_foreign, survey};
use crate::judges::Positions;

/// How much more than its text a database takes, in percent: indexes and row headers. Most take more.
const ROOM_PERCENT: u64 = 120;

/// A script.
pub(super) struct Script {
    source: Source,
    summary: ArtefactSummary,
    /// Whether it comes from `pg_dump`, so that its last line says whether it is complete.
    is_dump: bool,
    /// What it holds and needs, once it was read.
    survey: Mutex<Option<(Survey, Needs)>>,
}

impl Script {
    /// A script in a single file.
    pub(super) fn new(found: &Found, options: &Arc<VerifyOptions>, kind: &str, is_dump: bool) -> Self {
        let said = Said::of(&found.head);
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind: found.describe(kind),
            bytes: Some(found.bytes()),
            taken_at: said.started_at,
            software: said.server.map(|version| format!("PostgreSQL {version}")),
            ..ArtefactSummary::default()
        };
        let source = Source { place: found.place.clone(), path: String::new(), options: options.clone() };
        Self { source, summary, is_dump, survey: Mutex::default() }
    }

    /// Fails for a script with the roles of a cluster and nothing else, which the user took for a backup. One that
    /// is longer than the first bytes is seen when it is read.
    pub(super) fn ensure_data_may_be_in(&self, head: &[u8]) -> Result<()> {
        let text = String::from_utf8_lossy(head);
        let is_whole = text.contains("-- PostgreSQL database cluster dump complete");
        let goes_on = ["\\connect", "COPY ", "INSERT INTO ", "CREATE TABLE "];
        let holds = |word: &&str| text.lines().any(|line| line.starts_with(word));
        if is_whole && !goes_on.iter().any(holds) { Err(self.only_globals()) } else { Ok(()) }
    }

    fn meter(&self, course: &Course) -> Meter {
        course.meter(self.summary.bytes.unwrap_or_default())
    }

    fn only_globals(&self) -> Error {
        Error::usage(format!("{} holds roles and tablespaces, and no data", self.summary.source))
            .hint("name the dump of a database, and this file beside it with --globals FILE")
    }

    /// Reads it once, to find out what it needs.
    async fn look(&self, course: &Course) -> Result<(Survey, Needs), RestoreFailure> {
        let script = self.source.open_metered(&self.meter(course)).await?;
        let found = survey(&self.source.name(), script, self.is_dump).await?;
        if found.is_of_cluster && found.databases.is_empty() && found.tables + found.loads == 0 {
            return Err(self.only_globals().into());
        }
        let mut needs = Needs {
            uses: found.uses.clone(),
            major: found.major,
            tables: found.tables,
            loads: found.loads,
            bytes: found.bytes / 100 * ROOM_PERCENT,
        };
        if let Some(file) = &self.source.options.globals {
            needs.add_globals(&globals::look(file, &self.source.options).await?);
        }
        Ok((found, needs))
    }

    async fn load(
        &self,
        course: &mut Course,
        found: &Survey,
        needs: &Needs,
    ) -> Result<Box<dyn Restored>, RestoreFailure> {
        let options = &self.source.options;
        let new = NewServer::start(course, &self.source.name(), needs, options).await?;
        let database = match found.databases.first() {
            Some(_) if found.is_of_cluster => "postgres",
            Some(_) => new.make_way_for(&found.uses).await?,
            None => {
                new.create_database(DATABASE, found.encoding.as_deref()).await?;
                if found.creates_public {
                    new.drop_public(DATABASE).await?;
                }
                DATABASE
            }
        };
        let jobs = options.jobs.max(1);
        course.step(Phase::Recover, "load the dump, the first error fatal");
        course.note(format!("over {jobs} connections"));
        let (name, script) = (self.source.name(), self.source.open_metered(&self.meter(course)).await?);
        let adaptation = &new.adaptation;
        let imported =
            import_foreign(&new.server, database, &name, script, self.is_dump, jobs, adaptation).await?;
        new.gather_statistics(course, jobs).await?;
        let loaded = match found.loads {
            0 => "no rows were in it".to_owned(),
            _ => format!("{} rows of COPY", imported.rows),
        };
        let end = if imported.says_complete { "" } else { ", and it does not say whether it is complete" };
        let summary = new.summary(format!("{} statements went through, {loaded}{end}", imported.statements));
        let brings = match &found.databases[..] {
            _ if found.is_of_cluster => Brings { owners: needs.uses.names_owners(), ..Brings::EVERYTHING },
            [] => brings(needs, options, vec![DATABASE.to_owned()], false),
            names => brings(needs, options, names.to_vec(), true),
        };
        let NewServer { server, .. } = new;
        let positions = Positions::Set(found.uses.set_sequences.clone());
        Ok(Box::new(RestoredCluster {
            server,
            summary,
            positions,
            options: options.clone(),
            brings,
            scope: needs.scope(),
        }))
    }
}

#[async_trait]
impl Artefact for Script {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        // A script that is cut off is the finding of the restore, which names the line.
        let (found, needs) = match self.look(course).await {
            Ok(looked) => looked,
            Err(RestoreFailure::Backup(_)) => return Ok(Vec::new()),
            Err(RestoreFailure::Other(error)) => return Err(error),
        };
        let mut lacks = needs.lacks(&self.source.options);
        if needs.depends_on_the_machine() || !lacks.is_empty() {
            lacks.extend(needs.lacks_of(&Machine::look(course, needs.major).await?));
        }
        *self.survey.lock().await = Some((found, needs));
        Ok(lacks)
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        let looked = self.survey.lock().await.take();
        let (found, needs) = match looked {
            Some(looked) => looked,
            None => self.look(course).await?,
        };
        self.load(course, &found, &needs).await
    }
}
