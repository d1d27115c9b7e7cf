//! What a reference holds beside the content of databases, in a form that can be compared.

use std::collections::BTreeSet;

use comeback_model::{Catalogue, CatalogueForm, DatabaseProfile, Definitions, RolesProfile};

/// The roles of both sides, without those that a restore needs for itself.
pub(super) fn roles(
    recorded: Option<&RolesProfile>,
    actual: Option<&RolesProfile>,
) -> (Option<Catalogue>, Option<Catalogue>) {
    let left_out: BTreeSet<&String> =
        [recorded, actual].into_iter().flatten().flat_map(|one| &one.left_out).collect();
    let names = |kind: &str, identity: &str, role: &str| match kind {
        "role" => identity == role,
        "membership" => identity.split_once(" in ").is_some_and(|(one, other)| one == role || other == role),
        "setting" => identity.strip_prefix(role).is_some_and(|rest| rest.starts_with(" in ")),
        _ => identity.rsplit_once(" to ").is_some_and(|(_, grantee)| grantee == role),
    };
    let catalogue = |roles: &RolesProfile| {
        let mut definitions = roles.definitions.clone();
        for (kind, objects) in &mut definitions {
            objects.retain(|identity, _| !left_out.iter().any(|role| names(kind, identity, role)));
        }
        catalogue(definitions)
    };
    (recorded.map(catalogue), actual.map(catalogue))
}

/// The settings and grants of a database itself, under one name.
pub(super) fn properties(database: &DatabaseProfile, name: &str) -> Option<Catalogue> {
    let mut definitions = Definitions::new();
    for (kind, by_role) in database.properties.as_ref()? {
        let identity = |role: &String| match kind.as_str() {
            "grant" => format!("database {name} to {role}"),
            _ => format!("{role} in {name}"),
        };
        let objects = by_role.iter().map(|(role, text)| (identity(role), text.clone()));
        definitions.insert(kind.clone(), objects.collect());
    }
    Some(catalogue(definitions))
}

fn catalogue(objects: Definitions) -> Catalogue {
    Catalogue { form: CatalogueForm::Complete, objects, ..Catalogue::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_restore_needs_for_itself_is_left_out_on_both_sides() {
        let profile = |left_out: &str| {
            let definitions = [
                ("role", "app"),
                ("role", "postgres"),
                ("membership", "app in postgres"),
                ("membership", "app in readers"),
                ("setting", "postgres in every database"),
                ("setting", "app in every database"),
                ("grant", "parameter log_statement to postgres"),
            ];
            let mut by_kind = Definitions::new();
            for (kind, identity) in definitions {
                by_kind.entry(kind.to_owned()).or_default().insert(identity.to_owned(), String::new());
            }
            RolesProfile { definitions: by_kind, left_out: [left_out.to_owned()].into() }
        };
        let (recorded, actual) = roles(Some(&profile("postgres")), Some(&profile("verifier")));
        let (recorded, actual) = (recorded.unwrap(), actual.unwrap());
        assert_eq!(recorded, actual);
        let left: Vec<_> = actual.objects.values().flat_map(|objects| objects.keys()).collect();
        assert_eq!(left, ["app in readers", "app", "app in every database"]);
        assert_eq!(roles(None, None), (None, None));
    }
}
