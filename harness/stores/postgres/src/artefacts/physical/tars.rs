//! Base backups as tar files, as `pg_basebackup --format=tar` writes them.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, VerifyOptions};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode};

use super::artefact::PhysicalArtefact;
use super::control::Label;
use super::outside::log_beside;
use super::tar::{is_tar, search};
use super::tar_files::{TarFiles, Tars};
use super::tree::identifiers;
use crate::error::{Error, Result};

/// Recognises a data directory in a tar file.
pub(in crate::artefacts) struct TarKind;

#[async_trait]
impl ArtefactKind for TarKind {
    fn name(&self) -> &'static str {
        "base-tar"
    }

    fn looks_for(&self) -> &'static str {
        "a base backup in tar format (base.tar, or one tar with PG_VERSION in it)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let decryptor = options.decryptor.as_deref();
        let Some(tars) = Tars::list(found, "", "base") else { return Ok(None) };
        let mut peeled = found.peel(&tars.base, decryptor).await?;
        if !is_tar(&peeled.head) {
            return Ok(None);
        }
        let said = Said::read(&mut peeled.content).await;
        let Some(major) = said.major else {
            let cut = said.label.map(|_| {
                let (source, kind) = (found.place.name(), "base backup, tar".to_owned());
                let summary = ArtefactSummary { source, kind, ..ArtefactSummary::default() };
                PhysicalArtefact::shared(summary, Err(Box::new(cut_short(&tars.base))), 0, options)
            });
            return Ok(cut);
        };
        let label = said.label.as_deref().and_then(Label::parse);
        if label.as_ref().is_some_and(|label| label.incremental_from.is_some()) {
            return Err(Error::could_not_verify(format!("{} is an incremental backup", found.place.name()))
                .hint(
                    "combine it with the backups that it adds to (pg_combinebackup), and verify the result",
                ));
        }
        let kind = peeled
            .layers
            .iter()
            .fold("base backup, tar".to_owned(), |kind, layer| format!("{kind}, {layer}"));
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind,
            id: None,
            bytes: Some(tars.bytes(found)),
            taken_at: label.and_then(|label| label.started_at),
            software: Some(format!("PostgreSQL {major}")),
        };
        let log = log_beside(found, options, "\0").await?;
        let (place, decryptor) = (found.place.clone(), options.decryptor.clone());
        let bytes = tars.bytes(found);
        let files = TarFiles { place, decryptor, tars, bytes, map: said.map, log };
        Ok(Some(PhysicalArtefact::shared(summary, Ok(Arc::new(files)), major, options)))
    }
}

fn cut_short(base: &str) -> Finding {
    let name = if base.is_empty() { "the tar" } else { base };
    let actual = "one that ends or is damaged before the first database";
    Finding::new(FindingCode::BackupDamaged, name, "a whole tar file", actual)
        .remedy("restore another backup, and find out what cut or changed this one")
}

/// What the members of a tar say.
#[derive(Default)]
struct Said {
    major: Option<u32>,
    label: Option<String>,
    /// The tablespaces, if the tar names any.
    map: Vec<String>,
}

impl Said {
    /// Reads as far as the first file with the major version; each database has one. A tar that ends earlier says
    /// nothing, and unpacking it says why.
    async fn read(stream: &mut comeback_engine::repository::Reader) -> Self {
        let mut said = Self::default();
        let look = |name: &str, content: &[u8]| {
            let text = || String::from_utf8_lossy(content).into_owned();
            match name.rsplit('/').next() {
                Some("backup_label") => said.label = Some(text()),
                Some("tablespace_map") => said.map = identifiers(&text()).collect(),
                Some("PG_VERSION") => said.major = text().trim().parse().ok(),
                _ => {}
            }
            said.major.is_some()
        };
        // The label and the map come first in a backup of pg_basebackup.
        let _ = search(stream, look).await;
        said
    }
}
