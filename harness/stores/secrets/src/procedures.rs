//! The procedures of secrets: the steps of the runbook, for drills and for disasters.

use std::path::Path;

use comeback_engine::runner::Course;
use comeback_error::Result;
use comeback_model::{Manifest, Phase, Verdict};

use super::{
    Identities, ImportPlan, OpenedExport, SecretStore, import, open_export, plan_import, read_export_file,
};
use crate::judges::{ImportedSecrets, OpenedSecrets};

/// An export to be imported.
#[derive(Debug, Clone, Copy)]
pub enum Export<'a> {
    /// An export in the repository, with its manifest.
    Kept(&'a Manifest),
    /// A file of this machine.
    File(&'a Path),
}

/// The import of an opened export.
pub struct SecretsImport {
    /// The export.
    pub opened: OpenedExport,
}

impl SecretsImport {
    /// Opens an export. If it has a manifest, it must match it.
    pub async fn open(course: &Course, export: Export<'_>, identities: &Identities) -> Result<Self> {
        course.step(Phase::Recover, "decrypt the export, in memory");
        let opened = match export {
            Export::File(path) => read_export_file(path, identities)?,
            Export::Kept(manifest) => {
                let opened = open_export(course.repository(), manifest, identities).await;
                let opened = course.restored(opened)?;
                let (_, recorded) = manifest.content.secrets()?;
                let judge = OpenedSecrets { opened: &opened.secrets, key: &opened.key, recorded };
                course.insist(&judge).await?;
                opened
            }
        };
        Ok(Self { opened })
    }

    /// Plans the import, and changes nothing.
    pub async fn plan(
        &self,
        course: &Course,
        store: &dyn SecretStore,
        overwrite: bool,
    ) -> Result<ImportPlan> {
        course.step(Phase::Recover, "compare it with what the store holds");
        let plan = plan_import(store, &self.opened.secrets, overwrite).await?;
        course.note(format!("{} steps to take; {} secrets are right", plan.steps.len(), plan.unchanged));
        Ok(plan)
    }

    /// Carries out the plan.
    pub async fn carry_out(&self, course: &Course, store: &dyn SecretStore, plan: &ImportPlan) -> Result<()> {
        course.step(Phase::Recover, "import it into the store, every version under its own number");
        import(store, &self.opened.secrets, plan).await?;
        course.note("a second import would find nothing to do");
        Ok(())
    }

    /// Checks that the whole export is in the store.
    pub async fn judge(&self, course: &Course, store: &dyn SecretStore) -> Verdict {
        course.step(Phase::Judge, "prove that every value, version and label came back");
        course.judge(&ImportedSecrets { store, opened: &self.opened.secrets }).await
    }
}
