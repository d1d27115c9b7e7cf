//! Imports secrets into a store: first a plan is made, then it is carried out.
//!
//! Nothing in the store is ever removed: a value returns under its own number if that is free, and otherwise
//! as a new version.

use std::fmt;

use comeback_engine::secret::SecretBytes;
use comeback_error::{Error, ErrorKind, Result};
use comeback_model::VersionState;

use super::SecretStore;
use super::set::{SecretContent, SecretSet, read_secret};

/// Takes the place of a version whose value is gone, and is destroyed at once. Numbers are given out in
/// order, so the next version needs it.
const PLACEHOLDER: &[u8] = b"destroyed";

/// One step of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportStep {
    /// Creates a secret that the store lacks, with its labels.
    Create {
        /// The name of the secret.
        name: String,
    },
    /// Adds a version under its original number.
    Add {
        /// The name of the secret.
        name: String,
        /// The number of the version.
        version: u64,
    },
    /// Enables an existing, disabled version.
    Enable {
        /// The name of the secret.
        name: String,
        /// The number of the version.
        version: u64,
    },
    /// Adds the value of a version as a new version, because its own number is taken.
    PutBack {
        /// The name of the secret.
        name: String,
        /// The number that it had.
        version: u64,
        /// The number that it will have.
        as_version: u64,
    },
    /// Sets the labels of a secret to those of the export.
    SetLabels {
        /// The name of the secret.
        name: String,
    },
}

/// What an import will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportPlan {
    /// The steps, in order.
    pub steps: Vec<ImportStep>,
    /// How many secrets need no change.
    pub unchanged: usize,
    /// Older versions that are destroyed in the store: their numbers cannot be used again.
    pub lost: Vec<String>,
}

/// Compares an export with a store, and plans the import.
///
/// If the store has something newer, or another value under the same number, the import is refused as a
/// whole. With `overwrite`, the export takes precedence: its current values become the newest versions.
pub async fn plan_import(store: &dyn SecretStore, wanted: &SecretSet, overwrite: bool) -> Result<ImportPlan> {
    let (mut plan, mut newer) = (ImportPlan::default(), Vec::new());
    for (name, secret) in &wanted.0 {
        let before = plan.steps.len();
        match read_secret(store, name).await? {
            None => {
                plan.steps.push(ImportStep::Create { name: name.clone() });
                add_from(&mut plan, name, secret, 1);
            }
            Some(found) => newer.extend(compare(&mut plan, name, secret, &found, overwrite)),
        }
        plan.unchanged += usize::from(plan.steps.len() == before);
    }
    if newer.is_empty() {
        return Ok(plan);
    }
    let mut error = Error::usage(format!(
        "{} holds what the export does not, and nothing was imported: {}",
        store.location(),
        newer.join("; ")
    ));
    error = error.hint("take a newer export, if there is one: what is in the store may be the right thing");
    Err(error
        .hint("--overwrite makes the values and labels of the export the current ones; no version is lost"))
}

/// Plans the steps for a secret that exists in the store. Returns the conflicts.
fn compare(
    plan: &mut ImportPlan,
    name: &str,
    wanted: &SecretContent,
    found: &SecretContent,
    overwrite: bool,
) -> Vec<String> {
    let mut newer = Vec::new();
    let (end, newest) = (newest(wanted), newest(found));
    let current = wanted.current();
    let own = found.current().map_or(0, |(number, _)| number);
    let is_current = current.is_none_or(|(_, value)| found.current().is_some_and(|(_, own)| own == value));
    let differs = other_value(wanted, found).filter(|_| !is_current);
    if let Some(number) = differs {
        newer.push(format!("{name} has another value as version {number}"));
    }
    if newest < end {
        add_from(plan, name, wanted, newest + 1);
    }
    // A current version that is added now needs no further step; one whose number is taken must be put back.
    if let Some((version, _)) = current.filter(|(version, _)| !is_current && *version <= newest) {
        if own > version && differs.is_none() {
            newer.push(format!("{name} has version {own}, and version {version} is current in the export"));
        }
        plan.bring_back(name, wanted, found, newest.max(end) + 1);
    }
    if wanted.labels != found.labels {
        newer.push(format!("{name} has other labels"));
        plan.steps.push(ImportStep::SetLabels { name: name.to_owned() });
    }
    let lost = found.versions.iter().filter(|(number, version)| {
        let had = wanted.versions.get(number).is_some_and(|one| one.value.is_some());
        had && version.state == VersionState::Destroyed
            && current.is_none_or(|(version, _)| version != **number)
    });
    plan.lost.extend(lost.map(|(number, _)| format!("{name} version {number}")));
    if overwrite { Vec::new() } else { newer }
}

/// The number of the newest version; 0 if there is none.
fn newest(secret: &SecretContent) -> u64 {
    secret.versions.last_key_value().map_or(0, |(number, _)| *number)
}

/// The first version that exists on both sides with different values.
fn other_value(wanted: &SecretContent, found: &SecretContent) -> Option<u64> {
    let mut both = wanted.versions.iter().filter_map(|(number, version)| {
        let own = found.versions.get(number)?.value.as_ref()?;
        (own != version.value.as_ref()?).then_some(*number)
    });
    both.next()
}

