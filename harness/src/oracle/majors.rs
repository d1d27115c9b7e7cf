//! What two major versions of PostgreSQL say differently about the same thing, written the same way.
//!
//! Each rule gives up as little as it can, and only between the versions that need it.

use std::collections::BTreeMap;

use crate::model::Catalogue;

/// Rewrites two catalogues, the first of an older or the same major version, for comparison.
pub(super) fn align(before: &mut Catalogue, after: &mut Catalogue, older: u32, newer: u32) {
    if older == newer {
        return;
    }
    // `CREATE EXTENSION` in a dump takes the version that the server brings.
    for catalogue in [&mut *before, &mut *after] {
        each(catalogue, "extension", |text| *text = without_version(text));
    }
    if older < 16 && newer >= 16 {
        // Since 16 a column is written without its table where there is only one table. Left out on both
        // sides, so that a column of another table of the same name is not told apart.
        for kind in ["view", "rule"] {
            each(before, kind, |text| *text = without_qualifiers(text));
            each(after, kind, |text| *text = without_qualifiers(text));
        }
    }
    if older < 17 && newer >= 17 {
        // 17 has one more privilege on tables, and ALL of an older dump includes it.
        each(after, "grant", |text| *text = without_maintain(text));
        each(after, "default grant", |text| *text = without_maintain(text));
    }
    if older < 18 && newer >= 18 {
        // Since 18 NOT NULL is a constraint with a name; the columns say it as they did before.
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

/// Leaves out `name.` before a name, outside of texts in quotes.
fn without_qualifiers(definition: &str) -> String {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let (mut text, mut rest) = (String::with_capacity(definition.len()), definition);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if is_name(first) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let is_qualifier = (is_name(first) && !first.is_ascii_digit()) || first == '"';
        rest = match after.strip_prefix('.') {
            Some(name) if is_qualifier => name,
            _ => {
                text.push_str(token);
                after
            }
        };
    }
    text
}

/// Leaves out MAINTAIN where a role has everything else that there is to have on a table.
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
        for (text, plain) in [
            (
                "SELECT s.id, 'a.b', \"T t\".x FROM a.b s WHERE 1.5 > s.\"y.z\"",
                "SELECT id, 'a.b', x FROM b s WHERE 1.5 > \"y.z\"",
            ),
            ("SELECT 'it''s a.b', ü.ä", "SELECT 'it''s a.b', ä"),
            ("'open", "'open"),
        ] {
            assert_eq!(without_qualifiers(text), plain);
        }
    }

    #[test]
    fn the_same_version_is_compared_word_for_word() {
        let catalogue = |text: &str| Catalogue {
            objects: [("view".to_owned(), [("v".to_owned(), text.to_owned())].into())].into(),
            ..Catalogue::default()
        };
        let (mut before, mut after) = (catalogue("SELECT a.b"), catalogue("SELECT b"));
        align(&mut before, &mut after, 15, 15);
        assert_ne!(before, after);
        align(&mut before, &mut after, 15, 17);
        assert_eq!(before, after);
    }
}
