//! Where the sequences of a restored database stand, against where they stood.

use std::collections::BTreeMap;

use comeback_model::{Finding, FindingCode, RecordedPosition, SequenceOrder};

/// What became of the sequences.
#[derive(Debug, Default)]
pub(super) struct Positions {
    /// Those that stand behind.
    pub(super) findings: Vec<Finding>,
    /// Those that start anew after so few values that nothing can be said about them.
    pub(super) unordered: Vec<String>,
}

/// Compares the sequences that are there on both sides; one that is gone is missing as an object.
///
/// A sequence may stand further on than recorded: PostgreSQL logs 32 values ahead, which a recovery skips.
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
