//! The steps of a recovery plan as bars, in percent of the width, with the tiers under them.

use serde::Serialize;

use super::timeline::{Scale, Tick};
use crate::view::{Drill, Recovery, RecoveryStep, slug};

/// Heights in pixels.
const TOP: u32 = 26;
const ROW: u32 = 34;

/// The data that the template draws.
#[derive(Serialize)]
pub(super) struct Gantt {
    /// The plan in one sentence, for screen readers.
    description: String,
    height: u32,
    ticks: Vec<Tick>,
    bars: Vec<Bar>,
    tiers: Vec<Served>,
    outages: Vec<Outage>,
}

/// How long clients were without a service.
#[derive(Serialize)]
struct Outage {
    top: u32,
    x: String,
    width: String,
    verdict: String,
    label: String,
}

/// A step that ended.
#[derive(Serialize)]
struct Bar {
    top: u32,
    x: String,
    width: String,
    verdict: String,
    label: String,
    /// The side of the label: at the start of the bar, or at its end if the bar begins in the right half.
    label_x: String,
    anchor: &'static str,
}

/// When a tier was served.
#[derive(Serialize)]
struct Served {
    x: String,
    verdict: String,
    label: String,
    top: u32,
    anchor: &'static str,
}

/// The chart of a plan of which at least one step ended.
pub(super) fn of(drill: &Drill) -> Option<Gantt> {
    let plan = drill.plan.as_ref()?;
    let services = drill.clients.as_ref().map_or(&[][..], |seen| &seen.services);
    let back = services.iter().filter_map(|service| service.away_ms);
    let back = back.map(|(from_ms, back_ms)| back_ms.unwrap_or(from_ms));
    let ended = plan.steps.iter().filter_map(|step| step.times_ms).map(|(_, end)| end);
    let whole_ms = ended.chain(back).max()?;
    let scale = Scale::new(whole_ms);
    let rows = plan.steps.iter().filter_map(|step| Some((step, step.times_ms?)));
    let bars: Vec<_> = (0..).zip(rows).map(|(row, (step, times))| bar(&scale, row, step, times)).collect();
    let first = TOP + ROW * u32::try_from(bars.len()).unwrap_or(0);
    let served = plan.tiers.iter().filter_map(|tier| Some((tier, tier.served_ms?)));
    let tiers: Vec<_> = (0..)
        .zip(served)
        .map(|(row, (tier, ms))| Served {
            x: scale.x(ms),
            verdict: slug(tier.verdict),
            label: format!("{} {}; {}", tier.name, tier.told, tier.limit),
            top: first + ROW * row,
            anchor: anchor(&scale, ms),
        })
        .collect();
    let first = first + ROW * u32::try_from(tiers.len()).unwrap_or(0);
    let away = services.iter().filter_map(|service| Some((service, service.away_ms?)));
    let outages: Vec<_> = (0..)
        .zip(away)
        .map(|(row, (service, (from_ms, back_ms)))| Outage {
            top: first + ROW * row,
            x: scale.x(from_ms),
            width: scale.width(back_ms.unwrap_or(whole_ms).saturating_sub(from_ms)),
            verdict: slug(service.verdict),
            label: format!("clients of {}: {}", service.name, service.away),
        })
        .collect();
    let height = first + ROW * u32::try_from(outages.len()).unwrap_or(0);
    Some(Gantt { description: description(plan), height, ticks: scale.ticks(), bars, tiers, outages })
}

fn bar(scale: &Scale, row: u32, step: &RecoveryStep, (start_ms, end_ms): (u64, u64)) -> Bar {
    let anchor = anchor(scale, start_ms);
    Bar {
        top: TOP + ROW * row,
        x: scale.x(start_ms),
        width: scale.width(end_ms.saturating_sub(start_ms)),
        verdict: slug(step.verdict),
        label: format!("{}: {} of {}", step.name, step.took, step.budget),
        label_x: scale.x(if anchor == "end" { end_ms } else { start_ms }),
        anchor,
    }
}

fn anchor(scale: &Scale, ms: u64) -> &'static str {
    if scale.percent(ms) > 55.0 { "end" } else { "start" }
}

fn description(plan: &Recovery) -> String {
    let step = |step: &RecoveryStep| format!("{} took {} of {}", step.name, step.took, step.budget);
    let tiers = plan.tiers.iter().map(|tier| format!("{} {}", tier.name, tier.told));
    plan.steps.iter().map(step).chain(tiers).collect::<Vec<_>>().join("; ")
}
