//! Which database of a later restore is compared with which database of a reference.

use std::collections::BTreeMap;

use super::DatabaseProfile;

/// A database of a reference, and the one that it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabasePair<'a> {
    /// Its name in the reference.
    pub recorded: &'a str,
    /// The name in the later restore; `None` if it is not there.
    pub restored: Option<&'a str>,
}

impl DatabasePair<'_> {
    /// Both names, if they differ.
    pub fn renamed(&self) -> Option<(&str, &str)> {
        self.restored.filter(|restored| *restored != self.recorded).map(|restored| (self.recorded, restored))
    }
}

/// Pairs databases by name. If each side has exactly one database, or one with tables, these two are a pair whatever
/// their names: a plain dump does not name its database.
pub fn pair_databases<'a>(
    recorded: &'a BTreeMap<String, DatabaseProfile>,
    restored: &'a BTreeMap<String, DatabaseProfile>,
) -> Vec<DatabasePair<'a>> {
    let renamed = only(recorded).zip(only(restored)).filter(|(one, other)| one != other);
    let mut pairs = Vec::new();
    for name in recorded.keys().map(String::as_str) {
        let restored = match renamed {
            Some((one, other)) if name == one => Some(other),
            // It has no tables, and its namesake is the other half of another pair.
            Some((_, other)) if name == other => continue,
            _ => restored.get_key_value(name).map(|(name, _)| name.as_str()),
        };
        pairs.push(DatabasePair { recorded: name, restored });
    }
    pairs
}

fn only(databases: &BTreeMap<String, DatabaseProfile>) -> Option<&str> {
    let mut with_tables =
        databases.iter().filter(|(_, database)| database.has_tables()).map(|(name, _)| name);
    match (with_tables.next(), with_tables.next()) {
        (Some(only), None) => Some(only),
        (None, _) if databases.len() == 1 => databases.keys().next().map(String::as_str),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn databases(tables: &[(&str, bool)]) -> BTreeMap<String, DatabaseProfile> {
        let database = |(name, has_tables): &(&str, bool)| {
            let mut database = DatabaseProfile::default();
            let objects = database.catalogue.objects.entry("table".to_owned()).or_default();
            if *has_tables {
                objects.insert("public.t".to_owned(), "table".to_owned());
            }
            ((*name).to_owned(), database)
        };
        tables.iter().map(database).collect()
    }

    #[track_caller]
    fn pairs(recorded: &[(&str, bool)], restored: &[(&str, bool)], wanted: &[(&str, Option<&str>)]) {
        let (recorded, restored) = (databases(recorded), databases(restored));
        let pairs = pair_databases(&recorded, &restored);
        let found: Vec<_> = pairs.iter().map(|pair| (pair.recorded, pair.restored)).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn the_only_databases_with_tables_are_a_pair_and_others_go_by_name() {
        let (named, plain) =
            ([("app", true), ("postgres", false)], [("postgres", false), ("restored", true)]);
        pairs(&named, &plain, &[("app", Some("restored")), ("postgres", Some("postgres"))]);
        pairs(&plain, &named, &[("postgres", Some("postgres")), ("restored", Some("app"))]);
        pairs(&named, &named, &[("app", Some("app")), ("postgres", Some("postgres"))]);
        // The database `postgres` itself, dumped with and without its name.
        pairs(&plain, &[("postgres", true)], &[("restored", Some("postgres"))]);
        pairs(&[("postgres", true)], &plain, &[("postgres", Some("restored"))]);
        // Several on a side: by name.
        let two = [("app", true), ("shop", true)];
        pairs(&two, &[("app", true), ("shop", true)], &[("app", Some("app")), ("shop", Some("shop"))]);
        pairs(&two, &[("shop", true)], &[("app", None), ("shop", Some("shop"))]);
        pairs(&[("app", true)], &two, &[("app", Some("app"))]);
        // A backup that lost every table, with its name and without.
        pairs(&[("app", true)], &[("app", false)], &[("app", Some("app"))]);
        pairs(&named, &[("restored", false)], &[("app", Some("restored")), ("postgres", None)]);
    }
}
