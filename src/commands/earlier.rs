//! What earlier runs measured, from the evidence that they left.

use comeback_engine::evidence::{Record, RunKind};
use comeback_model::{MeasuredTime, Plan, Verdict};

/// The last time of each step: the time to recovery of its procedure that was proven, or the time that the step took when
/// a plan was carried out; `None` where there is none. Waits that were shortened count as documented.
pub(super) fn last_times(records: &[Record], plan: &Plan) -> Vec<Option<MeasuredTime>> {
    let mut times: Vec<Option<MeasuredTime>> = vec![None; plan.steps.len()];
    for record in records {
        keep_later(record, plan, &mut times);
    }
    times
}

/// Takes the times of a run that are later than those known. A damage on purpose, and a restore of the user's own data,
/// are no drill of a procedure.
fn keep_later(record: &Record, plan: &Plan, times: &mut [Option<MeasuredTime>]) {
    if record.run.damage.is_some() || record.run.kind == RunKind::Restore {
        return;
    }
    keep_later_steps(record, plan, times);
    // The name of a drill by people is chosen by them, and may be that of a procedure.
    if record.run.kind == RunKind::People {
        return;
    }
    for drill in &record.drills {
        let proven = matches!(drill.verdict, Verdict::Verified | Verdict::ObjectiveMissed);
        let Some(ttr_ms) = drill.ttr_ms().filter(|_| proven) else { continue };
        for (step, time) in plan.steps.iter().zip(times.iter_mut()) {
            let is_of_step = step.procedure.as_deref() == Some(drill.plan.scenario.as_str());
            if is_of_step && is_later(record, time.as_ref()) {
                *time = Some(MeasuredTime {
                    ttr_ms: ttr_ms.saturating_add(drill.shortened_ms),
                    sample_bytes: drill.sample_bytes,
                    run_id: record.run.run_id.clone(),
                    at: record.started_at,
                    by: None,
                });
            }
        }
    }
}

/// Whether a run is later than the one that a time is known from.
fn is_later(record: &Record, known: Option<&MeasuredTime>) -> bool {
    known.is_none_or(|known| known.at <= record.started_at)
}

/// Takes the times of the steps of a plan that was carried out; steps are the same if they have the same name.
fn keep_later_steps(record: &Record, plan: &Plan, times: &mut [Option<MeasuredTime>]) {
    for drill in &record.drills {
        let Some(recovery) = &drill.recovery else { continue };
        for (at, (drilled, measured)) in recovery.plan.steps.iter().zip(&recovery.measured).enumerate() {
            let Some(done) = measured.as_ref().filter(|done| done.verdict == Verdict::Verified) else {
                continue;
            };
            let said = recovery.by_people.as_ref().and_then(|people| people.steps.get(at)?.ended.as_ref());
            let same = plan.steps.iter().position(|step| step.name.eq_ignore_ascii_case(&drilled.name));
            let Some(time) = same.and_then(|step| times.get_mut(step)) else { continue };
            if is_later(record, time.as_ref()) {
                *time = Some(MeasuredTime {
                    ttr_ms: done.elapsed_ms().saturating_add(done.shortened_ms),
                    sample_bytes: drill.sample_bytes,
                    run_id: record.run.run_id.clone(),
                    at: record.started_at,
                    by: said.map(|end| end.who.clone()),
                });
            }
        }
    }
}
