//! Backups in somebody's format: how they are found, recognised, restored and judged.
//!
//! A [`Place`] is where the user keeps backups; it is read and never written. An [`ArtefactKind`] recognises its
//! format by content. The [`Artefact`] says what it needs, and restores itself on throw-away servers. A
//! [`Verification`] runs it, with judges for each [`Statement`].

mod folder;
mod found;
mod layers;
mod own;
mod place;
mod placed;
mod recognise;
mod slot;
mod spool;
mod spooled;
mod verification;

use std::sync::Arc;

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{
    Expectation, IntegrityQuery, NotLookedAt, RecoveryTarget, RedisQuery, Reference, ScopeKind, Statement,
};
use jiff::Timestamp;

pub use found::Found;
pub use layers::{Layer, Peeled, blame, peel};
pub use own::{OwnBackup, find_own};
pub use place::{LocalPlace, Place, PlaceEntry};
pub use placed::with_note;
pub use recognise::recognise;
pub use slot::RecordSlot;
pub use spooled::SpooledPlace;
pub use verification::{BackupSource, Recognised, Verification};

pub use crate::repository::Decryptor;

use crate::RestoreFailure;
use crate::judge::Judge;
use crate::repository::PublicKey;
use crate::runner::Course;

/// A format that Comeback can verify.
#[async_trait]
pub trait ArtefactKind: Send + Sync {
    /// Its name for `--as`: `pg-dump`, `rdb`, …
    fn name(&self) -> &'static str;

    /// What it is recognised by, for the error that lists what was looked for: `a pg_dump archive (PGDMP)`.
    fn looks_for(&self) -> &'static str;

    /// The artefact in what was found; `None` if it is of another kind. An error: it is of this kind, and cannot be
    /// verified (an export that no server can load, a backup that was named and is not there).
    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>>;
}

/// A backup that was recognised.
#[async_trait]
pub trait Artefact: Send + Sync {
    /// The backup in figures.
    fn summary(&self) -> ArtefactSummary;

    /// What its place can bring back.
    fn recoverable(&self) -> Recoverable {
        Recoverable { backups: vec![self.summary()], ..Recoverable::default() }
    }

    /// When the newest of its files was written, where its place tells.
    fn written_at(&self) -> Option<Timestamp> {
        None
    }

    /// Finds out what the backup needs and this machine lacks, before the restore: majors, roles, extensions,
    /// locales, tablespaces, disk. Returns everything at once.
    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>>;

    /// Restores it on throw-away servers of the course, each step in the journal.
    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure>;
}

/// What a place can bring back, by its own listing: nothing of it was restored, or read to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recoverable {
    /// Its backups, the oldest first; those that do not say when they were taken come first.
    pub backups: Vec<ArtefactSummary>,
    /// What lies among the backups and is none that Comeback recognises: one that was cut short, or something else.
    pub unrecognised: Vec<String>,
    /// The archived log, which leads from a backup to later moments; `None` if there is none.
    pub log: Option<ArchivedUpTo>,
}

/// Where an archived log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedUpTo {
    /// The newest segment.
    pub segment: String,
    /// When it was stored, where the place tells. Recovery can reach no later moment.
    pub stored_at: Option<Timestamp>,
    /// How many segments there are.
    pub segments: u64,
}

/// Something that a backup needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What, in a few words: `the role rdsadmin, which owns 3 objects`.
    pub what: String,
    /// What the user can do about it.
    pub remedy: String,
}

/// What came back.
#[async_trait]
pub trait Restored: Send + Sync {
    /// The restore in one sentence, for the statement *restored*: `142 statements and 5,658 rows`.
    fn summary(&self) -> String;

    /// The judges of what came back, each with the statement that it serves. They run beside each other.
    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)>;
}

/// Which backup of a place that keeps several.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Select {
    /// The newest, by what the backups say of themselves.
    #[default]
    Latest,
    /// Any, chosen by the seed of the run.
    Random,
    /// The one with this name.
    Id(String),
}

/// What a verification may create because the backup needs it and the place that it came from is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Creatable {
    /// Roles that own objects or have grants.
    Roles,
    /// Tablespaces.
    Tablespaces,
}

/// A judge that takes long on a large database, and that the user may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skippable {
    /// The trees of indexes and the structure of rows.
    Structure,
    /// The rules that the rows must keep.
    Constraints,
    /// The checksums of pages.
    PageChecksums,
}

