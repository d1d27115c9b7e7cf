//! Compares two catalogues and reports the differences as findings.

use comeback_engine::judge::Opinion;
use comeback_model::{
    Catalogue, CatalogueDifference, CatalogueForm, Finding, FindingCode, NotLookedAt, ScopeKind,
};

use super::sequences::compare_positions;

/// What a judge of definitions has compared so far.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    definitions: usize,
    sequences: usize,
    findings: Vec<Finding>,
    /// What was not compared.
    pub(super) not_looked_at: Vec<NotLookedAt>,
}

impl Comparison {
    /// Compares the catalogue of one database, or of the cluster.
    pub(super) fn add(&mut self, recorded: &Catalogue, actual: &Catalogue) {
        let positions = compare_positions(&recorded.sequences, &actual.sequences);
        self.definitions += recorded.len();
        self.sequences += recorded.sequences.len() - positions.unordered.len();
        self.findings.extend(compare(recorded, actual));
        self.findings.extend(positions.findings);
        self.not_looked_at.extend(positions.unordered.into_iter().map(|name| {
            let why = "it starts anew after so few values that none of them is behind another";
            NotLookedAt::new(ScopeKind::SequencePosition, name, why)
        }));
    }

    /// The opinion: how much was compared, and what differs. `more` is added to the end of the summary.
    pub(super) fn into_opinion(self, form: CatalogueForm, more: &str) -> Opinion {
        let Self { definitions, sequences, findings, not_looked_at } = self;
        let older = (form == CatalogueForm::First).then(|| {
            let why = "the backup was taken by an older Comeback, which did not record them";
            NotLookedAt::new(ScopeKind::ObjectKind, "casts, operators, default grants and others", why)
        });
        Opinion::new(format!("compared {definitions} definitions and {sequences} sequences{more}"), findings)
            .not_looked_at(not_looked_at)
            .not_looked_at(older)
    }
}

/// The differences between two catalogues, without those that follow from a table that is gone.
pub(super) fn compare(recorded: &Catalogue, actual: &Catalogue) -> Vec<Finding> {
    let differences = recorded.differences(actual);
    let gone: Vec<&str> = differences
        .iter()
        .filter(|difference| difference.kind == "table" && difference.after.is_none())
        .map(|difference| difference.identity)
        .collect();
    // Objects that went with a table get no findings of their own: there could be dozens.
    // An index that is gone is missing, and not invalid as well.
    let follows = |difference: &CatalogueDifference<'_>| {
        difference.kind == "valid index" && (difference.after.is_none() || difference.before.is_none())
    };
    let stands_alone = |difference: &&CatalogueDifference<'_>| {
        if follows(difference) {
            return false;
        }
        difference.kind == "table" || !gone.iter().any(|table| mentions(difference, table))
    };
    let mut findings: Vec<_> = differences.iter().filter(stands_alone).map(finding).collect();
    findings.sort_by_key(|finding| finding.code != FindingCode::ObjectMissing);
    findings
}

/// Whether an object's name or definition mentions a table.
fn mentions(difference: &CatalogueDifference<'_>, table: &str) -> bool {
    let names = |text: &str| {
        text.match_indices(table).any(|(at, found)| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            !text[..at].chars().next_back().is_some_and(word)
                && !text[at + found.len()..].chars().next().is_some_and(word)
        })
    };
    names(difference.identity) || difference.before.is_some_and(names)
}

fn finding(difference: &CatalogueDifference<'_>) -> Finding {
    let CatalogueDifference { kind, identity, before, after } = *difference;
    let subject = format!("{kind} {identity}");
    let shown = |definition: Option<&str>| match definition {
        None => "nothing".to_owned(),
        Some("") => "it is there".to_owned(),
        Some(text) => text.to_owned(),
    };
    if kind == "valid index" {
        return Finding::new(
            FindingCode::IndexInvalid,
            format!("index {identity}"),
            shown(before),
            shown(after),
        )
        .remedy(format!("rebuild it with `reindex index concurrently {identity}`"));
    }
    let (code, remedy) = match (before, after) {
        (_, None) => (FindingCode::ObjectMissing, "create it again as expected"),
        (None, _) => (FindingCode::ObjectExtra, "find out where it comes from: the backup does not know it"),
        _ => (FindingCode::ObjectChanged, "define it again as expected"),
    };
    Finding::new(code, subject, shown(before), shown(after)).remedy(remedy)
}
