//! Judges one key before and after, for comparisons by sketch and comparisons key by key.

use super::comparison::KeyChange;
use super::record::KeyState;

/// The outcome for one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The key is as it should be.
    Same,
    /// The key expired in the meantime, as it should.
    Expired,
    /// The key may have changed by itself: nothing is known.
    Unknown,
    /// The key differs, in one or two ways.
    Differs(Vec<KeyChange>),
}

/// Judges one key. A time up to and including `now_ms` has passed.
pub fn judge_key(before: Option<&KeyState>, after: Option<&KeyState>, now_ms: u64) -> Outcome {
    let changed = |change| Outcome::Differs(vec![change]);
    match (before, after) {
        (None, None) => Outcome::Same,
        // The key has expired and the server has not removed it yet.
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
            // The old key had expired: this is a new key of the same name.
            _ => Outcome::Differs(vec![KeyChange::Extra]),
        };
    }
    let mut changes = Vec::new();
    if before.kind != after.kind {
        changes.push(KeyChange::TypeChanged { expected: before.kind, actual: after.kind });
    } else if before.value != after.value || before.changing != after.changing {
        changes.push(KeyChange::ValueChanged);
    }
    // For a changing key, the digest of the value includes the times.
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
