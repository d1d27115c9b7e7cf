//! What a database consists of besides its rows: definitions, owners, grants, settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The objects of a database, or of a whole cluster: kind → identity → definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// Kind (`index`, `trigger`, …) → identity (`public.stories.stories_pkey`) → definition, in the server's
    /// own words.
    pub objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Sequence → the last value that it gave out; `None` if it was never asked.
    pub sequences: BTreeMap<String, Option<i64>>,
}

/// One way in which two catalogues differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueDifference<'a> {
    /// The kind of object.
    pub kind: &'a str,
    /// Which one.
    pub identity: &'a str,
    /// How the first catalogue defines it, if it has it.
    pub before: Option<&'a str>,
    /// How the second catalogue defines it, if it has it.
    pub after: Option<&'a str>,
}

impl Catalogue {
    /// The number of objects, sequences' positions not counted.
    pub fn len(&self) -> usize {
        self.objects.values().map(BTreeMap::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.objects.values().all(BTreeMap::is_empty)
    }

    /// Where `after` differs in its definitions, in the order of kinds and identities.
    pub fn differences<'a>(&'a self, after: &'a Self) -> Vec<CatalogueDifference<'a>> {
        let mut differences = Vec::new();
        let kinds: BTreeSet<_> =
            self.objects.keys().chain(after.objects.keys()).map(String::as_str).collect();
        for kind in kinds {
            let (mine, theirs) = (self.objects.get(kind), after.objects.get(kind));
            let identities: BTreeSet<_> = mine.into_iter().chain(theirs).flat_map(BTreeMap::keys).collect();
            for identity in identities {
                let before = mine.and_then(|objects| objects.get(identity));
                let after = theirs.and_then(|objects| objects.get(identity));
                if before != after {
                    differences.push(CatalogueDifference {
                        kind,
                        identity,
                        before: before.map(String::as_str),
                        after: after.map(String::as_str),
                    });
                }
            }
        }
        differences
    }
}
