//! SQL that is no dump of PostgreSQL, and dumps of other systems.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, VerifyOptions};

use super::script::Script;
use super::text::Text;
use crate::error::{Error, Result};

/// Any SQL script, if the user says that it is one.
pub(super) struct SqlScriptKind;

/// Its name for `--as`.
const NAME: &str = "sql-script";

#[async_trait]
impl ArtefactKind for SqlScriptKind {
    fn name(&self) -> &'static str {
        NAME
    }

    fn looks_for(&self) -> &'static str {
        "any SQL script (only with --as sql-script)"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        if found.single().is_none() {
            return Ok(None);
        }
        if options.kind.as_deref() == Some(NAME) {
            return Ok(Some(Arc::new(Script::new(found, options, "SQL script", false))));
        }
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
}
