//! What is kept of a keyspace, and how a later one is compared with it.
//!
//! Keys that expire come and go within a day: their number says less than that of the others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::drift::{Counted, FEWEST_ROWS, Tolerance, count};
use crate::keyspace::{KeyGroup, KeyGroups};
use crate::{Finding, FindingCode, ValueKind};

/// Most beginnings of names that are recorded of one type: those of most keys.
const MOST_PREFIXES: usize = 100;
/// The part of its keys that keys with an expiry may shrink by: a night has fewer sessions than a day.
const EXPIRING_SHRINK: f64 = 0.9;
/// Fewer of them may all be gone by chance.
const FEWEST_EXPIRING: u64 = 100;
/// How many times smaller the keys of a group may become, on average.
const SMALLER: f64 = 4.0;
/// From this share on nearly all keys of a group expire, and below the other nearly none.
const NEARLY_ALL: f64 = 0.9;
const NEARLY_NONE: f64 = 0.1;

const PERMANENT: Counted = Counted {
    what: "keys without an expiry",
    code: FindingCode::KeyCount,
    cause: "keys lost their expiry, or were loaded twice",
};
const EXPIRING: Counted =
    Counted { what: "keys with an expiry", code: FindingCode::KeyCount, cause: "keys were loaded twice" };

/// A keyspace in figures. It holds no name of a key, and only those beginnings that several keys have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyspaceProfile {
    /// The keys of each database by type and by the beginning of their names.
    groups: KeyGroups,
    /// Name → digest of the code of each library of functions.
    functions: BTreeMap<String, String>,
    /// Whether keys are counted whose expiry has passed since the backup. A server drops them when it loads it.
    has_expired: bool,
}

/// What two keyspaces differ in.
#[derive(Debug, Default)]
pub struct KeyspaceDrift {
    /// What is off.
    pub findings: Vec<Finding>,
    /// How many groups were compared.
    pub groups: usize,
    /// How many groups have keys with an expiry whose number was not compared.
    pub volatile: usize,
}

impl KeyspaceProfile {
    /// A profile of everything that was counted.
    pub fn new(groups: KeyGroups, functions: BTreeMap<String, String>, has_expired: bool) -> Self {
        Self { groups, functions, has_expired }
    }

    /// The number of keys.
    pub fn keys(&self) -> u64 {
        let of_kinds = self.groups.values().flat_map(BTreeMap::values);
        of_kinds.flat_map(BTreeMap::values).map(|group| group.keys).sum()
    }

    /// The profile to keep: groups of few keys are put together, because the beginning of a name that few keys have
    /// may be content.
    #[must_use]
    pub fn into_record(mut self) -> Self {
        for prefixes in self.groups.values_mut().flat_map(BTreeMap::values_mut) {
            let mut by_size: Vec<_> =
                prefixes.iter().map(|(name, group)| (group.keys, name.clone())).collect();
            by_size.sort_by(|one, other| other.cmp(one));
            let kept = by_size.iter().filter(|(keys, name)| *keys >= FEWEST_ROWS && !name.is_empty());
            let kept: Vec<&String> = kept.take(MOST_PREFIXES).map(|(_, name)| name).collect();
            *prefixes = put_together(prefixes, |name| kept.contains(&name));
        }
        self
    }

    /// Compares a later keyspace with this one. What is new is no finding.
    pub fn drift(&self, later: &Self, tolerance: &Tolerance) -> KeyspaceDrift {
        let mut drift = KeyspaceDrift::default();
        let nothing = BTreeMap::new();
        for (database, kinds) in &self.groups {
            for (kind, recorded) in kinds {
                let later_of_kind = later.groups.get(database).and_then(|kinds| kinds.get(kind));
                let found =
                    put_together(later_of_kind.unwrap_or(&nothing), |name| recorded.contains_key(name));
                for (name, before) in recorded {
                    let after = found.get(name).copied().unwrap_or_default();
                    let group =
                        Group { subject: subject(*database, *kind, name), is_named: !name.is_empty() };
                    let has_expired = self.has_expired && later.has_expired;
                    drift.groups += 1;
                    drift.volatile += usize::from(!has_expired && before.expiring > 0);
                    drift.findings.extend(group.compare(before, &after, has_expired, tolerance));
                }
            }
        }
        drift.findings.extend(self.functions(later));
        drift
    }

