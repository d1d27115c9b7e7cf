//! The vocabulary: values, and the events and the record of a run. Nothing here does I/O, reads time or knows a
//! driver.

mod catalogue;
mod check;
mod coherence;
mod content_kind;
mod coverage;
mod established;
pub mod evidence;
mod exclusive;
mod finding;
mod fingerprint;
mod integrity;
pub mod ledger;
mod log_file;
mod lsn;
mod manifest;
mod manifest_head;
mod not_looked_at;
mod object;
mod objective;
mod phase;
pub mod plan;
mod progress;
mod recovery_target;
mod reference;
mod repair;
mod row_key;
mod secrets;
mod self_test;
mod sequence;
mod source;
mod verdict;
mod write_ledger;

pub use comeback_digest::keyspace;
pub use comeback_digest::sketch::{KEY_BYTES, Sketch, SketchDifference, SketchRow};

pub use catalogue::{Catalogue, CatalogueDifference, CatalogueForm};
pub use check::Check;
pub use coherence::{CoherenceRule, KeySource};
pub use content_kind::ContentKind;
pub use coverage::{COVERAGE_DAYS, Coverage, CoveredBackup, Look, Looked, StoreCoverage, Window, looked_at};
pub use established::{Standing, Statement};
pub use exclusive::{OutOfTurn, TryOutcome, Turns, WriteTry};
pub use finding::{Finding, FindingCode};
pub use fingerprint::{ColumnFingerprint, TableFingerprint};
pub use integrity::{AnswerRows, Comparison, Expectation, IntegrityQuery, RedisQuery};
pub use keyspace::{
    DatabaseDifference, DatabaseFingerprint, EDITION, FIRST_EDITION, FingerprintBuilder, FunctionChange,
    FunctionDifference, KeyChange, KeyDifference, KeyName, KeyRecord, KeyspaceComparison,
    KeyspaceFingerprint, Unverified, ValueKind,
};
pub use ledger::Ledger;
pub use log_file::{LogFileKind, SegmentName, TimelineHistory, history_name};
pub use lsn::Lsn;
pub use manifest::{
    BaseBackupPosition, ClusterContent, Content, DatabaseContent, DumpExport, DumpFormat, FileEntry,
    MANIFEST_VERSION, Manifest, RedisSnapshot, ReplicaOf, TableExport, TakenFrom,
};
pub use manifest_head::{ContentHead, LogNeed, ManifestHead};
pub use not_looked_at::{NotLookedAt, ScopeKind};
pub use object::{
    InventoryScope, KeptVersion, KeyHistory, ObjectAttributes, ObjectEvent, ObjectRecord, ObjectVersion,
    content_text,
};
pub use objective::{Citation, DocumentedTtl, Objective};
pub use phase::{Milestone, Phase};
pub use plan::{
    Act, ByPeople, CarriedOut, Cause, ClientWrites, ClientsView, JudgedStep, JudgedTier, MeasuredStep,
    MeasuredTime, PersonAct, Plan, PlanFinding, PlanJudgement, PlanOutline, PlanStep, Schedule, ServiceView,
    StepCommand, StepState, StepTimes, Tier,
};
pub use progress::Progress;
pub use recovery_target::{RecoveryPoint, RecoveryTarget};
pub use reference::{
    Accepted, ClusterProfile, ColumnProfile, CsvProfile, DatabasePair, DatabaseProfile, Definitions,
    DistinctSketch, Drift, KeyspaceProfile, Profile, REFERENCE_VERSION, Recording, Reference, RolesProfile,
    Snapshot, TableProfile, TableTally, Tolerance, pair_databases,
};
pub use repair::{Repair, repairs};
pub use row_key::{decode_key, encode_key};
pub use secrets::{SecretFingerprint, SecretsExport, SecretsFingerprint, VersionFingerprint, VersionState};
pub use self_test::{SelfTest, SelfTestCase, SelfTestOutcome, WantedFinding};
pub use sequence::{RecordedPosition, SequenceOrder, SequencePosition};
pub use source::Source;
pub use verdict::Verdict;
pub use write_ledger::{
    Acknowledged, ForkMoment, KeyWrite, ObservedWrites, WriteDiscrepancy, WriteLedger, WriteName,
};
