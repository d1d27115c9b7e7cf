//! The session of a run: everything around its drills, or around a restore.

use std::os::unix::fs::DirBuilderExt as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use comeback_error::{Error, ErrorKind, Result};
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::run::{RunPlace, end_drill};
use super::teardown::tear_down;
use super::{Course, CourseSettings};
use crate::clock::Clock;
use crate::evidence::{EventBody, JOURNAL_VERSION, Journal, Record, RunStarted, Sink};
use crate::repository::{LocalRepository, Repository};
use crate::substrate::{
    DockerSettings, Need, Room, RunIdentity, Scratch, Substrate, SubstrateChoice, SweepOptions, Swept,
    kind_of, open, sweep,
};

/// The place where servers will run: swept of the remains of killed runs, with enough room for the new ones.
#[derive(Clone)]
pub struct Ground {
    choice: SubstrateChoice,
    docker: DockerSettings,
    room: Option<Room>,
}

impl Ground {
    /// Removes the remains of killed runs, reports them, and checks that there is enough room. If no substrate can
    /// be found, opening it reports why.
    pub async fn prepare(
        choice: SubstrateChoice,
        docker: DockerSettings,
        need: Need,
        told: impl FnOnce(&Swept),
    ) -> Result<Self> {
        told(&sweep(&SweepOptions::beside(choice)).await?);
        let room = match kind_of(choice, &docker).await {
            Ok(kind) => Room::of(kind).await.ok(),
            Err(_) => None,
        };
        if let Some(room) = &room {
            room.check(need)?;
        }
        Ok(Self { choice, docker, room })
    }
}

/// A new folder for the evidence of a run, for its owner alone.
pub fn make_evidence_folder(root: &Path, identity: &RunIdentity, clock: &Clock) -> Result<PathBuf> {
    let name = format!("{}-{}", clock.now().strftime("%Y%m%dT%H%M%SZ"), identity.run_id);
    let folder = root.join(name);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|error| {
        Error::usage(format!("creating a folder for the evidence in {}: {error}", root.display()))
            .hint("name a folder that can be written to with --evidence-dir")
    })?;
    Ok(folder)
}

/// A run from its start to its end.
pub struct Session {
    identity: RunIdentity,
    folder: PathBuf,
    /// `None` if no server is started.
    ground: Option<Ground>,
    cancel: CancellationToken,
    journal: Journal,
    scratch: Scratch,
    substrate: Option<Arc<dyn Substrate>>,
}

/// The result of a session.
pub struct Ended {
    /// The record of the run.
    pub record: Record,
    /// Whether everything that was started has been removed.
    pub torn_down: Result<()>,
}

impl Session {
    /// Creates the journal in the evidence folder. From now on the sinks receive every event.
    pub fn begin(
        identity: RunIdentity,
        folder: PathBuf,
        ground: Option<Ground>,
        cancel: CancellationToken,
        sinks: Vec<Sink>,
        clock: Clock,
    ) -> Result<Self> {
        let journal = Journal::create(&folder, sinks, clock)?;
        let scratch = Scratch::create(identity.keep)?;
        Ok(Self { identity, folder, ground, cancel, journal, scratch, substrate: None })
    }

    /// The journal of the run.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Opens the substrate and begins the record. The session fills in the identity and the place of the run.
    /// Without a substrate no drill can run: each drill reports that, and the result is `None`.
    pub async fn start_drills(&mut self, run: RunStarted) -> Option<RunPlace> {
        let drills = run.planned.len();
        match self.start(run).await {
            Ok(Some(substrate)) => Some(RunPlace {
                substrate,
                room: self.ground.as_ref().and_then(|ground| ground.room.clone()),
                scratch: self.scratch.path().to_owned(),
                logs: self.logs(),
            }),
            Ok(None) => None,
            Err(error) => {
                for drill in 0..drills {
                    end_drill(drill, &self.journal, &[], Some(&error));
                }
                None
            }
        }
    }

