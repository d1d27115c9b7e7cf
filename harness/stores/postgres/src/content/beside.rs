//! What belongs to a cluster and to no schema of a database: roles, and the settings and grants of databases.

use comeback_model::{Catalogue, CatalogueForm, Definitions, RolesProfile};
use sqlx::PgConnection;

use super::catalogue;
use crate::error::{Context as _, Result};

/// The role that owns the cluster, and the one that we log in as: they belong to the restore.
const OURS: &str = "select quote_ident(rolname) from pg_roles where oid = 10 or rolname = current_user";
/// How the definition of a role with a password ends; a hash of the hash follows.
const PASSWORD: &str = "password ";
/// The end of the identity of a setting that belongs to no database.
const EVERYWHERE: &str = " in every database";

/// What a backup brings beside the definitions and rows of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brings {
    /// The names of its databases on the restored server. `None` for the whole cluster: its files, or what `pg_dumpall`
    /// writes.
    pub databases: Option<Vec<String>>,
    /// Whether the settings and grants of its databases are with it: `pg_dump --create`, and archives.
    pub properties: bool,
    /// Whether the roles are beside it.
    pub roles: bool,
    /// Whether it says who owns what. Without that, grants are other ones, too: an owner holds its own.
    pub owners: bool,
}

impl Brings {
    /// What the files of a cluster bring.
    pub const EVERYTHING: Self = Self { databases: None, properties: true, roles: true, owners: true };

    pub(super) fn database(&self, name: &str) -> bool {
        self.databases.as_ref().is_none_or(|names| names.iter().any(|other| other == name))
    }
}

/// What is beside the databases.
pub(super) struct Beside {
    catalogue: Catalogue,
    left_out: Vec<String>,
}

impl Beside {
    pub(super) async fn read(connection: &mut PgConnection) -> Result<Self> {
        let catalogue = catalogue::read_cluster(connection, CatalogueForm::Complete).await?;
        let left_out = sqlx::query_scalar(OURS).fetch_all(connection).await.context("listing our roles")?;
        Ok(Self { catalogue, left_out })
    }

    /// The roles, without passwords; `None` if the backup does not bring them.
    pub(super) fn roles(&self, brings: &Brings) -> Option<RolesProfile> {
        if !brings.roles {
            return None;
        }
        let mut definitions = Definitions::new();
        for (kind, identity, text) in self.objects() {
            let is_kept = match kind {
                "role" | "membership" => true,
                // No dump contains settings of every role in every database.
                "setting" => identity.ends_with(EVERYWHERE) && !identity.starts_with("every role "),
                "grant" => identity.starts_with("parameter "),
                _ => false,
            };
            if is_kept {
                let text = if kind == "role" { without_password(text) } else { text };
                insert(&mut definitions, kind, identity, text);
            }
        }
        Some(RolesProfile { definitions, left_out: self.left_out.iter().cloned().collect() })
    }

    /// The settings and grants of a database, by role. The name is quoted as in SQL.
    pub(super) fn properties(&self, database: &str) -> Definitions {
        let (place, object) = (format!(" in {database}"), format!("database {database} to "));
        let mut definitions = Definitions::new();
        for (kind, identity, text) in self.objects() {
            let role = match kind {
                "setting" => identity.strip_suffix(&*place),
                "grant" => identity.strip_prefix(&*object),
                _ => None,
            };
            if let Some(role) = role {
                insert(&mut definitions, kind, role, text);
            }
        }
        definitions
    }

    fn objects(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.catalogue.objects.iter().flat_map(|(kind, objects)| {
            objects.iter().map(move |(identity, text)| (kind.as_str(), identity.as_str(), text.as_str()))
        })
    }
}

fn insert(definitions: &mut Definitions, kind: &str, identity: &str, text: &str) {
    definitions.entry(kind.to_owned()).or_default().insert(identity.to_owned(), text.to_owned());
}

/// The definition of a role without the hash of its password.
fn without_password(definition: &str) -> &str {
    match definition.rsplit_once(PASSWORD) {
        Some((before, hash)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => before.trim_end(),
        _ => definition,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_password_is_kept() {
        assert_eq!(without_password("login limit -1 password 00ff"), "login limit -1");
        assert_eq!(without_password("password 00ff"), "");
        assert_eq!(without_password("inherit login limit -1"), "inherit login limit -1");
    }
}