impl ImportPlan {
    /// Makes the export's current value the current one of the store: under its own number if enabling it is
    /// enough, otherwise as a new version.
    fn bring_back(&mut self, name: &str, wanted: &SecretContent, found: &SecretContent, as_version: u64) {
        let Some((version, _)) = wanted.current() else { return };
        let name = name.to_owned();
        let own = found.current().map_or(0, |(number, _)| number);
        let is_disabled = found.versions.get(&version).is_some_and(|one| one.state == VersionState::Disabled);
        self.steps.push(if is_disabled && own < version {
            ImportStep::Enable { name, version }
        } else {
            ImportStep::PutBack { name, version, as_version }
        });
    }
}

fn add_from(plan: &mut ImportPlan, name: &str, secret: &SecretContent, first: u64) {
    let versions = secret.versions.range(first..).map(|(version, _)| *version);
    plan.steps.extend(versions.map(|version| ImportStep::Add { name: name.to_owned(), version }));
}

/// Carries out a plan, then checks that nothing is left to do.
///
/// If it fails, the error says how far it came; the same import resumes there.
pub async fn import(store: &dyn SecretStore, wanted: &SecretSet, plan: &ImportPlan) -> Result<()> {
    for (done, step) in plan.steps.iter().enumerate() {
        take_step(store, wanted, step).await.map_err(|error| {
            let error = error.into_kind(ErrorKind::CouldNotVerify);
            let error = error.context(format!("after {done} of {} steps, `{step}`", plan.steps.len()));
            error.hint("import once more when the reason is gone: it goes on where this one ended")
        })?;
    }
    let left = plan_import(store, wanted, false).await.map_err(|error| error.into_kind(ErrorKind::Failed))?;
    match left.steps.first() {
        None => Ok(()),
        Some(step) => Err(Error::failed(format!("after the import it is still to be done: {step}"))
            .hint("somebody else writes to the store: find out who, and import once more")),
    }
}

async fn take_step(store: &dyn SecretStore, wanted: &SecretSet, step: &ImportStep) -> Result<()> {
    let secret = |name: &str| {
        let found = wanted.0.get(name);
        found
            .ok_or_else(|| Error::usage(format!("the secret {name} was decided on and is not in the export")))
    };
    match step {
        ImportStep::Create { name } => store.create(name, &secret(name)?.labels).await,
        ImportStep::SetLabels { name } => store.set_labels(name, &secret(name)?.labels).await,
        ImportStep::Enable { name, version } => enable(store, name, secret(name)?, *version).await,
        ImportStep::Add { name, version } => add(store, name, secret(name)?, *version, *version).await,
        ImportStep::PutBack { name, version, as_version } => {
            add(store, name, secret(name)?, *version, *as_version).await
        }
    }
}

/// Enables a version, whose value could not be read before. If the value differs, the version is disabled
/// again, and the value of the export becomes a new version.
async fn enable(store: &dyn SecretStore, name: &str, secret: &SecretContent, version: u64) -> Result<()> {
    store.set_state(name, version, VersionState::Enabled).await?;
    let value = store.access(name, version).await?;
    if secret.versions.get(&version).and_then(|one| one.value.as_ref()) == Some(&value) {
        return Ok(());
    }
    store.set_state(name, version, VersionState::Disabled).await?;
    let newest = store.describe(name).await?.map_or(0, |found| found.newest());
    add(store, name, secret, version, newest + 1).await
}

/// Adds the value of a version, checks that it got the expected number, and sets the state that it had.
async fn add(
    store: &dyn SecretStore,
    name: &str,
    secret: &SecretContent,
    version: u64,
    number: u64,
) -> Result<()> {
    let Some(content) = secret.versions.get(&version) else {
        return Err(Error::usage(format!("the export has no version {version} of the secret {name}")));
    };
    let placeholder = || SecretBytes::from(PLACEHOLDER.to_vec());
    let given = store.add_version(name, &content.value.clone().unwrap_or_else(placeholder)).await?;
    if given != number {
        return Err(Error::could_not_verify(format!(
            "the store gave number {given} to version {number} of the secret {name}: somebody else writes to it"
        )));
    }
    match (&content.value, content.state) {
        (None, _) => store.set_state(name, number, VersionState::Destroyed).await,
        (Some(_), VersionState::Enabled) => Ok(()),
        (Some(_), state) => store.set_state(name, number, state).await,
    }
}

/// Prints a line for people.
impl fmt::Display for ImportStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { name } => write!(f, "create {name}"),
            Self::Add { name, version } => write!(f, "add version {version} of {name}"),
            Self::Enable { name, version } => write!(f, "enable version {version} of {name}"),
            Self::PutBack { name, version, as_version } => {
                write!(f, "put the value of version {version} of {name} back as version {as_version}")
            }
            Self::SetLabels { name } => write!(f, "set the labels of {name}"),
        }
    }
}