impl Skippable {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Structure, Self::Constraints, Self::PageChecksums];

    /// The name of the judge: `structure`.
    pub fn judge(self) -> &'static str {
        match self {
            Self::Structure => "structure",
            Self::Constraints => "constraints",
            Self::PageChecksums => "page-checksums",
        }
    }

    /// Says that it was left out, and what nobody looked at without it.
    pub fn not_looked_at(self) -> NotLookedAt {
        let what = match self {
            Self::Structure => "the trees of indexes and the structure of rows",
            Self::Constraints => "whether the rows keep the constraints",
            Self::PageChecksums => "the checksums of pages",
        };
        let reason = format!("left out, as the user said: nobody looked at {what}");
        NotLookedAt::new(ScopeKind::Judge, self.judge(), reason)
    }
}

/// How a backup is verified. The user's choices, read and checked.
#[derive(Clone, Default)]
pub struct VerifyOptions {
    /// The kind, if content is not to decide.
    pub kind: Option<String>,
    /// Which backup.
    pub select: Select,
    /// The moment to recover to; `None` for the latest that the backup reaches.
    pub target: Option<RecoveryTarget>,
    /// The stanza of a pgBackRest repository, or the server of a Barman one.
    pub stanza: Option<String>,
    /// A folder of log segments beside a base backup.
    pub log: Option<std::path::PathBuf>,
    /// A file with the roles and tablespaces of a cluster beside a dump, as `pg_dumpall --globals-only` writes it.
    pub globals: Option<std::path::PathBuf>,
    /// What may be created if the backup needs it.
    pub create_missing: std::collections::BTreeSet<Creatable>,
    /// Opens encrypted files; `None` if no key was given.
    pub decryptor: Option<Arc<dyn Decryptor>>,
    /// The keys whose signatures on Comeback's own backups are trusted; empty if none was named.
    pub trusted_keys: Vec<PublicKey>,
    /// The user's queries on a restored database.
    pub queries: Vec<IntegrityQuery>,
    /// The user's commands on a restored Redis server.
    pub redis_queries: Vec<RedisQuery>,
    /// The database that they ask, and that a reference or the source is compared with; `None` for the only one
    /// that holds tables.
    pub database: Option<String>,
    /// What was recorded of an earlier restore, to compare with. Set by [`VerifyOptions::compared_with`].
    pub reference: Option<Arc<Reference>>,
    /// Takes what is to be recorded of this restore.
    pub record: Option<RecordSlot>,
    /// The live system to compare with.
    pub source: Option<LiveSource>,
    /// The tables in which nothing changes any more: their rows are recorded, and compared one by one.
    pub frozen: std::collections::BTreeSet<String>,
    /// The judges that are left out.
    pub skip: std::collections::BTreeSet<Skippable>,
    /// Whether a backup without a single row may pass.
    pub allow_empty: bool,
    /// How many connections or processes load and check at once.
    pub jobs: usize,
    /// The seed of random choices.
    pub seed: u64,
    /// Whether servers run with settings that would lose data in a crash of the machine, and are quicker. Only where the
    /// time of the recovery is not judged.
    pub fast: bool,
}

impl VerifyOptions {
    /// Compares with what was recorded: queries that expect a snapshot get theirs.
    #[must_use]
    pub fn compared_with(mut self, reference: Option<Arc<Reference>>) -> Self {
        if let Some(reference) = &reference {
            reference.resolve(&mut self.queries, &mut self.redis_queries);
        }
        Self { reference, ..self }
    }

    /// Whether definitions and figures of what comes back are to be compared or recorded.
    pub fn wants_profile(&self) -> bool {
        self.reference.is_some() || self.record.is_some()
    }

    /// The statement that queries with these expectations serve: answers that are recorded alone show nothing.
    pub fn shown_by_answers<'a>(mut expected: impl Iterator<Item = &'a Expectation>) -> Statement {
        if expected.all(|one| *one == Expectation::Snapshot) { Statement::Sound } else { Statement::Answered }
    }

    /// The statement that this serves: to record alone shows nothing but that everything can be read.
    pub fn shown_by_profile(&self) -> Statement {
        if self.reference.is_some() { Statement::Compared } else { Statement::Sound }
    }
}

/// The live system that a backup was taken of. It is read, and never written.
#[derive(Debug, Clone)]
pub struct LiveSource {
    /// Its address, without a password.
    pub url: String,
    /// The password to log in with.
    pub password: Option<crate::secret::Secret>,
}

/// The error for things that a backup needs and that are not there.
pub fn lacking(lacks: &[Lack]) -> Error {
    let names = lacks.iter().map(|lack| lack.what.as_str()).collect::<Vec<_>>().join("; ");
    let error = Error::could_not_verify(format!("the backup needs what is not here: {names}"));
    lacks.iter().fold(error, |error, lack| error.hint(lack.remedy.clone()))
}
