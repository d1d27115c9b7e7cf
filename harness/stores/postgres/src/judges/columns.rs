//! Compares the columns of a restored table with its manifest: names, types, order.

use comeback_model::{Finding, FindingCode, TableFingerprint};

/// The finding about the columns, if they differ. An order that inheritance alone explains is not a
/// difference.
pub(super) fn compare_columns(
    table: &str,
    expected: &TableFingerprint,
    actual: &TableFingerprint,
) -> Option<Finding> {
    let is_right = expected.same_columns(actual)
        && (expected.same_order(actual) || actual.is_in_order_of_inheritance(expected));
    let texts = || (expected.columns_text(), actual.columns_text());
    (!is_right).then(|| {
        let (expected, actual) = texts();
        Finding::new(FindingCode::ColumnsDiffer, table, expected, actual).remedy(
            "create the table as the backup defines it and load the rows again: by position they go into other columns",
        )
    })
}

/// Whether a dump has moved a table's inherited columns before its own. The rows still compare, because
/// values go by column name.
pub(super) fn is_reordered_by_inheritance(expected: &TableFingerprint, actual: &TableFingerprint) -> bool {
    expected.same_columns(actual)
        && !expected.same_order(actual)
        && actual.is_in_order_of_inheritance(expected)
}

/// The remark about such tables, for the end of a sentence.
pub(super) fn reordered_text(tables: &[&str]) -> String {
    match tables {
        [] => String::new(),
        [table] => format!("; {table} has its inherited columns first, as a dump creates it"),
        tables => format!(
            "; {} tables have their inherited columns first, as a dump creates them: {}",
            tables.len(),
            tables.join(", ")
        ),
    }
}
