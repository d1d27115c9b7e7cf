//! The same plan, as different people write it.

use super::{MINUTE, plan, steps};
use crate::runbook::Runbook;

const HABITS: &[(&str, &str)] = &[
    (
        "a table",
        "# Runbook\n\n## 9. Full disaster recovery\n\n**Time to Recovery**: 60–90 minutes\n\n\
         | Step | Who | Planned |\n|---|---|---|\n| 1 Activate | lead | 5 min |\n| 2 Database | dba | 30 min |\n\
         | 3 Redis | ops | 10 min |\n| 4 DNS | net | 5–15 min |\n",
    ),
    (
        "a table that numbers, in minutes, with a total",
        "## Complete Disaster Recovery\n\nRTO: 90 min\n\n| # | Activity | Duration (min) | Actual |\n|---|---|---|---|\n\
         | 1 | Activate | 5 | 4 |\n| 2 | Database | 30 | 41 |\n| 3 | Redis | 10 | 9 |\n| 4 | DNS | 5–15 | 3 |\n\
         | | **Total** | 60 | |\n",
    ),
    (
        "a table whose steps are numbers",
        "## Full system recovery (within 90 minutes)\n\n| Phase | Description | Time budget |\n|---|---|---|\n\
         | Phase 1 | Activate | 5 minutes |\n| Phase 2 | Database | half an hour |\n| Phase 3 | Redis | 10 m |\n\
         | Phase 4 | DNS | up to 15 min |\n",
    ),
    (
        "sub-sections with the time in the heading",
        "## Full disaster recovery\n\nTime to recovery: 60 to 90 minutes\n\n### Overview\n\nText.\n\n\
         ### Step 1 — Activate (5 min)\n\n- call (2 people)\n\n### Step 2 — Database (30 min)\n\n\
         ### Step 3 — Redis (10 min)\n\n### Step 4 — DNS (5–15 min)\n\n### Communication\n\nText.\n",
    ),
    (
        "numbered sub-sections with a label",
        "# DR\n\n## 7 Whole region loss\n\n**RTO:** 1.5 hours\n\n### 7.1 Prerequisites\n\n### 7.2 Activate\n\n\
         **Duration**: 5 minutes\n\n### 7.3 Database\n\n- Estimated time: 30 min\n\n### 7.4 Redis\n\nBudget: 10 min\n\n\
         ### 7.5 DNS\n\n**Time to Recovery**: 5-15 minutes\n\n### 7.6 Rollback\n\nText.\n",
    ),
    (
        "bold labels",
        "# Disaster recovery\n\nTotal time: 90 minutes\n\n**Step 1: Activate** (5 minutes)\nDeclare it.\n\n\
         **Step 2: Database** (30 minutes): restore it.\n\n**Step 3: Redis** – 10 min\n\n**Step 4: DNS** [5–15 min]\n\n\
         Step 2 is the slowest one.\n",
    ),
    (
        "a list",
        "# Recovery plan\n\n- RTO: 90 min\n- RPO: 1 hour\n\n1. **Activate** (5 min)\n   - call the lead\n\
         2. **Database** (30 min): restore it\n3. **Redis** — 10 min\n4. DNS: 5–15 min\n",
    ),
    (
        "a table and sub-sections",
        "## Full disaster recovery\n\nRTO: 90 min\n\n| Step | Planned |\n|---|---|\n| 1 Activate | 5 min |\n\
         | 2 Database | 30 min |\n| 3 Redis | — |\n| 4 DNS | 15 min |\n\n### Step 1: call everybody\n\nTTR: 5 min\n\n\
         ### Step 3: restore Redis\n\nTime to recovery: 10 minutes\n\n### Step 4: DNS (5–15 min)\n",
    ),
    (
        "steps below a heading of their own",
        "## Full disaster recovery\n\nRTO: 90 min\n\n### Steps\n\n#### 1. Activate: 5 min\n\n#### 2. Database: 30 min\n\n\
         #### 3. Redis: 10 min\n\n#### 4. DNS: 15 min\n",
    ),
];

#[test]
fn every_habit_gives_the_same_plan() {
    for (habit, text) in HABITS {
        let read = plan(text);
        let expected =
            [("Activate", Some(5)), ("Database", Some(30)), ("Redis", Some(10)), ("DNS", Some(15))];
        assert_eq!(steps(&read), expected, "{habit}");
        assert_eq!(read.total.upper_ms, 90 * MINUTE, "{habit}");
    }
}

#[test]
fn every_figure_is_cited() {
    for (habit, text) in HABITS {
        let read = plan(text);
        for step in &read.steps {
            let source = &step.budget.as_ref().unwrap().source;
            let line = text.lines().nth(source.line - 1).unwrap();
            assert!(line.contains(&source.text), "{habit}: {source:?}");
        }
    }
}

#[test]
fn a_step_is_called_by_any_of_its_names() {
    let text = "## Full disaster recovery\nRTO: 1 h\n\n| Step | Planned |\n|---|---|\n| 2 Database | 30 min |\n\n\
                ### Step 2: restore the database\n";
    let read = plan(text);
    let step = &read.steps[0];
    for name in [
        "Database",
        "database",
        "2 Database",
        "Step 2: Database",
        "Restore the database",
        "Database (30 min)",
    ] {
        assert!(step.is_called(name), "{name}");
    }
    for name in ["Data", "restore", "", "Step 2"] {
        assert!(!step.is_called(name), "{name}");
    }
}

#[test]
fn the_plan_of_the_sample() {
    let sample = include_str!("../../../../../../fixtures/runbook.md");
    let read = Runbook::parse("runbook.md", sample).plan(None).unwrap();
    insta::assert_debug_snapshot!(read);
}

#[test]
fn the_section_may_be_named() {
    let text = "# Runbook\n\n## Plan B\n\nRTO: 1 h\n\n### Step 1: pray (5 min)\n\n## Full disaster recovery\n\nRTO: 1 h\n\n\
                ### Step 1: Activate (5 min)\n";
    let runbook = Runbook::parse("runbook.md", text);
    assert_eq!(runbook.plan(None).unwrap().title, "Full disaster recovery");
    assert_eq!(steps(&runbook.plan(Some("Plan B")).unwrap()), [("pray", Some(5))]);
    let errors = runbook.plan(Some("Plan C")).unwrap_err();
    assert!(errors[0].hints().iter().any(|hint| hint.contains("[plan]")), "{errors:?}");
}

#[test]
fn procedures_of_a_document_are_no_steps() {
    let text = "# Disaster recovery\n\n## 1. Database\n\nRTO: 30 min\n\n## 2. Redis\n\nRTO: 10 min\n";
    assert!(super::refusals(text).contains("no steps with planned times are documented"));
}
