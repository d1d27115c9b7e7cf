//! The priority tiers, as different people write them.

use super::{MINUTE, plan};

const PLAN: &str =
    "# Runbook\n\n## Full disaster recovery\n\nRTO: 90 min\n\n### Step 1: Activate (5 min)\n\n";

#[test]
fn every_habit_gives_the_same_tiers() {
    for text in [
        "## Priority tiers\n\n| Tier | Limit | What |\n|---|---|---|\n| Critical | 30 minutes | sign-in |\n| High | 1 h | bookings |\n\
         | Low | after the others | search |\n",
        "## Tiers\n\n| Priority | Services | Restore within |\n|---|---|---|\n| Critical | sign-in | < 30 min |\n\
         | High | bookings | 60 min |\n| Low | search | best effort |\n",
        "## Service levels\n\n| Tier | Name | RTO (minutes) | What |\n|---|---|---|---|\n| Tier 1 | Critical | 30 | sign-in |\n\
         | Tier 2 | High | 60 | bookings |\n| Tier 3 | Low | — | search |\n",
        "## Recovery priorities\n\n1. **Critical** (within 30 min): sign-in\n2. **High** (0–60 min): bookings\n3. **Low**: after the others\n",
        "## Recovery priorities\n\n### Critical (30 minutes)\n\n- sign-in\n\n### High (1 hour)\n\n### Low (best effort)\n",
    ] {
        let read = plan(&format!("{PLAN}{text}"));
        let find = |name: &str| {
            read.tiers.iter().find(|tier| tier.is_called(name)).unwrap_or_else(|| panic!("{text}"))
        };
        let limit = |name: &str| find(name).limit.as_ref().map(|limit| limit.upper_ms / MINUTE);
        assert_eq!(read.tiers.len(), 3, "{text}");
        let limits = ["critical", "HIGH", "Low"].map(limit);
        assert_eq!(limits, [Some(30), Some(60), None], "{text}");
        let what = &find("critical").what;
        assert!(what.is_empty() || what == "sign-in", "{what}");
    }
}

#[test]
fn priorities_of_alerts_are_no_tiers() {
    for text in [
        "## Alerts\n\n| Priority | Respond within | Who |\n|---|---|---|\n| High | 15 minutes | on-call |\n",
        "## Support priorities\n\n- High (15 min)\n- Low (1 day)\n",
        "## Procedures\n\n| Procedure | RTO |\n|---|---|\n| Critical | 30 min |\n",
    ] {
        assert_eq!(plan(&format!("{PLAN}{text}")).tiers, [], "{text}");
    }
}
