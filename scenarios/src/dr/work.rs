//! What the steps of a recovery plan are: known by the scenario that they name, or by the words of their names.

use comeback_error::{Error, Result};
use comeback_model::{Plan, PlanStep};

/// What a step of the plan does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// People decide and talk: in a drill it takes no time.
    People,
    Database,
    Redis,
    /// A Redis server that begins empty.
    EmptyRedis,
    Photos,
    Application,
    Dns,
    Verification,
    /// A command of the user.
    Own,
}

/// The procedure of a step that starts Redis empty: no scenario, because there is nothing to bring back.
pub(super) const EMPTY_REDIS: &str = "redis/empty";

/// The scenarios and procedures that a step can name as its `procedure`.
const PROCEDURES: [(&str, Work); 6] = [
    ("postgres/cross-region", Work::Database),
    ("redis/complete-loss", Work::Redis),
    (EMPTY_REDIS, Work::EmptyRedis),
    ("content/photo-version", Work::Photos),
    ("secrets/restore", Work::Application),
    ("dns/failover", Work::Dns),
];

/// The words by which a step is known that names none.
const WORDS: [(&[&str], Work); 7] = [
    (&["database", "postgres"], Work::Database),
    (&["redis", "cache"], Work::Redis),
    (&["photo", "object", "bucket"], Work::Photos),
    (&["application", "app", "service"], Work::Application),
    (&["verif", "check"], Work::Verification),
    (&["dns", "traffic"], Work::Dns),
    (&["activat", "declar"], Work::People),
];

/// What each step of a plan does. A step that nothing is known of is an error.
pub(super) fn works(plan: &Plan) -> Result<Vec<Work>> {
    plan.steps.iter().map(work_of).collect()
}

/// Whether a plan starts Redis empty.
pub(super) fn empties_redis(plan: &Plan) -> bool {
    plan.steps.iter().any(|step| step.procedure.as_deref() == Some(EMPTY_REDIS))
}

fn work_of(step: &PlanStep) -> Result<Work> {
    if step.command.is_some() {
        return Ok(Work::Own);
    }
    let known = || PROCEDURES.map(|(name, _)| name).join(", ");
    if let Some(procedure) = &step.procedure {
        let found = PROCEDURES.iter().find(|(name, _)| name == procedure);
        return found.map(|(_, work)| *work).ok_or_else(|| {
            Error::usage(format!("the step {:?} of the plan cannot be drilled by {procedure}", step.name))
                .hint(format!("what a step can name as its `procedure`: {}", known()))
        });
    }
    let name = step.name.to_lowercase();
    let said = |words: &[&str]| words.iter().any(|word| name.contains(word));
    WORDS.iter().find(|(words, _)| said(words)).map(|(_, work)| *work).ok_or_else(|| {
        Error::usage(format!("nothing says what the step {:?} of the plan does", step.name))
            .hint(format!("name its `procedure` in its [[plan.step]]: {}; or its `command`", known()))
    })
}

#[cfg(test)]
mod tests {
    use comeback_model::{Citation, Objective};

    use super::*;

    fn step(name: &str, procedure: Option<&str>) -> PlanStep {
        let source = Citation { file: String::new(), line: 1, section: String::new(), text: String::new() };
        PlanStep {
            name: name.to_owned(),
            budget: Objective { lower_ms: None, upper_ms: 1, source },
            needs: Vec::new(),
            procedure: procedure.map(str::to_owned),
            command: None,
        }
    }

    #[test]
    fn a_step_is_known_by_its_procedure_or_by_its_name() {
        for (name, procedure, work) in [
            ("Activate", None, Work::People),
            ("PostgreSQL", None, Work::Database),
            ("Restore the cache", None, Work::Redis),
            ("Stage 3", Some("redis/complete-loss"), Work::Redis),
            ("Redis", Some("redis/empty"), Work::EmptyRedis),
            ("Stage 4", Some("content/photo-version"), Work::Photos),
            ("Copy the buckets", None, Work::Photos),
            ("Application services", None, Work::Application),
            ("Move the traffic", None, Work::Dns),
            ("Verification", None, Work::Verification),
        ] {
            assert_eq!(work_of(&step(name, procedure)).unwrap(), work, "{name}");
        }
        let unknown = work_of(&step("Stage 3", None)).unwrap_err();
        assert!(unknown.message().contains("nothing says what the step \"Stage 3\""), "{unknown}");
        let other = work_of(&step("Stories", Some("content/stories-csv"))).unwrap_err();
        assert!(other.message().contains("cannot be drilled by content/stories-csv"), "{other}");
    }
}
