//! What follows from rows that break a rule, and from a rule that cannot be evaluated.

use comeback_model::{Finding, FindingCode, ScopeKind};

use super::look::{Gathered, Refusal};

/// The finding for rows that break a constraint.
pub(super) fn broken(subject: String, expected: &str, found: String, listed_by: &str) -> Finding {
    Finding::new(FindingCode::ConstraintViolated, subject, expected, found)
        .remedy(format!("list them with `{listed_by}`, and find out whether the source has the same rows"))
}

/// What follows from a check that the server refused: it cannot read its data, or the check cannot run.
pub(super) fn refused(gathered: &mut Gathered, subject: String, refusal: Refusal) {
    if refusal.is_damage() {
        let finding =
            Finding::new(FindingCode::TableCorrupt, subject, "rows that the server can read", refusal.said);
        gathered.findings.push(
            finding.remedy("restore an older backup, and find out whether the source has the same fault"),
        );
    } else {
        gathered.leave_out(
            ScopeKind::Constraint,
            subject,
            format!("it cannot be evaluated: {}", refusal.said),
        );
    }
}