    /// Runs a restore, the only part of its run, and removes what it started. The checks are in the record.
    pub async fn restore<T>(
        &mut self,
        run: RunStarted,
        repository: Option<Arc<dyn Repository>>,
        procedure: impl AsyncFnOnce(&mut Course) -> Result<T>,
    ) -> Result<T> {
        let name = run.planned.first().map(|planned| planned.scenario.clone()).unwrap_or_default();
        let opened = self.start(run).await;
        self.journal.append(EventBody::DrillStarted { drill: 0, objective: None });
        let course = match opened {
            Ok(substrate) => self.course(name, substrate, repository).await,
            Err(error) => Err(error),
        };
        let mut course = course.inspect_err(|error| {
            end_drill(0, &self.journal, &[], Some(error));
        })?;
        let ended = self.carry_out(&mut course, procedure).await;
        let removed = if course.servers().is_empty() { Ok(()) } else { course.end(self.identity.keep).await };
        // The end of the run reports an interruption.
        let ended = match ended {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Err(error),
            Err(error) => Err(course.with_last_words(error).await),
            Ok(value) => removed.map(|()| value),
        };
        let verdicts: Vec<_> = course.checks().iter().map(|check| check.verdict).collect();
        end_drill(0, &self.journal, &verdicts, ended.as_ref().err());
        ended
    }

    async fn carry_out<T>(
        &self,
        course: &mut Course,
        procedure: impl AsyncFnOnce(&mut Course) -> Result<T>,
    ) -> Result<T> {
        let done = AssertUnwindSafe(procedure(course)).catch_unwind();
        tokio::select! {
            done = done => done.unwrap_or_else(|_| Err(Error::could_not_verify("the restore crashed")
                .hint("this is a bug in comeback: report it with the evidence of this run"))),
            () = self.cancel.cancelled() => Err(Error::interrupted("interrupted")),
        }
    }

    async fn course(
        &self,
        name: String,
        substrate: Option<Arc<dyn Substrate>>,
        repository: Option<Arc<dyn Repository>>,
    ) -> Result<Course> {
        let scratch = self.scratch.path().to_owned();
        let repository = if let Some(repository) = repository {
            repository
        } else {
            let repository = LocalRepository::open(scratch.join("repository")).await?;
            Arc::new(repository.timed_by(self.journal.wall_clock().clone()))
        };
        let (journal, logs) = (self.journal.clone(), self.logs());
        Course::new(CourseSettings {
            index: 0,
            name,
            journal,
            substrate,
            repository,
            logs,
            scratch,
            verifies: false,
        })
    }

    /// The folder of logs and other files, in the evidence.
    fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    async fn start(&mut self, mut run: RunStarted) -> Result<Option<Arc<dyn Substrate>>> {
        let opened = match &self.ground {
            Some(ground) => open(ground.choice, &self.identity, &ground.docker).await.map(Some),
            None => Ok(None),
        };
        let substrate = opened.as_ref().ok().and_then(Option::as_ref);
        let place = substrate.map_or("none".to_owned(), |substrate| substrate.kind().to_string());
        for planned in &mut run.planned {
            planned.substrate.clone_from(&place);
        }
        run.journal_version = JOURNAL_VERSION;
        run.run_id.clone_from(&self.identity.run_id);
        self.substrate = substrate.cloned();
        self.journal.append(EventBody::RunStarted(Box::new(run)));
        opened
    }

    /// Removes what is left of the run, and returns its record.
    pub async fn end(self) -> Result<Ended> {
        let torn_down = match &self.substrate {
            Some(substrate) => tear_down(&**substrate).await,
            None => Ok(()),
        };
        self.journal.append(EventBody::RunEnded { interrupted: self.cancel.is_cancelled() });
        Ok(Ended { record: self.journal.finish()?, torn_down })
    }
}
