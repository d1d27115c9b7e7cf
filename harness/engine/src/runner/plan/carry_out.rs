//! Carries out a recovery plan: steps start side by side as soon as what they need is done and proven.

use std::time::Duration;

use comeback_error::{Error, Result};
use comeback_model::plan::lets_go_on;
use comeback_model::{MeasuredStep, Plan, Verdict};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use crate::clock::Stopwatch;
use crate::evidence::Failure;
use crate::wait;

/// What a step of a plan does, once it is polled: it carries out the step and proves it.
pub type StepAction = BoxFuture<'static, Result<Proof>>;

/// The proof that a step is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// What it says.
    pub verdict: Verdict,
    /// By how much a documented wait of the step was shortened, in milliseconds.
    pub shortened_ms: u64,
}

impl From<Verdict> for Proof {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, shortened_ms: 0 }
    }
}

/// The action of a step.
pub(super) struct PlannedAction {
    /// What it does.
    pub(super) action: StepAction,
    /// When it is given up, counted from its start. Longer than its budget: a step that is only late must be able to
    /// finish, so that its time is known.
    pub(super) deadline: Duration,
}

/// Counts milliseconds from the declaration of the disaster.
#[derive(Debug, Clone, Copy)]
pub(super) struct SinceDeclared {
    /// A running clock.
    pub(super) clock: Stopwatch,
    /// What it showed at the declaration, in milliseconds.
    pub(super) declared_ms: u64,
}

impl SinceDeclared {
    /// Milliseconds since the declaration.
    fn elapsed_ms(self) -> u64 {
        self.clock.elapsed_ms().saturating_sub(self.declared_ms)
    }
}

/// Carries out a plan, and returns what was measured of each step. `actions` has one for each step. `told` is called
/// when a step has ended.
///
/// A step starts once all that it needs are verified, or verified and late. `None` stands for a step that did not
/// start because of another one. Dropping the future ends the steps that run.
pub(super) async fn carry_out(
    plan: &Plan,
    actions: Vec<PlannedAction>,
    since: SinceDeclared,
    told: impl Fn(usize, &MeasuredStep),
) -> Vec<Option<MeasuredStep>> {
    let mut measured: Vec<Option<MeasuredStep>> = vec![None; plan.steps.len()];
    let mut waiting: Vec<_> = actions.into_iter().enumerate().collect();
    let mut running = JoinSet::new();
    loop {
        let ready = |(step, _): &mut (usize, PlannedAction)| {
            plan.steps[*step].needs.iter().all(|need| is_proven(measured[*need].as_ref()))
        };
        for (step, planned) in waiting.extract_if(.., ready) {
            let name = plan.steps[step].name.clone();
            running.spawn(async move { (step, measure(&name, planned, since).await) });
        }
        match running.join_next().await {
            None => return measured,
            Some(Ok((step, done))) => {
                told(step, &done);
                measured[step] = Some(done);
            }
            // A step catches its own panics.
            Some(Err(_)) => {}
        }
    }
}

fn is_proven(measured: Option<&MeasuredStep>) -> bool {
    measured.is_some_and(|done| lets_go_on(done.verdict))
}

