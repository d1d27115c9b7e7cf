//! One key, before and after: what a comparison by sketch and one key by key have in common.

use super::comparison::KeyChange;
use super::record::KeyState;

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is as it should be.
    Same,
    /// It expired in the meantime, as it should.
    Expired,
    /// It may have changed by itself: nothing can be said.
    Unknown,
    /// It differs, in one way or in two.
    Differs(Vec<KeyChange>),
}

/// Judges one key. A time that has come by `now_ms` has passed.
pub fn judge_key(before: Option<&KeyState>, after: Option<&KeyState>, now_ms: u64) -> Outcome {
    let changed = |change| Outcome::Differs(vec![change]);
    match (before, after) {
        (None, None) => Outcome::Same,
        // Dead, and not cleared away yet.
        (None, Some(after)) if after.is_past(now_ms) && !after.changing => Outcome::Same,
        (None, Some(_)) => changed(KeyChange::Extra),
        (Some(before), Some(after)) if before == after => Outcome::Same,
        (Some(before), after) if before.changing && before.is_past(now_ms) => match after {
            Some(after) if after.kind != before.kind => {
                changed(KeyChange::TypeChanged { expected: before.kind, actual: after.kind })
            }
            _ => Outcome::Unknown,
        },
        (Some(before), None) if before.is_past(now_ms) => Outcome::Expired,
        (Some(_), None) => changed(KeyChange::Lost),
        (Some(before), Some(after)) => judge_both(before, after, now_ms),
    }
}

fn judge_both(before: &KeyState, after: &KeyState, now_ms: u64) -> Outcome {
    let has_value = before.kind == after.kind && before.value == after.value && !after.changing;
    let is_dead = after.is_past(now_ms) && !after.changing;
    if before.is_past(now_ms) {
        return match expiry_change(before, after) {
            _ if is_dead => Outcome::Expired,
            Some(change) if has_value => Outcome::Differs(vec![change]),
            // Its own time had passed: this is another key of the same name.
            _ => Outcome::Differs(vec![KeyChange::Extra]),
        };
    }
    let mut changes = Vec::new();
    if before.kind != after.kind {
        changes.push(KeyChange::TypeChanged { expected: before.kind, actual: after.kind });
    } else if before.value != after.value || before.changing != after.changing {
        changes.push(KeyChange::ValueChanged);
    }
    // The times of a changing key are part of its value's digest.
    if !before.changing && !after.changing {
        changes.extend(expiry_change(before, after));
    }
    Outcome::Differs(changes)
}

fn expiry_change(before: &KeyState, after: &KeyState) -> Option<KeyChange> {
    match (before.instant_ms, after.instant_ms) {
        (None, None) => None,
        (Some(expected_ms), None) => Some(KeyChange::ExpiryLost { expected_ms }),
        (None, Some(actual_ms)) => Some(KeyChange::ExpiryShortened { expected_ms: None, actual_ms }),
        (Some(expected_ms), Some(actual_ms)) if actual_ms < expected_ms => {
            Some(KeyChange::ExpiryShortened { expected_ms: Some(expected_ms), actual_ms })
        }
        (Some(expected_ms), Some(actual_ms)) => {
            (expected_ms != actual_ms).then_some(KeyChange::ExpiryLengthened { expected_ms, actual_ms })
        }
    }
}
