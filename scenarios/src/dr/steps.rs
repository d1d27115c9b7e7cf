//! The steps of the recovery plan, each with what it does in a drill.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, PoisonError};

use comeback_application::judges::ServedJudge;
use comeback_application::{ApplicationNodes as _, ApplicationServer, Configuration, Expectation, Somebody};
use comeback_engine::LogIn;
use comeback_engine::judge::Judge as _;
use comeback_engine::repository::{self, LocalRepository};
use comeback_engine::runner::{Course, Drill, Proof, StepAction};
use comeback_error::{Error, Result};
use comeback_model::{Check, IntegrityQuery, Manifest, Phase, Plan, PlanStep, Verdict};
use comeback_objects::LocalBucket;
use comeback_postgres::procedures::DumpImport;
use comeback_postgres::{PostgresServer, count};
use comeback_redis::procedures::SnapshotLoad;
use comeback_redis::{RedisNodes as _, RedisServer, count_kinds, set_password};
use comeback_secrets::procedures::{Export, SecretsImport};
use comeback_secrets::{FolderStore, Identities, SecretsDrill as _, access_newest};
use futures_util::FutureExt as _;
use futures_util::lock::Mutex;
use jiff::Timestamp;

use super::network::Network;
use super::own_command::{CameBack, OwnCommands, carry_out};
use super::photos;
use super::region::Backups;
use super::work::{Work, empties_redis, works};
use crate::postgres::cross_region::is_dump;
use crate::{redis, roadtrip, secrets};

/// The region that everything comes back in.
const REGION: &str = "region-b";