/// Carries out one step.
async fn measure(name: &str, planned: PlannedAction, since: SinceDeclared) -> MeasuredStep {
    let started_ms = since.elapsed_ms();
    let action = std::panic::AssertUnwindSafe(planned.action).catch_unwind();
    let ended = wait::at_most(&format!("the step {name:?} to end"), planned.deadline, action).await;
    let ended = ended.and_then(|ended| {
        ended.unwrap_or_else(|_| Err(Error::could_not_verify(format!("the step {name:?} crashed"))))
    });
    let (proof, reason) = match ended {
        Ok(proof) if proof.verdict == Verdict::Verified => (proof, String::new()),
        Ok(proof) => (proof, format!("its proof says: {}", proof.verdict)),
        Err(error) => (Failure::from(&error).verdict().into(), error.message().to_owned()),
    };
    let Proof { verdict, shortened_ms } = proof;
    MeasuredStep { started_ms, ended_ms: since.elapsed_ms(), verdict, reason, shortened_ms }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use comeback_model::plan::judge;
    use comeback_model::{Citation, Objective, PlanStep};

    use super::*;

    const MINUTE_MS: u64 = 60_000;

    /// What a step does in a test.
    enum Does {
        /// It takes some minutes, and its proof has a verdict.
        Takes(u64, Verdict),
        Fails,
        Crashes,
        Hangs,
    }

    impl Does {
        async fn carry_out(self) -> Result<Proof> {
            match self {
                Self::Takes(minutes, verdict) => {
                    wait::rest(Duration::from_mins(minutes), pending::<()>()).await;
                    Ok(verdict.into())
                }
                Self::Fails => Err(Error::failed("the restored server did not start")),
                Self::Crashes => panic!("a bug"),
                Self::Hangs => pending().await,
            }
        }
    }

    fn minutes(minutes: u64) -> Objective {
        let source = Citation { file: String::new(), line: 1, section: String::new(), text: String::new() };
        Objective { lower_ms: None, upper_ms: minutes * MINUTE_MS, source }
    }

    /// Activate, then the database and Redis side by side, then the application.
    fn plan() -> Plan {
        let step = |name: &str, budget, needs: &[usize]| PlanStep {
            name: name.to_owned(),
            budget: minutes(budget),
            needs: needs.to_vec(),
            procedure: None,
            command: None,
        };
        Plan {
            title: "Full disaster recovery".to_owned(),
            source: minutes(1).source,
            total: minutes(50),
            steps: vec![
                step("Activate", 5, &[]),
                step("Database", 30, &[0]),
                step("Redis", 10, &[0]),
                step("Application", 15, &[1, 2]),
            ],
            tiers: Vec::new(),
        }
    }

    const DONE: Verdict = Verdict::Verified;

    fn planned(action: StepAction) -> PlannedAction {
        PlannedAction { action, deadline: Duration::from_hours(2) }
    }

    async fn course(does: [Does; 4]) -> Vec<Option<MeasuredStep>> {
        let actions = does.into_iter().map(|does| planned(does.carry_out().boxed())).collect();
        let since = SinceDeclared { clock: Stopwatch::start(), declared_ms: 0 };
        let ended = std::cell::RefCell::new(vec![None; 4]);
        let told = |step: usize, done: &MeasuredStep| ended.borrow_mut()[step] = Some(done.clone());
        let measured = carry_out(&plan(), actions, since, told).await;
        assert_eq!(ended.into_inner(), measured);
        measured
    }

    fn times(measured: &[Option<MeasuredStep>]) -> Vec<Option<(u64, u64)>> {
        let minutes = |done: &MeasuredStep| (done.started_ms / MINUTE_MS, done.ended_ms / MINUTE_MS);
        measured.iter().map(|done| done.as_ref().map(minutes)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn steps_run_side_by_side_as_what_they_need_is_done() {
        let does =
            [Does::Takes(5, DONE), Does::Takes(20, DONE), Does::Takes(10, DONE), Does::Takes(15, DONE)];
        let measured = course(does).await;
        assert_eq!(times(&measured), [Some((0, 5)), Some((5, 25)), Some((5, 15)), Some((25, 40))]);
        let judged = judge(&plan(), &measured);
        assert_eq!((judged.verdict, judged.recovered_ms), (Verdict::Verified, Some(40 * MINUTE_MS)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_needs_a_failed_step_is_skipped_and_the_rest_runs() {
        for (does, verdict, reason) in [
            (Does::Fails, Verdict::Failed, "the restored server did not start"),
            (Does::Takes(1, Verdict::Failed), Verdict::Failed, "its proof says: failed"),
            (Does::Crashes, Verdict::CouldNotVerify, "the step \"Database\" crashed"),
        ] {
            let does = [Does::Takes(5, DONE), does, Does::Takes(10, DONE), Does::Takes(15, DONE)];
            let measured = course(does).await;
            assert_eq!(times(&measured)[2..], [Some((5, 15)), None]);
            let judged = judge(&plan(), &measured);
            let told: Vec<_> = judged.steps.iter().map(|step| (step.verdict, step.reason.as_str())).collect();
            assert_eq!(told[1..3], [(verdict, reason), (DONE, "")]);
            assert_eq!(told[3].0, Verdict::Skipped);
            assert!(told[3].1.starts_with("it needs \"Database\", which"), "{}", told[3].1);
            assert_eq!(judged.verdict, verdict);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_step_that_hangs_ends_at_its_deadline() {
        let does = [Does::Takes(5, DONE), Does::Hangs, Does::Takes(10, DONE), Does::Takes(15, DONE)];
        let measured = course(does).await;
        assert_eq!(times(&measured), [Some((0, 5)), Some((5, 125)), Some((5, 15)), None]);
        let hung = measured[1].as_ref().unwrap();
        assert_eq!(hung.verdict, Verdict::CouldNotVerify);
        assert_eq!(hung.reason, "waited 7200.0 s for the step \"Database\" to end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_step_does_not_keep_the_others_from_running() {
        let late = Verdict::ObjectiveMissed;
        let does =
            [Does::Takes(5, DONE), Does::Takes(45, late), Does::Takes(10, DONE), Does::Takes(15, DONE)];
        let measured = course(does).await;
        assert_eq!(times(&measured)[3], Some((50, 65)));
        assert_eq!(judge(&plan(), &measured).verdict, Verdict::ObjectiveMissed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_that_is_given_up_ends_its_steps() {
        let does = [Does::Takes(5, DONE), Does::Takes(30, DONE), Does::Hangs, Does::Takes(15, DONE)];
        let kept = Arc::new(());
        let given_up = wait::at_most("the plan", Duration::from_mins(20), async {
            let action = |does: Does| {
                let held = Arc::clone(&kept);
                planned(async move { does.carry_out().await.inspect(|_| drop(held)) }.boxed())
            };
            let actions = does.into_iter().map(action).collect();
            let since = SinceDeclared { clock: Stopwatch::start(), declared_ms: 0 };
            carry_out(&plan(), actions, since, |_, _| {}).await
        });
        assert!(given_up.await.is_err());
        wait::until("the steps to end", Duration::from_mins(1), || async {
            if Arc::strong_count(&kept) == 1 { Ok(()) } else { Err("one runs".to_owned()) }
        })
        .await
        .unwrap();
    }
}
