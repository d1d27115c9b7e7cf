//! What the judges did not look at. It stands near the verdict, which does not cover it.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::NotLookedAt;
use comeback_model::evidence::{DrillRecord, Record};

use crate::format::{count, plural};
use crate::text::one_line;

/// Most subjects of one kind named; the JSON report names all of them.
const NAMED: usize = 8;

/// Each thing once, even if several judges did not look at it.
fn things(drill: &DrillRecord) -> BTreeSet<&NotLookedAt> {
    drill.checks.iter().flat_map(|check| &check.not_looked_at).collect()
}

/// What was not looked at in a drill, one line for each kind and reason:
/// `unlogged table public.cache, public.jobs: its rows do not survive a crash`.
pub(super) fn lines(drill: &DrillRecord) -> Vec<String> {
    let mut by_reason: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for thing in things(drill) {
        by_reason.entry((thing.kind, &thing.reason)).or_default().push(&thing.subject);
    }
    let line = |((kind, reason), subjects): ((comeback_model::ScopeKind, &String), Vec<&str>)| {
        let named = subjects.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let hidden = subjects.len().saturating_sub(NAMED);
        let more = if hidden > 0 { format!(" and {} more", count(hidden as u64)) } else { String::new() };
        one_line(&format!("{} {named}{more}: {reason}", kind.as_str().replace('-', " ")))
    };
    by_reason.into_iter().map(line).collect()
}

/// The number of things that were not looked at in all drills, if any: `3 things not looked at`.
pub(super) fn tally(record: &Record) -> Option<String> {
    let number: usize = record.drills.iter().map(|drill| things(drill).len()).sum();
    (number > 0).then(|| format!("{} not looked at", plural(number as u64, "thing")))
}
