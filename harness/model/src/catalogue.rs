//! What a database consists of besides its rows: definitions, owners, grants, settings.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::RecordedPosition;

/// The content and the notation of a catalogue. Two catalogues of the same form can be compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatalogueForm {
    /// Some kinds of objects only. Manifests without a form have this one.
    #[default]
    First,
    /// Every kind of object.
    Complete,
}

/// The objects of a database, or of a whole cluster: kind → identity → definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    /// What is recorded, and in which notation.
    #[serde(default)]
    pub form: CatalogueForm,
    /// Kind (`index`, `trigger`, …) → identity (`public.stories.stories_pkey`) → definition, as the server writes
    /// it.
    pub objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Sequence, qualified and quoted as in SQL → its position.
    pub sequences: BTreeMap<String, RecordedPosition>,
}

/// A difference between two catalogues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueDifference<'a> {
    /// The kind of object.
    pub kind: &'a str,
    /// Which one.
    pub identity: &'a str,
    /// The definition in the first catalogue; `None` if it is not there.
    pub before: Option<&'a str>,
    /// The definition in the second catalogue; `None` if it is not there.
    pub after: Option<&'a str>,
}

impl Catalogue {
    /// Whether there is an object of a kind with a name. Identities contain the quotes that a name needs.
    pub fn names(&self, kind: &str, name: &str) -> bool {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let objects = self.objects.get(kind);
        objects.is_some_and(|objects| objects.contains_key(name) || objects.contains_key(&quoted))
    }

    /// The number of objects, without sequence positions.
    pub fn len(&self) -> usize {
        self.objects.values().map(BTreeMap::len).sum()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.objects.values().all(BTreeMap::is_empty)
    }

    /// The definitions in which `after` differs, sorted by kind and identity.
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
