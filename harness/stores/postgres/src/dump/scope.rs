//! What a dump of one database contains of the whole cluster.

use comeback_model::{Catalogue, CatalogueForm};

use crate::connection::address::{PostgresAddress, SUPERUSER};
use crate::content::read::read_cluster_catalogue;
use crate::error::Result;

/// Reads roles, memberships and settings, and what belongs to the one database.
///
/// It leaves out other databases and their settings, tablespaces, which the export does not contain, and the
/// password of the superuser: a new server has its own.
pub async fn read_dump_scope(
    server: &PostgresAddress,
    database: &str,
    form: CatalogueForm,
) -> Result<Catalogue> {
    Ok(restrict(read_cluster_catalogue(server, form).await?, database))
}

fn restrict(mut catalogue: Catalogue, database: &str) -> Catalogue {
    // No dump, and no script of `pg_dumpall --roles-only`, contains settings for all roles in all databases.
    let quoted = format!("\"{}\"", database.replace('"', "\"\""));
    let is_own = |name: &str| name == database || *name == quoted;
    let is_ours = |kind: &str, identity: &str| match kind {
        "tablespace" | "tablespace of database" | "collation version of database" => false,
        "database" => is_own(identity),
        "setting" => identity
            .rsplit_once(" in ")
            .is_some_and(|(role, place)| is_own(place) || place == "every database" && role != "every role"),
        "comment" | "grant" | "security label" => match identity.split_once(' ') {
            Some(("tablespace", _)) => false,
            Some(("database", rest)) => rest
                .strip_prefix(&*quoted)
                .or_else(|| rest.strip_prefix(database))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(" to ") || rest.starts_with(" for ")),
            _ => true,
        },
        _ => true,
    };
    for (kind, objects) in &mut catalogue.objects {
        objects.retain(|identity, _| is_ours(kind, identity));
    }
    if let Some(me) = catalogue.objects.get_mut("role").and_then(|roles| roles.get_mut(SUPERUSER))
        && let Some((attributes, _)) = me.split_once(" password ")
    {
        *me = attributes.to_owned();
    }
    catalogue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_brings_along_what_concerns_its_database_alone() {
        let of = |objects: &[(&str, &[&str])]| Catalogue {
            objects: objects
                .iter()
                .map(|(kind, names)| {
                    let names = names.iter().map(|name| ((*name).to_owned(), String::new()));
                    ((*kind).to_owned(), names.collect())
                })
                .collect(),
            ..Catalogue::default()
        };
        let all: &[(&str, &[&str])] = &[
            ("comment", &["database \"my-app\"", "database my", "role r", "tablespace t"]),
            ("database", &["\"my-app\"", "my"]),
            ("grant", &["database \"my-app\" to r", "database my to r", "tablespace t to r"]),
            (
                "setting",
                &[
                    "every role in \"my-app\"",
                    "every role in every database",
                    "r in every database",
                    "r in my",
                ],
            ),
            ("tablespace", &["t"]),
        ];
        let own: &[(&str, &[&str])] = &[
            ("comment", &["database \"my-app\"", "role r"]),
            ("database", &["\"my-app\""]),
            ("grant", &["database \"my-app\" to r"]),
            ("setting", &["every role in \"my-app\"", "r in every database"]),
            ("tablespace", &[]),
        ];
        assert_eq!(restrict(of(all), "my-app"), of(own));
    }
}
