//! Plain SQL dumps.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, Lack, Restored, VerifyOptions};
use comeback_engine::runner::Course;
use comeback_model::Phase;
use comeback_model::evidence::ArtefactSummary;

use super::RestoredCluster;
use crate::error::Result;
use crate::import::import_dump;
use crate::judges::check_queries;
use crate::{PostgresNodes as _, gather_statistics, parallelism};

/// The database that a dump without a name of its own is loaded into.
const DATABASE: &str = "restored";
/// How a dump of `pg_dump` or `pg_dumpall` begins, after blank lines and comment marks.
const MARKS: [&str; 2] = ["-- PostgreSQL database dump", "-- PostgreSQL database cluster dump"];

/// Recognises the plain format of `pg_dump` and `pg_dumpall`.
pub(super) struct ScriptKind;

#[async_trait]
impl ArtefactKind for ScriptKind {
    fn name(&self) -> &'static str {
        "sql"
    }

    fn looks_for(&self) -> &'static str {
        "a plain SQL dump of pg_dump or pg_dumpall"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let head = String::from_utf8_lossy(&found.head);
        let Some(single) = found.single().filter(|_| MARKS.iter().any(|mark| head.contains(mark))) else {
            return Ok(None);
        };
        let version = head.lines().find_map(|line| line.strip_prefix("-- Dumped from database version "));
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind: found.describe("plain SQL dump"),
            bytes: Some(single.bytes),
            software: version.map(|version| format!("PostgreSQL {}", version.trim())),
            ..ArtefactSummary::default()
        };
        Ok(Some(Arc::new(Script { place: found.place.clone(), summary, options: options.clone() })))
    }
}

struct Script {
    place: Arc<dyn comeback_engine::artefact::Place>,
    summary: ArtefactSummary,
    options: Arc<VerifyOptions>,
}

#[async_trait]
impl Artefact for Script {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, _: &mut Course) -> Result<Vec<Lack>> {
        Ok(Vec::new())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        course.step(Phase::Recover, "create a new server");
        let server = course.postgres_node("restored").await?;
        server.init().await?;
        server.start(&[]).await?;
        check_queries(server.address(), &self.options.queries).await?;
        let mut connection = server.connect("postgres").await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {DATABASE}")))
            .execute(&mut connection)
            .await
            .map_err(|error| crate::error::Error::could_not_verify(error.to_string()))?;
        crate::connection::session::close(connection).await;

        course.step(Phase::Recover, "load the dump, the first error fatal");
        let name = self.place.name();
        let decryptor = self.options.decryptor.as_deref();
        let peeled = comeback_engine::artefact::peel(&name, self.place.open("").await?, decryptor).await?;
        let imported = import_dump(&server, DATABASE, &name, peeled.content, parallelism()).await?;
        course.step(Phase::Recover, "gather the planner's statistics");
        gather_statistics(server.address(), DATABASE, parallelism()).await?;
        let summary =
            format!("{} statements and {} rows of COPY went through", imported.statements, imported.rows);
        Ok(Box::new(RestoredCluster { server, summary, options: self.options.clone() }))
    }
}
