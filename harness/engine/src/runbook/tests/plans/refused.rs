//! Plans that are not understood, or that contradict themselves.

use super::refusals;

const HEAD: &str = "# Runbook\n\n## Full disaster recovery\n\n";

#[test]
fn every_refusal_says_where_and_what_to_write() {
    let cases = [
        ("no plan", "# Runbook\n\n## Full restore\n\nRTO: 1 h\n".to_owned()),
        ("no headings", "text".to_owned()),
        ("no steps", format!("{HEAD}RTO: 1 h\n\nRestore everything.\n")),
        ("no total", format!("{HEAD}### Step 1: Activate (5 min)\n")),
        (
            "two plans",
            format!(
                "{HEAD}RTO: 1 h\n\n### Step 1: a (5 min)\n\n## Total disaster\n\n### Step 1: b (5 min)\n"
            ),
        ),
        (
            "a step that is planned twice",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| 1 Activate | 5 min |\n| 2 Database | 30 min |\n\n\
                 ### Step 2: restore the database\n\n**Time to Recovery**: 40 minutes\n"
            ),
        ),
        (
            "a time that is not understood",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| Activate | soon |\n| Database | 30 |\n"
            ),
        ),
        (
            "a step of the text that the table lacks",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| 1 Activate | 5 min |\n\n### Step 2: clean up (5 min)\n"
            ),
        ),
        (
            "a number of one step and the name of another",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| 1 Database | 5 min |\n| 2 Redis | 5 min |\n\n\
                 ### Step 1: Redis\n\n### Step 2: Database\n"
            ),
        ),
        (
            "two steps of one name",
            format!("{HEAD}RTO: 1 h\n\n### Step 1: Restore (5 min)\n\n### Step 2: restore (10 min)\n"),
        ),
        (
            "a timeline",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Time |\n|---|---|\n| Activate | 0–5 min |\n| Database | 5–35 min |\n\
                 | Redis | 35–45 min |\n"
            ),
        ),
        (
            "numbers without names",
            format!("{HEAD}RTO: 1 h\n\n| Step | Who | Planned |\n|---|---|---|\n| 1 | lead | 5 min |\n"),
        ),
        (
            "a time without a name",
            format!("{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| Activate | 5 min |\n| | 10 min |\n"),
        ),
        (
            "a total that is neither the limit nor the sum",
            format!(
                "{HEAD}RTO: 1 h\n\n| Step | Planned |\n|---|---|\n| Activate | 5 min |\n| Total | 45 min |\n"
            ),
        ),
        (
            "two lists with times",
            format!(
                "{HEAD}RTO: 1 h\n\n1. Activate (5 min)\n2. Redis (5 min)\n\nThen:\n\n- DNS (5 min)\n- Check (5 min)\n"
            ),
        ),
        (
            "a tier that is not understood",
            format!(
                "{HEAD}RTO: 1 h\n\n### Step 1: a (5 min)\n\n## Tiers\n\n| Tier | Limit |\n|---|---|\n| Critical | soon |\n\
                 | High | |\n"
            ),
        ),
        (
            "a tier in two places",
            format!(
                "{HEAD}RTO: 1 h\n\n### Step 1: a (5 min)\n\n## Tiers\n\n| Tier | Limit |\n|---|---|\n| Critical | 30 min |\n\
                 | Low | last |\n\n## Again\n\n| Tier | RTO |\n|---|---|\n| critical | 1 h |\n| Low | 2 h |\n"
            ),
        ),
    ];
    let told = cases.map(|(what, text)| format!("── {what}\n{}", refusals(&text)));
    insta::assert_snapshot!(told.join("\n\n"));
}
