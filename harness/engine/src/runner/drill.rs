//! One execution of a scenario, and the methods that scenarios are written with.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use comeback_error::{Context as _, Error, Result};
use comeback_model::{
    CoherenceRule, DocumentedTtl, IntegrityQuery, Ledger, Milestone, Objective, Plan, WriteTry,
};

use super::objectives::Documented;
use super::{Applications, Course};
use crate::damage::{Aim, Damage, DamageSpec, Damages, Target, find};
use crate::evidence::{ArtefactSummary, EventBody};

/// A running drill: a [`Course`], and what only drills have.
pub struct Drill {
    pub(super) course: Course,
    pub(super) seed: u64,
    pub(super) scale: String,
    /// The damages of the scenario.
    pub(super) damages: Vec<&'static dyn Damages>,
    /// The damages that the run asked for.
    pub(super) asked: Vec<&'static DamageSpec>,
    pub(super) shows_values: bool,
    pub(super) injected: AtomicUsize,
    pub(super) queries: Vec<IntegrityQuery>,
    pub(super) documented: Documented,
    pub(super) applications: Applications,
    /// The recovery plan of the runbook, if the run has one.
    pub(super) plan: Option<Arc<Plan>>,
    pub(super) coherence: Vec<CoherenceRule>,
    pub(super) settings_folder: PathBuf,
    pub(super) declared_ms: Option<u64>,
}

impl Deref for Drill {
    type Target = Course;

    fn deref(&self) -> &Course {
        &self.course
    }
}

impl DerefMut for Drill {
    fn deref_mut(&mut self) -> &mut Course {
        &mut self.course
    }
}

impl Drill {
    /// The seed of data, writes and damage.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The scale of the data, as the user named it.
    pub fn scale(&self) -> &str {
        &self.scale
    }

    /// The applications that the drill recovers.
    pub fn applications(&self) -> &Applications {
        &self.applications
    }

    /// The time objective of the runbook.
    pub fn time_objective(&self) -> Result<Objective> {
        self.documented.time.clone()
    }

    /// The recovery point objective of the runbook; `None` if it documents none.
    pub fn loss_objective(&self) -> Result<Option<Objective>> {
        self.documented.loss.clone()
    }

    /// The TTL that the runbook states for the DNS records of its section; `None` if it states none.
    pub fn documented_ttl(&self) -> Result<Option<DocumentedTtl>> {
        self.documented.ttl.clone()
    }

    /// Whether findings may contain values of restored rows.
    pub fn shows_values(&self) -> bool {
        self.shows_values
    }

    /// The integrity queries that the user added.
    pub fn user_queries(&self) -> &[IntegrityQuery] {
        &self.queries
    }

    /// The user's own rules about stores that must agree.
    pub fn coherence_rules(&self) -> &[CoherenceRule] {
        &self.coherence
    }

    /// The folder in which the user's own commands run.
    pub fn settings_folder(&self) -> &Path {
        if self.settings_folder.as_os_str().is_empty() { Path::new(".") } else { &self.settings_folder }
    }

    /// The disaster is declared: time to recovery starts. Returns the time on the clock of the run, in
    /// milliseconds.
    pub fn declare_disaster(&mut self) -> u64 {
        let at_ms = self.reached(Milestone::Declared);
        self.declared_ms = Some(at_ms);
        at_ms
    }

    /// Injects the damages that the run asked for, those that the scenario has for this target.
    pub async fn inject<T: Target>(&self, on: T::On<'_>) -> Result<()> {
        for asked in &self.asked {
            let Some(Damage { spec, inject }) = find::<T>(&self.damages, asked.name) else { continue };
            let injury = inject(Aim { on: on.clone(), seed: self.seed }).await;
            let injury = injury.map_err(|error| error.context(format!("injecting {spec}")))?;
            self.injected.fetch_add(1, Ordering::Relaxed);
            self.note(format!("injected {spec}: {injury}"));
        }
        Ok(())
    }

    /// Fails if a requested damage was never injected.
    pub(super) fn ensure_damaged(&self) -> Result<()> {
        if self.injected.load(Ordering::Relaxed) >= self.asked.len() {
            return Ok(());
        }
        let asked = self.asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(Error::could_not_verify(format!(
            "{asked} was asked for, and the drill ended without having injected it"
        )))
    }

    /// Saves the ledger of the workload in the evidence, next to the servers' logs.
    pub async fn save_ledger(&self, ledger: &Ledger) -> Result<()> {
        let text = serde_json::to_vec(ledger).context("writing the ledger down")?;
        self.save_evidence("ledger.json", &text).await
    }

    /// Saves tries to write in the evidence, next to the servers' logs.
    pub async fn save_tries(&self, name: &str, tries: &[WriteTry]) -> Result<()> {
        let text = serde_json::to_vec(tries).context("writing the tries down")?;
        self.save_evidence(&format!("tries-{name}.json"), &text).await
    }

    /// Records that the drill's servers hold sample data, and how many bytes.
    pub fn sample_data_loaded(&self, bytes: u64) {
        self.journal().append(EventBody::SampleDataLoaded { drill: self.index(), bytes });
    }

    /// Records what the user's backup is that the drill verifies.
    pub fn artefact_recognised(&self, artefact: ArtefactSummary) {
        self.journal().append(EventBody::ArtefactRecognised { drill: self.index(), artefact });
    }

    /// The judges have finished.
    pub fn verified(&self) {
        self.reached(Milestone::Verified);
    }
}
