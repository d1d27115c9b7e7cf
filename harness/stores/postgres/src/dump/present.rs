//! The roles that a server has before an export is imported: they stay as they are.

use std::collections::BTreeSet;

use comeback_model::Catalogue;

use crate::connection::address::PostgresAddress;
use crate::connection::session::close;
use crate::error::{Context as _, Result};

/// The roles of a server in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PresentRoles {
    /// Their names.
    pub(crate) names: BTreeSet<String>,
    /// The same, quoted as in SQL.
    quoted: BTreeSet<String>,
}

impl PresentRoles {
    /// Reads the roles of a server.
    pub async fn read(server: &PostgresAddress) -> Result<Self> {
        let mut connection = server.connect_to_cluster().await?;
        let sql = "select rolname::text, quote_ident(rolname) from pg_roles";
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).fetch_all(&mut connection).await.context("listing the roles")?;
        close(connection).await;
        let (names, quoted) = rows.into_iter().unzip();
        Ok(Self { names, quoted })
    }

    /// The roles of a catalogue that are among them.
    pub fn among(&self, catalogue: &Catalogue) -> Vec<String> {
        let roles = catalogue.objects.get("role").into_iter().flat_map(|roles| roles.keys());
        roles.filter(|role| self.quoted.contains(*role)).cloned().collect()
    }

    /// Removes from a catalogue what belongs to one of them.
    pub(crate) fn leave_out(&self, catalogue: &mut Catalogue) {
        for (kind, objects) in &mut catalogue.objects {
            objects.retain(|identity, _| {
                !role_of(kind, identity).is_some_and(|role| self.quoted.contains(role))
            });
        }
    }
}

/// The role that an object of the cluster belongs to. A membership belongs to the member.
fn role_of<'a>(kind: &str, identity: &'a str) -> Option<&'a str> {
    match kind {
        "role" => Some(identity),
        "membership" => identity.rsplit_once(" in ").map(|(member, _)| member),
        "setting" => identity.strip_suffix(" in every database"),
        "comment" => identity.strip_prefix("role "),
        "security label" => {
            identity.strip_prefix("role ").and_then(|rest| Some(rest.rsplit_once(" for ")?.0))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::role_of;

    #[test]
    fn what_belongs_to_a_role_is_known() {
        for (kind, identity, role) in [
            ("role", "\"my app\"", Some("\"my app\"")),
            ("membership", "reader in writer", Some("reader")),
            ("setting", "app in every database", Some("app")),
            ("setting", "app in shop", None),
            ("comment", "role app", Some("app")),
            ("comment", "database shop", None),
            ("security label", "role app for selinux", Some("app")),
            ("grant", "database shop to app", None),
        ] {
            assert_eq!(role_of(kind, identity), role, "{kind} {identity}");
        }
    }
}
