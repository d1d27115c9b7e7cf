//! Judge of extensions: are their libraries there, and do they load?

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_model::ScopeKind;

use super::look::{Gathered, Look, count, read_by_name};
use crate::PostgresAddress;
use crate::error::Result;

/// Asks whether each extension of each database is installed on this machine, and whether each library that a
/// function of the database names is there and has the function. What is missing is missing here, and not in
/// the backup: the judge could then not verify.
///
/// An extension that is older than the one that this machine offers works, and is told in the summary.
pub struct ExtensionJudge<'a> {
    /// The restored server.
    pub server: &'a PostgresAddress,
}

struct Extension {
    name: String,
    installed: String,
    /// The version that this machine offers; `None` if it has no such extension.
    offered: Option<String>,
}

read_by_name!(Extension: name, installed, offered);

/// One function of each library.
const LIBRARIES: &str = "select p.probin::text, min(p.oid)::int8 from pg_proc p join pg_language l on l.oid = p.prolang \
    where l.lanname = 'c' and p.oid >= 16384 and p.probin is not null group by 1 order by 1";

#[async_trait]
impl Judge for ExtensionJudge<'_> {
    fn name(&self) -> &'static str {
        "extensions"
    }

    async fn judge(&self) -> Result<Opinion> {
        let (mut gathered, databases) = Gathered::of(self.server).await?;
        let (mut looked_at, mut older) = (0, Vec::new());
        for database in databases {
            let mut look = Look::into(self.server, &database).await?;
            let extensions: Vec<Extension> = look
                .list("select e.extname::text as name, e.extversion as installed, a.default_version as offered \
                       from pg_extension e left join pg_available_extensions a on a.name = e.extname order by 1")
                .await?;
            looked_at += extensions.len();
            for Extension { name, installed, offered } in extensions {
                match offered {
                    None => gathered.doubt(
                        format!("database {database} uses the extension {name} {installed}, which this machine does not have"),
                        format!("install the package of {name} for this version of PostgreSQL, or choose an image that has it"),
                    ),
                    Some(offered) if offered != installed => older.push(format!("{name} {installed} (here {offered})")),
                    Some(_) => {}
                }
            }
            for (library, function) in look.list::<(String, i64)>(LIBRARIES).await? {
                // The validator loads the library, and looks for the function.
                let valid =
                    look.ask::<(String,)>(format!("select fmgr_c_validator({function}::oid)::text")).await?;
                if let Err(refusal) = valid {
                    gathered.doubt(
                        format!("database {database} uses the library {library}: {}", refusal.said),
                        "install the package that the library belongs to, or choose an image that has it",
                    );
                }
            }
            look.end().await?;
        }
        let told = if older.is_empty() {
            String::new()
        } else {
            older.sort();
            older.dedup();
            format!("; of another version than this machine offers: {}", older.join(", "))
        };
        let summary = format!("{} and their libraries are there{told}", count(looked_at, "extension"));
        gathered.into_opinion(ScopeKind::ObjectKind, summary)
    }
}
