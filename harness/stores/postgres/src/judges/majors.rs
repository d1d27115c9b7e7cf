//! Aligns the definitions that two major versions of PostgreSQL print differently.
//!
//! Each rule drops as little as it can, and applies only between the versions that need it.

use std::collections::BTreeMap;

use comeback_model::Catalogue;

/// Rewrites two catalogues for comparison. The first is of an older or the same major version.
pub(super) fn align(before: &mut Catalogue, after: &mut Catalogue, older: u32, newer: u32) {
    if older == newer {
        return;
    }
    // `CREATE EXTENSION` in a dump installs the version that comes with the server.
    for catalogue in [&mut *before, &mut *after] {
        each(catalogue, "extension", |text| *text = without_version(text));
    }
    for catalogue in [&mut *before, &mut *after] {
        // Another version of an extension may have other tables.
        catalogue.objects.remove("table of extension");
    }
    if older < 16 && newer >= 16 {
        // Since 16, whether to inherit belongs to a membership; before, it belonged to the role.
        each(after, "membership", |text| *text = without_options(text));
    }
    if older < 17 && newer >= 17 {
        // 17 has an additional table privilege, and ALL in an older dump includes it.
        each(after, "grant", |text| *text = without_maintain(text));
        each(after, "default grant", |text| *text = without_maintain(text));
    }
    if older < 18 && newer >= 18 {
        // Since 18, NOT NULL is a named constraint; the columns print it as before.
        if let Some(constraints) = after.objects.get_mut("constraint") {
            constraints.retain(|_, definition| !definition.starts_with("NOT NULL "));
        }
    }
}

fn each(catalogue: &mut Catalogue, kind: &str, mut rewrite: impl FnMut(&mut String)) {
    catalogue.objects.get_mut(kind).into_iter().flat_map(BTreeMap::values_mut).for_each(&mut rewrite);
}

/// `version 1.6 in public` → `in public`.
fn without_version(definition: &str) -> String {
    match definition.split_once(" in ") {
        Some((_, schema)) => format!("in {schema}"),
        None => definition.to_owned(),
    }
}

/// `with admin option without inherit` → `with admin option`.
fn without_options(membership: &str) -> String {
    membership.replace("without inherit", "").replace("without set", "").trim().to_owned()
}

/// Leaves out MAINTAIN if a role has every other privilege on the table.
fn without_maintain(privileges: &str) -> String {
    const OTHERS: [&str; 7] = ["DELETE", "INSERT", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE"];
    let is = |one: &str, name: &str| one == name || one.strip_suffix(" with grant option") == Some(name);
    let all: Vec<_> = privileges.split(", ").collect();
    if OTHERS.iter().all(|name| all.iter().any(|one| is(one, name))) {
        let older: Vec<_> = all.into_iter().filter(|one| !is(one, "MAINTAIN")).collect();
        return older.join(", ");
    }
    privileges.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_version_changed_is_left_out() {
        let all = "DELETE, INSERT, MAINTAIN, REFERENCES, SELECT, TRIGGER, TRUNCATE, UPDATE";
        assert_eq!(without_maintain(all), all.replace("MAINTAIN, ", ""));
        assert_eq!(without_maintain("MAINTAIN, SELECT"), "MAINTAIN, SELECT");
        assert_eq!(without_version("version 1.6 in public"), "in public");
    }

    #[test]
    fn the_same_version_is_compared_word_for_word() {
        let catalogue = |text: &str| Catalogue {
            objects: [("extension".to_owned(), [("e".to_owned(), text.to_owned())].into())].into(),
            ..Catalogue::default()
        };
        let (mut before, mut after) =
            (catalogue("version 1.5 in public"), catalogue("version 1.6 in public"));
        align(&mut before, &mut after, 15, 15);
        assert_ne!(before, after);
        align(&mut before, &mut after, 15, 17);
        assert_eq!(before, after);
    }
}
