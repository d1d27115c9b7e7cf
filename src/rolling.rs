//! `--select oldest-unverified`: the backup whose verification is longest ago.

use std::path::PathBuf;
use std::sync::Arc;

use comeback_engine::artefact::{Artefact, Select, VerifyOptions, with_note};
use comeback_error::Result;
use comeback_model::{Look, Looked, StoreCoverage};
use comeback_reports::format;

use crate::places::look_for;

/// Which backup of a place that keeps several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// By the place alone.
    Select(Select),
    /// The one whose verification is longest ago; those that were never verified first.
    OldestUnverified,
}

impl Default for Choice {
    fn default() -> Self {
        Self::Select(Select::default())
    }
}

impl Choice {
    /// How the place is asked first.
    pub(crate) fn select(&self) -> Select {
        match self {
            Self::Select(select) => select.clone(),
            // One that was written last and is no backup does not keep the others from their turn.
            Self::OldestUnverified => Select::Random,
        }
    }
}

/// Looks for the backup whose verification is longest ago, among those that its place keeps. `name` is that of the
/// verification, without `verify/`.
pub(crate) async fn look_for_oldest(
    name: &str,
    from: &str,
    identity: &[PathBuf],
    options: VerifyOptions,
    looked: &[Looked],
) -> Result<Arc<dyn Artefact>> {
    let any = look_for(from, identity, options.clone()).await?;
    let store = StoreCoverage::new(name, from, any.recoverable().backups, looked);
    let Some(next) = store.next() else { return Ok(any) };
    let why = match next.looks.first() {
        None => "nobody tried to verify it yet".to_owned(),
        Some(Look { at, .. }) => format!("last tried {}", format::instant(*at)),
    };
    let of = format::plural(store.backups.len() as u64, "backup");
    let chosen = match &next.backup.id {
        Some(id) if *id != any.summary().id.unwrap_or_default() => {
            look_for(from, identity, VerifyOptions { select: Select::Id(id.clone()), ..options }).await?
        }
        _ => any,
    };
    let id = chosen.summary().id.unwrap_or_else(|| chosen.summary().source);
    Ok(with_note(chosen, format!("chose {id} of {of}: {why}")))
}
