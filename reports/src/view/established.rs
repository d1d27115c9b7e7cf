//! What the verification of a backup showed, statement by statement.

use comeback_model::evidence::{ArtefactSummary, DrillRecord};
use comeback_model::{Check, Standing, Statement, Verdict};
use serde::Serialize;

use crate::format::{bytes, instant};
use crate::text::one_line;

/// One statement about a backup.
#[derive(Serialize)]
pub(crate) struct Established {
    pub(crate) statement: &'static str,
    /// `shown`, `refuted`, `could not verify`, `not looked at`.
    pub(crate) standing: &'static str,
    /// The verdict of the same meaning, as it stands in class names.
    pub(crate) slug: &'static str,
    pub(crate) mark: &'static str,
    /// What a reader may conclude once it is shown.
    pub(crate) means: &'static str,
    /// The judges that looked, or that stand in its way: `structure, server-log`.
    pub(crate) judges: String,
    /// Whether it had to be shown.
    pub(crate) required: bool,
}

/// Every statement of a verification; none for a drill.
pub(super) fn of(drill: &DrillRecord) -> Vec<Established> {
    if drill.plan.requires.is_empty() {
        return Vec::new();
    }
    Statement::ALL.into_iter().map(|statement| one(statement, drill)).collect()
}

fn one(statement: Statement, drill: &DrillRecord) -> Established {
    let standing = Standing::of(statement, &drill.checks);
    let own = drill.checks.iter().filter(|check| check.statement == Some(statement));
    // Of a statement that was not shown, the judges that stand in its way.
    let tells = |check: &&Check| standing == Standing::Shown || check.verdict != Verdict::Verified;
    let (slug, mark) = match standing {
        Standing::Shown => ("verified", "✓"),
        Standing::Refuted => ("failed", "✗"),
        Standing::CouldNotVerify => ("could-not-verify", "?"),
        Standing::NotLookedAt => ("skipped", "–"),
    };
    Established {
        statement: statement.as_str(),
        standing: standing.label(),
        slug,
        mark,
        means: statement.means(),
        judges: own.filter(tells).map(|check| one_line(&check.judge)).collect::<Vec<_>>().join(", "),
        required: drill.plan.requires.contains(&statement),
    }
}

/// The statements by their standing: `shown: restored, sound; not looked at: answered, compared, exact`. `None` for a
/// drill.
pub(super) fn sentence(drill: &DrillRecord) -> Option<String> {
    let all = of(drill);
    let parts =
        ["shown", "refuted", "could not verify", "not looked at"].into_iter().filter_map(|standing| {
            let named: Vec<_> =
                all.iter().filter(|one| one.standing == standing).map(|one| one.statement).collect();
            (!named.is_empty()).then(|| format!("{standing}: {}", named.join(", ")))
        });
    let sentence = parts.collect::<Vec<_>>().join("; ");
    (!sentence.is_empty()).then_some(sentence)
}

/// The required statements that no judge looked at: `exact is required, and no judge looked at it`.
pub(super) fn open(drill: &DrillRecord) -> Option<String> {
    let open: Vec<_> = of(drill)
        .into_iter()
        .filter(|one| one.required && one.slug == "skipped")
        .map(|one| one.statement)
        .collect();
    match open[..] {
        [] => None,
        [one] => Some(format!("`{one}` is required, and no judge looked at it")),
        [..] => Some(format!("`{}` are required, and no judge looked at them", open.join("`, `"))),
    }
}

/// The backup in one line: `plain SQL dump, gzip; 3.2 MB; PostgreSQL 15.14; taken 2026-11-28 03:00:12 UTC`.
pub fn artefact_line(artefact: &ArtefactSummary) -> String {
    let parts = [
        Some(artefact.kind.clone()),
        artefact.id.as_ref().map(|id| format!("backup {id}")),
        artefact.bytes.map(bytes),
        artefact.software.clone(),
        artefact.taken_at.map(|at| format!("taken {}", instant(at))),
    ];
    one_line(&parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}
