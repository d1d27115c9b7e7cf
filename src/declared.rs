//! `[[backup]]` of `comeback.toml`: the backups that the user wants verified.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{
    Artefact, BackupSource, Creatable, Select, Skippable, Verification, VerifyOptions,
};
use comeback_engine::judge::AgeLimit;
use comeback_engine::runner::Suite;
use comeback_engine::substrate::{Cell, SoftwareChoice};
use comeback_error::Result;
use comeback_model::{IntegrityQuery, RecoveryTarget, RedisQuery, Statement};
use serde::Deserialize;
use serde::de::Error as _;
use toml::Spanned;

use crate::cli::{SuiteArg, values};
use crate::history::History;
use crate::places::look_for;
use crate::queries::{CommandEntry, QueryEntry};
use crate::reference::{self, Kept};
use crate::rolling::{Choice, look_for_oldest};
use crate::schedule::Schedule;

/// What must be shown of a backup if the user does not say.
pub(crate) const REQUIRED: [Statement; 2] = [Statement::Restored, Statement::Sound];
/// The suites of a backup if the user does not say.
const SUITES: [Suite; 3] = [Suite::Weekly, Suite::Monthly, Suite::Quarterly];

/// One `[[backup]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BackupEntry {
    pub(crate) name: Spanned<String>,
    pub(crate) from: String,
    #[serde(rename = "as")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "select")]
    select: Choice,
    #[serde(default, deserialize_with = "target")]
    at: Option<RecoveryTarget>,
    stanza: Option<String>,
    log: Option<PathBuf>,
    globals: Option<PathBuf>,
    #[serde(default)]
    pub(crate) identity: Vec<PathBuf>,
    #[serde(default, deserialize_with = "creatable")]
    create_missing: Vec<Creatable>,
    #[serde(default, deserialize_with = "skippable")]
    skip: Vec<Skippable>,
    #[serde(default)]
    require: Option<Vec<Statement>>,
    database: Option<String>,
    reference: Option<PathBuf>,
    image: Option<String>,
    bin: Option<PathBuf>,
    #[serde(default, deserialize_with = "schedule")]
    schedule: Option<AgeLimit>,
    #[serde(default)]
    frozen: BTreeSet<String>,
    #[serde(default)]
    allow_empty: bool,
    #[serde(default)]
    uncontained: bool,
    section: Option<String>,
    suites: Option<Vec<SuiteArg>>,
    #[serde(default)]
    pub(crate) query: Vec<QueryEntry>,
    #[serde(default)]
    pub(crate) redis_query: Vec<CommandEntry>,
}

/// A backup that the settings declare.
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) from: String,
    pub(crate) identity: Vec<PathBuf>,
    requires: Vec<Statement>,
    section: String,
    suites: Vec<Suite>,
    uncontained: bool,
    reference: Kept,
    pub(crate) software: SoftwareChoice,
    age: Option<AgeLimit>,
    choice: Choice,
    options: VerifyOptions,
}

fn select<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Choice, D::Error> {
    values::select(&String::deserialize(from)?).map_err(D::Error::custom)
}