/// What the steps brought back.
#[derive(Default)]
pub(super) struct Recovered {
    pub(super) database: OnceLock<PostgresServer>,
    pub(super) cache: OnceLock<RedisServer>,
    pub(super) secrets: OnceLock<FolderStore>,
    pub(super) application: OnceLock<ApplicationServer>,
    /// The bucket, once a step has looked into it.
    pub(super) bucket: OnceLock<LocalBucket>,
    /// Held by a step that gives the bucket to the application: the two may come in any order.
    attaching: Mutex<()>,
    /// What each store came back from, and of which moment that is.
    points: std::sync::Mutex<Vec<(&'static str, Timestamp)>>,
    /// Whether Redis begins empty.
    pub(super) is_cache_empty: bool,
    /// What the application must answer.
    pub(super) expected: OnceLock<Arc<[Expectation]>>,
    /// What the application said at its start.
    pub(super) log_ins: OnceLock<Vec<(&'static str, LogIn)>>,
}

impl Recovered {
    /// What the steps of a plan will bring back: nothing yet.
    pub(super) fn by(plan: &Plan) -> Self {
        Self { is_cache_empty: empties_redis(plan), ..Self::default() }
    }

    fn database(&self) -> Result<&PostgresServer> {
        self.database.get().ok_or_else(|| Error::could_not_verify("no step restored the database before"))
    }

    /// Records the moment that a store came back to.
    fn came_from(&self, backup: &Manifest) {
        let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
        points.push((backup.content.label(), backup.taken_at));
    }

    /// What each store came back from, and of which moment that is.
    pub(super) fn points(&self) -> Vec<(&'static str, Timestamp)> {
        self.points.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn cache(&self) -> Result<&RedisServer> {
        self.cache.get().ok_or_else(|| Error::could_not_verify("no step restored Redis before"))
    }
}

/// A step of the plan, in a part of the drill of its own.
struct Step {
    planned: PlanStep,
    work: Work,
    commands: OwnCommands,
    repository: Arc<LocalRepository>,
    /// What the application answered in region A.
    answered: Arc<[Expectation]>,
    user: Somebody,
    network: Arc<Network>,
    /// The verification queries.
    queries: Arc<[IntegrityQuery]>,
    /// The store that the secrets come back in, and the key that opens their export.
    secrets: FolderStore,
    break_glass: PathBuf,
    /// The bucket of region B, and whether a step of its own looks into it.
    bucket: LocalBucket,
    photos_apart: bool,
    recovered: Arc<Recovered>,
}

/// An action for each step of a plan.
pub(super) async fn actions(
    drill: &Drill,
    plan: &Plan,
    backups: &Backups,
    network: &Arc<Network>,
    recovered: &Arc<Recovered>,
) -> Result<Vec<StepAction>> {
    let secrets = drill.secret_store(REGION).await?;
    let queries: Arc<[_]> = roadtrip::integrity_queries(drill)?.into();
    let mut actions = Vec::new();
    let commands = OwnCommands::in_folder(drill.settings_folder());
    let works = works(plan)?;
    let photos_apart = works.contains(&Work::Photos);
    for (step, work) in plan.steps.iter().zip(works) {
        let mut course = drill.branch(&step.name, backups.repository.clone());
        course.enter_region(REGION)?;
        let step = Step {
            planned: step.clone(),
            work,
            commands: commands.clone(),
            repository: Arc::clone(&backups.repository),
            answered: Arc::clone(&backups.answered),
            user: backups.user.clone(),
            network: Arc::clone(network),
            queries: Arc::clone(&queries),
            secrets: secrets.clone(),
            break_glass: backups.keys.break_glass.clone(),
            bucket: backups.bucket.clone(),
            photos_apart,
            recovered: Arc::clone(recovered),
        };
        actions.push(async move { step.carry_out(&mut course).await }.boxed());
    }
    Ok(actions)
}

impl Step {
    async fn carry_out(&self, course: &mut Course) -> Result<Proof> {
        let verdict = match self.work {
            Work::People => {
                course.note("people do this: the drill gives it no time");
                Verdict::Verified
            }
            Work::Database => self.restore_database(course).await?,
            Work::Redis => self.restore_redis(course).await?,
            Work::EmptyRedis => self.start_redis(course).await?,
            Work::Photos => self.restore_photos(course).await?,
            Work::Application => self.start_application(course).await?,
            Work::Dns => {
                let proof = self.network.move_name(course).await?;
                // A plan may move the name before the application is there: then the end of the plan counts.
                if proof.verdict == Verdict::Verified && self.recovered.expected.get().is_some() {
                    course.recovered();
                }
                return Ok(proof);
            }
            Work::Verification => self.verify(course).await?,
            Work::Own => {
                let (database, cache) = (self.recovered.database.get(), self.recovered.cache.get());
                carry_out(course, &self.planned, &self.commands, CameBack { database, cache }).await?
            }
        };
        Ok(verdict.into())
    }

    /// The newest export in region B, on a new server; proven by its users.
    async fn restore_database(&self, course: &mut Course) -> Result<Verdict> {
        let chosen = repository::newest(&*self.repository, is_dump).await?;
        course.note(format!("chose export {}, taken at {}", chosen.id, chosen.taken_at));
        let import = DumpImport::start(course, "database-b", &*self.repository, &chosen).await?;
        import.import(course).await?;
        import.gather_statistics(course, roadtrip::DATABASE).await?;
        let users = "select count(*) from roadtrip.users";
        let users = count(import.server.address(), roadtrip::DATABASE, users).await?;
        let _ = self.recovered.database.set(import.server.clone());
        self.recovered.came_from(&chosen);
        Ok(if users > 0 { Verdict::Verified } else { Verdict::Failed })
    }

    /// The newest snapshot in region B, on a new server; proven by the number of its keys.
    async fn restore_redis(&self, course: &mut Course) -> Result<Verdict> {
        let chosen = repository::newest(&*self.repository, redis::is_snapshot).await?;
        course.note(format!("chose snapshot {}, taken at {}", chosen.id, chosen.taken_at));
        let load = SnapshotLoad::start(course, "cache-b", &chosen, &redis::settings(true)).await?;
        let counted = load.count_keys(course).await;
        let _ = self.recovered.cache.set(load.server.clone());
        self.recovered.came_from(&chosen);
        Ok(counted)
    }

    /// An empty server; proven by its number of keys. What was in Redis is lost, and the application fills its cache.
    async fn start_redis(&self, course: &mut Course) -> Result<Verdict> {
        course.step(Phase::Recover, "start a new, empty server: the application fills its cache again");
        let server = course.redis_node("cache-b").await?;
        let durable = [("appendonly", "yes")];
        server.start(&[&redis::USERS[..], &durable].concat()).await?;
        let keys: u64 = count_kinds(&server.address()).await?.into_values().sum();
        let _ = self.recovered.cache.set(server);
        Ok(if keys == 0 { Verdict::Verified } else { Verdict::Failed })
    }

    /// The photos of region B, which were copied before: nothing is moved. Proven by their inventory.
    async fn restore_photos(&self, course: &Course) -> Result<Verdict> {
        let verdict = self.prove_photos(course).await?;
        let _held = self.recovered.attaching.lock().await;
        let _ = self.recovered.bucket.set(self.bucket.clone());
        if let Some(application) = self.recovered.application.get() {
            photos::attach(application, &self.bucket).await?;
        }
        Ok(verdict)
    }

    async fn prove_photos(&self, course: &Course) -> Result<Verdict> {
        let (chosen, verdict) = photos::prove(course, &self.repository, &self.bucket).await?;
        self.recovered.came_from(&chosen);
        Ok(verdict)
    }

    /// The secrets out of their newest export, and the application with them; proven by what it answers: that takes the
    /// session from Redis, the user and the sealed key from the database, and the key that opens it from the secrets. The
    /// password in the database is the one that came back with it. The photos are part of it if no other step has them.
    async fn start_application(&self, course: &mut Course) -> Result<Verdict> {
        let (database, cache) = (self.recovered.database()?, self.recovered.cache()?);
        let chosen = repository::newest(&*self.repository, secrets::is_export).await?;
        let key = Identities::read(&self.break_glass)?;
        let import = SecretsImport::open(course, Export::Kept(&chosen), &key).await?;
        let plan = import.plan(course, &self.secrets, false).await?;
        import.carry_out(course, &self.secrets, &plan).await?;
        let _ = self.recovered.secrets.set(self.secrets.clone());
        self.recovered.came_from(&chosen);
        let mut photos_proof = Verdict::Verified;
        if !self.photos_apart {
            photos_proof = self.prove_photos(course).await?;
            let _ = self.recovered.bucket.set(self.bucket.clone());
        }

        course.step(Phase::Recover, "admit the application at Redis, which has no users yet, and start it");
        let password = access_newest(&self.secrets, secrets::REDIS_PASSWORD).await?;
        set_password(cache, secrets::USER, &password).await?;
        let application = course.application_node_at("application-b", self.network.at[1]).await?;
        // Until the proof has ended: a step with the bucket starts the application again.
        let _held = self.recovered.attaching.lock().await;
        let bucket = self.recovered.bucket.get();
        if let Some(bucket) = bucket {
            application.put_bucket(bucket.folder()).await?;
        }
        let is_cache_empty = self.recovered.is_cache_empty;
        let configuration = secrets::configuration("b", &self.secrets, database, cache).await?;
        application.start(&Configuration { fills_cache: is_cache_empty, ..configuration }).await?;
        let _ = self.recovered.application.set(application.clone());
        let log_ins = secrets::log_ins(&application).await?;
        let _ = self.recovered.log_ins.set(log_ins.to_vec());
        if log_ins.iter().any(|(_, log_in)| *log_in != LogIn::Accepted) {
            return Ok(Verdict::Failed);
        }
        application.wait_until_ready().await?;
        course.ready();
        // The whole drill is judged at its end; this proves the step.
        let client = &application.client();
        let known = if is_cache_empty {
            self.user.renewed(client, &self.answered).await?.into()
        } else {
            Arc::clone(&self.answered)
        };
        let known = self.recovered.expected.get_or_init(|| known);
        let expected = &if bucket.is_some() { known.to_vec() } else { photos::without_photos(known) };
        let served = ServedJudge { client, expected }.judge().await?;
        Ok(Verdict::merge([photos_proof, Check::verdict_of(&served.findings)]))
    }

    /// The verification queries of the runbook.
    async fn verify(&self, course: &Course) -> Result<Verdict> {
        course.step(Phase::Recover, "run the verification queries of the runbook");
        Ok(roadtrip::judge_answers(course, self.recovered.database()?, &self.queries).await)
    }
}
