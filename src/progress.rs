//! Progress of drills: one line for each step, on the standard error. In a run of several drills each line names its
//! drill, because drills may run at once.

use comeback_engine::evidence::{Event, EventBody, PlannedDrill, Record, RunKind};
use comeback_model::Verdict;
use comeback_reports::format;
use comeback_reports::text::one_line;

use crate::output;

/// Prints an event; notes only if `verbose`.
pub(crate) fn tell(event: &Event, record: &Record, verbose: bool) {
    let planned = &record.run.planned;
    let line = match &event.body {
        EventBody::RunStarted(run) if run.kind == RunKind::Restore => {
            let title = planned.first().map_or("", |restore| &restore.title);
            format!("comeback {}: {title}", run.run_id)
        }
        EventBody::RunStarted(run) => {
            let damage = run.damage.as_ref().map_or_else(String::new, |damage| {
                format!(", damage {damage} was asked for: this run has to fail")
            });
            format!(
                "comeback {}: {}, seed {}{damage}",
                run.run_id,
                format::plural(run.planned.len() as u64, "drill"),
                run.seed
            )
        }
        EventBody::StepStarted { title, .. } => title.clone(),
        EventBody::MilestoneReached { milestone, .. } => format!("— {}", milestone.label()),
        EventBody::Progressed { progress, .. } => {
            let line = format!("  {}", format::progress(progress));
            return output::passing_line(&told_by(planned, event, &line));
        }
        EventBody::Note { text, .. } if verbose => format!("  {text}"),
        EventBody::CheckEnded { check, .. } if check.verdict != Verdict::Verified => {
            format!("! {}: {}: {}", check.judge, check.verdict, check.headline())
        }
        EventBody::CheckEnded { check, .. } => format!("  {}: {}", check.judge, check.summary),
        EventBody::DrillEnded { verdict, .. } => format!("{verdict}"),
        _ => return,
    };
    output::error_line(&told_by(planned, event, &line));
}

/// The line of an event, with its time and its drill.
fn told_by(planned: &[PlannedDrill], event: &Event, line: &str) -> String {
    let whose = event.body.drill().map(|drill| whose(planned, drill)).unwrap_or_default();
    format!("{:>8}  {whose}{}", format::duration(event.elapsed_ms), one_line(line))
}

/// The name of a drill's scenario, padded to the widest of the run; empty in a run of one drill.
fn whose(planned: &[PlannedDrill], drill: usize) -> String {
    let width = planned.iter().map(|one| one.scenario.len()).max().unwrap_or_default();
    match planned.get(drill) {
        Some(one) if planned.len() > 1 => format!("{:<width$}  ", one.scenario),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use comeback_model::Progress;

    use super::*;

    #[test]
    fn a_line_of_progress_names_rate_and_time_left() {
        let progress = Progress { read_bytes: 120_000_000, total_bytes: 1_200_000_000, elapsed_ms: 2_000 };
        let event = Event {
            seq: 7,
            at: "2026-11-28T06:00:00Z".parse().unwrap(),
            elapsed_ms: 5_300,
            body: EventBody::Progressed { drill: 0, progress },
        };
        let line = told_by(&[], &event, &format!("  {}", format::progress(&progress)));
        assert_eq!(line, "   5.3 s    read 120.0 MB of 1.2 GB, 60.0 MB/s, 18.0 s left");
    }

    #[test]
    fn only_where_there_are_several_a_line_says_whose_it_is() {
        let planned = ["redis/complete-loss", "secrets/restore"].map(|scenario| PlannedDrill {
            scenario: scenario.to_owned(),
            title: String::new(),
            section: String::new(),
            substrate: "local".to_owned(),
            ..PlannedDrill::default()
        });
        assert_eq!(whose(&planned, 0), "redis/complete-loss  ");
        assert_eq!(whose(&planned, 1), "secrets/restore      ");
        assert_eq!(whose(&planned[1..], 0), "");
    }
}