fn target<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<RecoveryTarget>, D::Error> {
    values::target(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn creatable<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Creatable>, D::Error> {
    let named = Vec::<String>::deserialize(from)?;
    named.iter().map(|name| values::creatable(name).map_err(D::Error::custom)).collect()
}

fn skippable<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Skippable>, D::Error> {
    let named = Vec::<String>::deserialize(from)?;
    named.iter().map(|name| values::skippable(name).map_err(D::Error::custom)).collect()
}

fn schedule<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<AgeLimit>, D::Error> {
    let schedule = String::deserialize(from)?;
    let most = Schedule::parse(&schedule).map_err(D::Error::custom)?.greatest_age();
    Ok(Some(AgeLimit { schedule, most }))
}

impl BackupEntry {
    /// The backup, with its queries read. Its reference is kept below the folder of the evidence, if it does not say
    /// where.
    pub(crate) fn declared(
        self,
        queries: Vec<IntegrityQuery>,
        redis_queries: Vec<RedisQuery>,
        evidence: &Path,
    ) -> Declared {
        let name = self.name.into_inner();
        let reference = match &self.reference {
            Some(path) => Kept::named(path),
            None => Kept::of_backup(evidence, &name),
        };
        let suites = self.suites.map(|suites| suites.into_iter().map(Suite::from).collect());
        Declared {
            name,
            from: self.from,
            identity: self.identity,
            requires: self.require.unwrap_or_else(|| REQUIRED.to_vec()),
            section: self.section.unwrap_or_default(),
            suites: suites.unwrap_or_else(|| SUITES.to_vec()),
            uncontained: self.uncontained,
            reference,
            software: SoftwareChoice { image: self.image, bin: self.bin },
            age: self.schedule,
            choice: self.select.clone(),
            options: VerifyOptions {
                kind: self.kind,
                select: self.select.select(),
                target: self.at,
                stanza: self.stanza,
                log: self.log,
                globals: self.globals,
                create_missing: self.create_missing.into_iter().collect(),
                queries,
                redis_queries,
                database: self.database,
                frozen: self.frozen,
                skip: self.skip.into_iter().collect(),
                allow_empty: self.allow_empty,
                ..VerifyOptions::default()
            },
        }
    }
}

impl Declared {
    /// How it is verified, before the command line has its say.
    pub(crate) fn options(&self) -> Result<VerifyOptions> {
        with_reference(&self.reference, self.options.clone())
    }

    /// The same without the reference, which a run that records may have yet to write.
    pub(crate) fn choices(&self) -> VerifyOptions {
        self.options.clone()
    }

    /// Where its reference is kept.
    pub(crate) fn reference(&self) -> &Kept {
        &self.reference
    }

    /// What keeps its server from the rest of the machine; `None` if the user turned that off.
    pub(crate) fn cell(&self) -> Option<Cell> {
        (!self.uncontained).then(Cell::of_this_machine)
    }

    /// Which of its backups is verified.
    pub(crate) fn choice(&self) -> &Choice {
        &self.choice
    }

    /// How old its newest backup may be; nothing is said of another one that is chosen.
    pub(crate) fn age(&self, choice: &Choice) -> Option<AgeLimit> {
        self.age.clone().filter(|_| *choice == Choice::Select(Select::Latest))
    }

    /// The statements that must be shown.
    pub(crate) fn requires(&self) -> &[Statement] {
        &self.requires
    }

    /// The section of the runbook that it follows; empty if none.
    pub(crate) fn section(&self) -> &str {
        &self.section
    }

    /// Its verification, as a part of a suite. The backup is looked for when its turn comes: one that is missing does
    /// not keep the others from being verified.
    pub(crate) fn verification(&self, jobs: usize, seed: u64, history: &History) -> Verification {
        let (from, identity) = (self.from.clone(), self.identity.clone());
        let rolling = (self.choice == Choice::OldestUnverified).then(|| (self.name.clone(), history.clone()));
        let options = VerifyOptions { jobs, seed, ..self.options.clone() };
        Verification {
            name: format!("verify/{}", self.name),
            title: self.from.clone(),
            section: self.section.clone(),
            suites: self.suites.clone(),
            requires: self.requires.clone(),
            cell: self.cell(),
            age: self.age(&self.choice),
            software: self.software.clone(),
            source: Arc::new(Later { from, identity, reference: self.reference.clone(), options, rolling }),
        }
    }
}

/// A backup that is looked for when it is verified.
struct Later {
    from: String,
    identity: Vec<PathBuf>,
    reference: Kept,
    options: VerifyOptions,
    /// For the backup whose verification is longest ago: the name, and the runs by which it is chosen.
    rolling: Option<(String, History)>,
}

/// Reads what was recorded of an earlier restore.
fn with_reference(kept: &Kept, options: VerifyOptions) -> Result<VerifyOptions> {
    let options = options.compared_with(reference::read(Some(kept), false)?.map(Arc::new));
    reference::ensure_frozen_means_something(&options)?;
    Ok(options)
}

#[async_trait]
impl BackupSource for Later {
    async fn artefact(&self) -> Result<Arc<dyn Artefact>> {
        let options = with_reference(&self.reference, self.options.clone())?;
        match &self.rolling {
            Some((name, history)) => {
                let looked = history.looked().await?;
                look_for_oldest(name, &self.from, &self.identity, options, &looked).await
            }
            None => look_for(&self.from, &self.identity, options).await,
        }
    }
}