    fn functions<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = Finding> + 'a {
        self.functions.iter().filter_map(move |(name, code)| {
            let (what, expected, actual) = match later.functions.get(name) {
                None => (FindingCode::FunctionMissing, "the library", "nothing"),
                Some(other) if other != code => {
                    (FindingCode::FunctionChanged, "the code of the reference", "other code")
                }
                Some(_) => return None,
            };
            let finding = Finding::new(what, format!("function library {name}"), expected, actual);
            Some(finding.remedy("find out what changed it"))
        })
    }
}

fn put_together(
    prefixes: &BTreeMap<String, KeyGroup>,
    is_kept: impl Fn(&String) -> bool,
) -> BTreeMap<String, KeyGroup> {
    let mut together = BTreeMap::<String, KeyGroup>::new();
    for (name, group) in prefixes {
        let name = if is_kept(name) { name.clone() } else { String::new() };
        together.entry(name).or_default().add(group);
    }
    together
}

fn subject(database: u32, kind: ValueKind, prefix: &str) -> String {
    match prefix {
        "" => format!("database {database}: other keys ({kind})"),
        _ => format!("database {database}: {prefix}* ({kind})"),
    }
}

struct Group {
    subject: String,
    /// Its keys have a beginning in common, and so most likely a purpose.
    is_named: bool,
}

impl Group {
    /// One cause, one finding: the first that is off.
    fn compare(
        &self,
        before: &KeyGroup,
        after: &KeyGroup,
        has_expired: bool,
        tolerance: &Tolerance,
    ) -> Option<Finding> {
        let permanent = |group: &KeyGroup| group.keys - group.expiring;
        if !has_expired {
            return count(&self.subject, permanent(before), permanent(after), PERMANENT, tolerance);
        }
        self.habit(before, after)
            .or_else(|| count(&self.subject, permanent(before), permanent(after), PERMANENT, tolerance))
            .or_else(|| self.expiring(before, after, tolerance))
            .or_else(|| self.size(before, after))
    }

    fn expiring(&self, before: &KeyGroup, after: &KeyGroup, tolerance: &Tolerance) -> Option<Finding> {
        let tolerance = Tolerance { shrink: EXPIRING_SHRINK, ..*tolerance };
        let (before, after) = (before.expiring, after.expiring);
        if before < FEWEST_EXPIRING {
            None
        } else {
            count(&self.subject, before, after, EXPIRING, &tolerance)
        }
    }

    /// Whether nearly all keys expired, and nearly none does now, or the other way round.
    fn habit(&self, before: &KeyGroup, after: &KeyGroup) -> Option<Finding> {
        let share = |group: &KeyGroup| group.expiring as f64 / group.keys as f64;
        let (was, is) = (share(before), share(after));
        let code = match (was, is) {
            _ if before.keys.min(after.keys) < FEWEST_ROWS => return None,
            _ if was >= NEARLY_ALL && is <= 1.0 - NEARLY_ALL => FindingCode::ExpiryLost,
            _ if was <= NEARLY_NONE && is >= 1.0 - NEARLY_NONE => FindingCode::ExpiryShortened,
            _ => return None,
        };
        let text = |share: f64| format!("{:.0} % of the keys expire", share * 100.0);
        let finding = Finding::new(code, &self.subject, text(was), text(is));
        Some(finding.remedy("find out what set or removed the expiries"))
    }

    fn size(&self, before: &KeyGroup, after: &KeyGroup) -> Option<Finding> {
        let average = |group: &KeyGroup| group.bytes as f64 / group.keys as f64;
        let (was, is) = (average(before), average(after));
        let is_known = self.is_named && before.keys.min(after.keys) >= FEWEST_ROWS;
        (is_known && is * SMALLER < was).then(|| {
            let text = |bytes: f64| format!("about {bytes:.0} bytes a key");
            Finding::new(FindingCode::ValuesDiffer, &self.subject, text(was), text(is))
                .remedy("find out what emptied or cut the values")
        })
    }
}

#[cfg(test)]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the figures of the tests are small and positive"
)]
mod tests;
