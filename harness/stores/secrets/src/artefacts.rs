//! Exports of secrets as backups of a user: opened in memory, and judged by their manifest where there is one.
//!
//! *Restored* means that a key opens the export and every record in it is readable. *Sound*: every value has the
//! CRC32C that was recorded beside it, and versions are numbered without gaps. *Exact* needs the manifest: every
//! name, label, version and value is the one that was exported. No value is written to a disk.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Found, Lack, Layer, OwnBackup, Recoverable, Restored, VerifyOptions, blame,
    find_own,
};
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::runner::Course;
use comeback_error::{Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, NotLookedAt, Phase, ScopeKind, Statement};
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::age_file::{Refusal, parse};
use crate::judges::OpenedSecrets;
use crate::{Identities, OpenedExport, VALUE_BYTES, open_export};

/// How the content of an export begins.
const MARK: &[u8] = b"{\"comeback_secrets\":";
/// More than any export: 100,000 values of the largest size.
const LONGEST_BYTES: u64 = 100_000 * VALUE_BYTES as u64;

/// Every kind, in the order in which they are asked. `identities` are the keys that the user gave.
pub fn kinds(identities: Option<Arc<Identities>>) -> Vec<Box<dyn ArtefactKind>> {
    vec![Box::new(OwnKind { identities }), Box::new(ExportKind)]
}

/// Exports in a repository of Comeback.
struct OwnKind {
    identities: Option<Arc<Identities>>,
}

#[async_trait]
impl ArtefactKind for OwnKind {
    fn name(&self) -> &'static str {
        "own-secrets"
    }

    fn looks_for(&self) -> &'static str {
        "an export of secrets in a repository of comeback"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let Some(own) = find_own(found, options, self.name(), &["secrets"]).await? else { return Ok(None) };
        let identities = self.identities.clone().ok_or_else(|| {
            Error::usage(format!("{} is encrypted with age, and no key was given", own.manifest.id))
                .hint("name the file of the private key with --identity FILE")
        })?;
        Ok(Some(Arc::new(OwnExport { own: Arc::new(own), identities })))
    }
}

struct OwnExport {
    own: Arc<OwnBackup>,
    identities: Arc<Identities>,
}

#[async_trait]
impl Artefact for OwnExport {
    fn summary(&self) -> ArtefactSummary {
        self.own.summary.clone()
    }

    fn recoverable(&self) -> Recoverable {
        self.own.recoverable.clone()
    }

    async fn missing(&self, _: &mut Course) -> Result<Vec<Lack>> {
        Ok(Vec::new())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        self.own.ensure_trusted().await?;
        course.step(Phase::Recover, "check the export against its manifest, and decrypt it in memory");
        let OwnBackup { manifest, repository, .. } = &*self.own;
        let opened = open_export(&**repository, manifest, &self.identities).await?;
        Ok(Box::new(RestoredSecrets { opened, own: Some(self.own.clone()) }))
    }
}

/// An export as one file.
struct ExportKind;

#[async_trait]
impl ArtefactKind for ExportKind {
    fn name(&self) -> &'static str {
        "secrets"
    }

    fn looks_for(&self) -> &'static str {
        "an export of secrets of comeback, encrypted with age"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let is_export = found.layers.contains(&Layer::Age) && found.head.starts_with(MARK);
        let Some(single) = found.single().filter(|_| is_export) else { return Ok(None) };
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind: found.describe("export of secrets"),
            bytes: Some(single.bytes),
            ..ArtefactSummary::default()
        };
        let (place, options) = (found.place.clone(), options.clone());
        Ok(Some(Arc::new(Export { place, summary, options })))
    }
}

struct Export {
    place: Arc<dyn comeback_engine::artefact::Place>,
    summary: ArtefactSummary,
    options: Arc<VerifyOptions>,
}

#[async_trait]
impl Artefact for Export {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, _: &mut Course) -> Result<Vec<Lack>> {
        Ok(Vec::new())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        course.step(Phase::Recover, "decrypt the export, in memory");
        let (name, decryptor) = (self.place.name(), self.options.decryptor.as_deref());
        let peeled = comeback_engine::artefact::peel(&name, self.place.open("").await?, decryptor).await?;
        // A growing buffer would leave copies in memory. The content is rarely longer than the file.
        let room = usize::try_from(self.summary.bytes.unwrap_or_default()).unwrap_or_default();
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        let read = peeled.content.take(LONGEST_BYTES).read_to_end(&mut text).await;
        read.map_err(|error| blame(&name, &error))?;
        let opened = parse(&text).map_err(|refusal| match refusal {
            Refusal::Unknown(error) => RestoreFailure::Other(error),
            Refusal::WrongKey => RestoreFailure::Other(Error::could_not_verify("no key opens it")),
            Refusal::Damaged(why) => Finding::new(FindingCode::BackupDamaged, &name, "a whole export", why)
                .remedy("verify an older export, and find out what wrote this one")
                .into(),
        })?;
        Ok(Box::new(RestoredSecrets { opened, own: None }))
    }
}

/// An export that was opened.
struct RestoredSecrets {
    opened: OpenedExport,
    own: Option<Arc<OwnBackup>>,
}

impl Restored for RestoredSecrets {
    fn summary(&self) -> String {
        let secrets = &self.opened.secrets;
        format!(
            "{} secrets with {} versions were decrypted and read",
            secrets.0.len(),
            secrets.version_count()
        )
    }

    fn judges(&self) -> Vec<(Statement, Box<dyn Judge + '_>)> {
        let mut judges: Vec<(Statement, Box<dyn Judge + '_>)> =
            vec![(Statement::Sound, Box::new(ReadableValues { opened: &self.opened }))];
        if let Some(own) = &self.own {
            judges.push((Statement::Restored, Box::new(own.provenance())));
        }
        let recorded = self.own.as_ref().and_then(|own| own.manifest.content.secrets().ok());
        if let Some((_, recorded)) = recorded {
            let OpenedExport { secrets, key, .. } = &self.opened;
            let judge = OpenedSecrets { opened: secrets, key, recorded };
            judges.push((Statement::Exact, Box::new(judge)));
        }
        judges
    }
}

/// Says what the reader of an export has checked: a value that is not what its CRC32C says was refused before.
struct ReadableValues<'a> {
    opened: &'a OpenedExport,
}

#[async_trait]
impl Judge for ReadableValues<'_> {
    fn name(&self) -> &'static str {
        "readable-values"
    }

    async fn judge(&self) -> Result<Opinion> {
        let secrets = &self.opened.secrets;
        let values = secrets.0.values().flat_map(|secret| secret.versions.values());
        let values = values.filter(|version| version.value.is_some()).count();
        let without = secrets.without_value().into_iter().map(|version| {
            NotLookedAt::new(
                ScopeKind::SecretValue,
                version,
                "it was disabled, and a store gives no such value",
            )
        });
        let summary = format!("{values} values have the CRC32C beside them, and no version is left out");
        Ok(Opinion::new(summary, []).not_looked_at(without))
    }
}
