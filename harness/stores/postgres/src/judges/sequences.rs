//! Compares the positions of a restored database's sequences with the recorded ones.

use std::collections::BTreeMap;

use comeback_model::{Finding, FindingCode, RecordedPosition, SequenceOrder};

/// The result for the sequences.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// Sequences that are behind.
    pub(super) findings: Vec<Finding>,
    /// Sequences that cycle after so few values that no order can be told.
    pub(super) unordered: Vec<String>,
}

/// Compares the sequences that exist on both sides; a missing sequence is a missing object.
///
/// A sequence may be further on than recorded: PostgreSQL logs 32 values ahead, which a recovery skips.
pub(super) fn compare_positions(
    recorded: &BTreeMap<String, RecordedPosition>,
    actual: &BTreeMap<String, RecordedPosition>,
) -> Positions {
    let mut positions = Positions::default();
    for (name, recorded) in recorded {
        let Some(RecordedPosition::Whole(actual)) = actual.get(name) else { continue };
        match recorded.order(actual) {
            SequenceOrder::NotBehind => {}
            SequenceOrder::Unordered => positions.unordered.push(name.clone()),
            SequenceOrder::Behind => {
                let expected = format!("{recorded} or one after it");
                let finding = Finding::new(FindingCode::SequenceBehind, name, expected, actual.to_string());
                let name = name.replace('\'', "''");
                positions.findings.push(finding.remedy(format!(
                    "run `select setval('{name}', {})` before the application writes",
                    recorded.setval()
                )));
            }
        }
    }
    positions
}
