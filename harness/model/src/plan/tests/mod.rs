//! Tests of plans: the arithmetic, the judgement, and plans in a record.

mod arithmetic;
mod judge;
mod people;
mod record;

use super::{Plan, PlanStep, Tier};
use crate::{Citation, Objective};

const MINUTE: u64 = 60_000;

fn limit(minutes: u64) -> Objective {
    let source = Citation { file: String::new(), line: 1, section: String::new(), text: String::new() };
    Objective { lower_ms: None, upper_ms: minutes * MINUTE, source }
}

fn step(name: &str, budget: u64, needs: &[usize]) -> PlanStep {
    PlanStep {
        name: name.to_owned(),
        budget: limit(budget),
        needs: needs.to_vec(),
        procedure: None,
        command: None,
    }
}

fn tier(name: &str, minutes: Option<u64>, restored_by: &[usize]) -> Tier {
    Tier {
        name: name.to_owned(),
        limit: minutes.map(limit),
        what: String::new(),
        restored_by: restored_by.to_vec(),
    }
}

/// The runbook's full disaster recovery, with database and Redis side by side.
fn recovery() -> Plan {
    Plan {
        title: "Full disaster recovery".to_owned(),
        source: limit(1).source,
        total: limit(90),
        steps: vec![
            step("Activate", 5, &[]),
            step("Database", 30, &[0]),
            step("Redis", 10, &[0]),
            step("Application", 15, &[1, 2]),
            step("DNS", 15, &[3]),
            step("Verification", 10, &[4]),
        ],
        tiers: vec![
            tier("Critical", Some(30), &[3]),
            tier("High", Some(60), &[2, 3]),
            tier("Low", None, &[5]),
        ],
    }
}
