//! Recognises SQL: a dump by how it begins, any other script only if the user says that it is a backup.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, VerifyOptions};

use super::script::Script;
use super::text::Text;
use crate::error::{Error, Result};

/// Which scripts are recognised.
pub(super) enum SqlKind {
    /// The plain format of `pg_dump` and `pg_dumpall`.
    Dump,
    /// Any script. What is SQL and no dump is refused with the reason.
    Any,
}

#[async_trait]
impl ArtefactKind for SqlKind {
    fn name(&self) -> &'static str {
        match self {
            Self::Dump => "sql",
            Self::Any => "sql-script",
        }
    }

    fn looks_for(&self) -> &'static str {
        match self {
            Self::Dump => "a plain SQL dump of pg_dump or pg_dumpall",
            Self::Any => "any SQL script (only with --as sql-script)",
        }
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        if found.single().is_none() {
            return Ok(None);
        }
        let is_named = options.kind.as_deref() == Some(self.name());
        let script = match self {
            Self::Dump => dump(found, options, is_named)?,
            Self::Any if is_named => Some(Script::new(found, options, "SQL script", false)),
            Self::Any => refused(found)?,
        };
        Ok(script.map(|script| Arc::new(script) as Arc<dyn Artefact>))
    }
}

fn dump(found: &Found, options: &Arc<VerifyOptions>, is_named: bool) -> Result<Option<Script>> {
    let kind = match Text::of(&found.head) {
        Text::Database => "plain SQL dump",
        Text::Cluster => "plain SQL dump of a cluster",
        _ if is_named => "plain SQL dump",
        _ => return Ok(None),
    };
    let script = Script::new(found, options, kind, true);
    script.ensure_data_may_be_in(&found.head)?;
    Ok(Some(script))
}

/// Says why a text is no backup that can be restored as it is.
fn refused(found: &Found) -> Result<Option<Script>> {
    let name = found.place.name();
    match Text::of(&found.head) {
        Text::Sql => Err(Error::usage(format!("{name} is SQL, and does not say that it is a dump"))
            .hint("if it is a backup all the same, verify it with --as sql-script")
            .hint("without the last line of a dump nobody can tell whether it is complete")),
        Text::Foreign(system) => Err(Error::usage(format!("{name} is a dump of {system}"))
            .hint("Comeback restores dumps of PostgreSQL")),
        Text::Utf16 => {
            Err(Error::failed(format!("{name} is in UTF-16, which no restore of PostgreSQL reads"))
                .hint("`pg_dump > FILE` in PowerShell does that: write the dump with pg_dump --file=FILE")
                .hint("to save this one: iconv -f UTF-16 -t UTF-8 FILE"))
        }
        Text::Database | Text::Cluster | Text::Other => Ok(None),
    }
}
