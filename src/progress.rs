//! What a person sees while drills run: one line for each step, on the standard error.

use comeback_harness::evidence::{Event, EventBody};
use comeback_harness::model::Verdict;
use comeback_reports::format;

use crate::output;

/// Tells an event; notes only where more is wanted.
pub(crate) fn tell(event: &Event, verbose: bool) {
    let line = match &event.body {
        EventBody::RunStarted(run) => {
            format!(
                "comeback {}: {}, seed {}",
                run.run_id,
                format::plural(run.planned.len() as u64, "drill"),
                run.seed
            )
        }
        EventBody::StepStarted { title, .. } => title.clone(),
        EventBody::MilestoneReached { milestone, .. } => format!("— {}", milestone.label()),
        EventBody::Note { text, .. } if verbose => format!("  {text}"),
        EventBody::CheckEnded { check, .. } if check.verdict != Verdict::Verified => {
            format!("! {}: {}: {}", check.oracle, check.verdict, check.headline())
        }
        EventBody::CheckEnded { check, .. } => format!("  {}: {}", check.oracle, check.summary),
        EventBody::DrillEnded { verdict, .. } => format!("{verdict}"),
        _ => return,
    };
    output::error_line(&format!("{:>8}  {line}", format::duration(event.elapsed_ms)));
}
