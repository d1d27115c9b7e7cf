//! Plans from a runbook and settings: what they become, and what is refused.

use comeback_model::Plan;

use super::MINUTE;
use crate::plan::{DeclaredBudget, DeclaredStep, Placed, build};
use crate::runbook::Runbook;

const RUNBOOK: &str = "# Runbook\n\n## Full disaster recovery\n\nRTO: 90 min\n\n| Step | Planned |\n|---|---|\n\
    | 1 Activate | 5 min |\n| 2 Database | 30 min |\n| 3 Redis | 10 min |\n| 4 DNS | 5–15 min |\n\n## Tiers\n\n\
    | Tier | Limit |\n|---|---|\n| Critical | 30 min |\n| Low | after the others |\n";

fn placed<T>(value: T, line: usize) -> Placed<T> {
    Placed { value, place: format!("comeback.toml:{line}:1") }
}

/// A declared step, at a line of the settings.
fn declared(line: usize, name: &str, needs: Option<&[&str]>) -> DeclaredStep {
    let needs = needs.map(|needs| needs.iter().map(|need| placed((*need).to_owned(), line + 1)).collect());
    DeclaredStep {
        name: placed(name.to_owned(), line),
        needs,
        budget: None,
        tiers: Vec::new(),
        procedure: None,
        command: None,
    }
}

fn serving(step: DeclaredStep, tiers: &[&str]) -> DeclaredStep {
    let line = 3 + step.name.place.len();
    DeclaredStep { tiers: tiers.iter().map(|tier| placed((*tier).to_owned(), line)).collect(), ..step }
}

fn with_budget(step: DeclaredStep, text: &str) -> DeclaredStep {
    let value = DeclaredBudget { length: text.parse().unwrap(), text: text.to_owned() };
    DeclaredStep { budget: Some(placed(value, 7)), ..step }
}

fn built(runbook: &str, steps: &[DeclaredStep]) -> Result<Plan, String> {
    let documented = Runbook::parse("runbook.md", runbook).plan(None).unwrap();
    build(&documented, steps)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn needs(plan: &Plan) -> Vec<&[usize]> {
    plan.steps.iter().map(|step| step.needs.as_slice()).collect()
}

#[test]
fn without_declarations_each_step_needs_the_one_before_it() {
    let plan = built(RUNBOOK, &[]).unwrap();
    assert_eq!(needs(&plan), [&[][..], &[0], &[1], &[2]]);
    assert!(plan.tiers.iter().all(|tier| tier.restored_by.is_empty()));
}

#[test]
fn declarations_say_what_the_runbook_does_not() {
    let redis = serving(declared(1, "redis", Some(&["ACTIVATE", "Step 1: activate"])), &["low"]);
    let dns = serving(declared(9, "DNS", Some(&["Redis", "Database"])), &["Critical", "Low"]);
    let plan = built(RUNBOOK, &[dns, with_budget(redis, "600 s")]).unwrap();
    assert_eq!(needs(&plan), [&[][..], &[0], &[0], &[1, 2]]);
    let restored: Vec<_> = plan.tiers.iter().map(|tier| tier.restored_by.as_slice()).collect();
    assert_eq!(restored, [&[3][..], &[2, 3]]);
    assert_eq!(plan.steps[3].budget.lower_ms, Some(5 * MINUTE));
}

#[test]
fn a_budget_may_come_from_the_settings() {
    let runbook = RUNBOOK.replace("| 10 min |", "| – |");
    let redis = with_budget(declared(5, "Redis", None), "5–10 min");
    let tiers = serving(declared(9, "DNS", None), &["critical", "low"]);
    let plan = built(&runbook, &[redis, tiers]).unwrap();
    let budget = &plan.steps[2].budget;
    assert_eq!((budget.lower_ms, budget.upper_ms), (Some(5 * MINUTE), 10 * MINUTE));
    assert_eq!((budget.source.file.as_str(), budget.source.line), ("comeback.toml", 7));
}

#[test]
fn every_refusal_says_where_and_what_to_do() {
    let all = |step| serving(step, &["critical", "low"]);
    let cases: [(&str, &str, Vec<DeclaredStep>); 11] = [
        ("a step that the runbook lacks", RUNBOOK, vec![all(declared(1, "Databse", None))]),
        ("an unknown dependency", RUNBOOK, vec![all(declared(1, "DNS", Some(&["Redis", "Cache"])))]),
        (
            "two steps of one name",
            RUNBOOK,
            vec![all(declared(1, "Redis", None)), declared(5, "Step 3: redis", None)],
        ),
        (
            "a circle",
            RUNBOOK,
            vec![all(declared(1, "Database", Some(&["Redis"]))), declared(5, "Redis", Some(&["Database"]))],
        ),
        (
            "a circle with a need that nobody declares",
            RUNBOOK,
            vec![all(declared(1, "Database", Some(&["Redis"])))],
        ),
        ("a step that needs itself", RUNBOOK, vec![all(declared(1, "DNS", Some(&["dns"])))]),
        (
            "two circles",
            RUNBOOK,
            vec![all(declared(1, "Activate", Some(&["Database"]))), declared(5, "Redis", Some(&["DNS"]))],
        ),
        ("another budget", RUNBOOK, vec![all(with_budget(declared(5, "Database", None), "45 min"))]),
        ("a tier that no step restores", RUNBOOK, vec![serving(declared(1, "DNS", None), &["low"])]),
        ("an unknown tier", RUNBOOK, vec![serving(declared(1, "DNS", None), &["critical", "low", "gold"])]),
        (
            "everything at once",
            &RUNBOOK.replace("| 10 min |", "| – |"),
            vec![
                declared(1, "Databse", Some(&["Activate"])),
                with_budget(declared(5, "DNS", Some(&["Cache"])), "1 h"),
                serving(declared(9, "Activate", Some(&["Database"])), &["gold"]),
            ],
        ),
    ];
    let told = cases.map(|(what, runbook, steps)| {
        let refused = built(runbook, &steps).expect_err(what);
        format!("── {what}\n{refused}")
    });
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_runbook_without_tiers_knows_none() {
    let (runbook, _) = RUNBOOK.split_once("## Tiers").unwrap();
    assert!(built(runbook, &[declared(1, "DNS", None)]).is_ok());
    let refused = built(runbook, &[serving(declared(1, "DNS", None), &["gold"])]).unwrap_err();
    assert!(refused.contains("it has no tiers at all"), "{refused}");
}
