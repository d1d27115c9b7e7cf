//! A run: its drills, one after another or several at once, and their end on every path.

use std::path::PathBuf;
use std::sync::Arc;

use comeback_error::{Error, Result};
use comeback_model::{CoherenceRule, IntegrityQuery, Plan, Verdict};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::objectives::Documented;
use super::{Applications, Course, CourseSettings, Drill, Scenario};
use crate::damage::DamageSpec;
use crate::evidence::{EventBody, Failure, Journal};
use crate::repository::{GuardedRepository, Keyring, LocalRepository};
use crate::runbook::{ObjectiveKind, Runbook};
use crate::substrate::{Room, Substrate};
use crate::wait;

/// Where a run takes place.
#[derive(Clone)]
pub struct RunPlace {
    /// Where servers run.
    pub substrate: Arc<dyn Substrate>,
    /// What the substrate runs on, to be watched; `None` if that is unknown.
    pub room: Option<Room>,
    /// The folder of the drills' repositories; removed with the run.
    pub scratch: PathBuf,
    /// Where the servers' logs are saved, in the evidence.
    pub logs: PathBuf,
}

/// What all drills of a run share.
#[derive(Clone)]
pub struct RunSettings {
    /// Where they run.
    pub place: RunPlace,
    /// The documented procedures and limits; `None` if no scenario follows a section.
    pub runbook: Option<Arc<Runbook>>,
    /// The seed of data, writes and damage.
    pub seed: u64,
    /// The scale of the data.
    pub scale: String,
    /// The damages to inject.
    pub damages: Vec<&'static DamageSpec>,
    /// The user's own integrity queries.
    pub queries: Vec<IntegrityQuery>,
    /// Whether findings show values of restored rows.
    pub shows_values: bool,
    /// How many drills run at once.
    pub jobs: usize,
    /// Whether servers stay after the run.
    pub keep: bool,
    /// The applications that the drills recover.
    pub applications: Applications,
    /// The recovery plan of the runbook and the settings; `None` if no scenario carries one out.
    pub plan: Option<Arc<Plan>>,
    /// The user's own rules about stores that must agree.
    pub coherence: Vec<CoherenceRule>,
    /// The folder of the settings, in which the user's own commands run; empty for the current one.
    pub settings_folder: PathBuf,
}

/// Runs drills. Returns the verdict of each, in their order; `None` for a drill that was interrupted, or did not
/// start because of an interruption.
///
/// The number in `scenarios` is the drill's index in the journal. Whatever happens to a drill, its nodes are
/// removed before this returns, unless they are to be kept.
pub async fn run_drills(
    scenarios: &[(usize, Arc<dyn Scenario>)],
    settings: &RunSettings,
    journal: &Journal,
    cancel: &CancellationToken,
) -> Vec<Option<Verdict>> {
    let mut verdicts = vec![None; scenarios.len()];
    let order = in_order_of_start(&upper_limits(scenarios, settings.runbook.as_deref()), settings.jobs);
    let (mut waiting, mut running) = (order.into_iter(), JoinSet::new());
    loop {
        while running.len() < settings.jobs.max(1) && !cancel.is_cancelled() {
            let Some(place) = waiting.next() else { break };
            let ((index, scenario), settings) = (scenarios[place].clone(), settings.clone());
            let (journal, cancel) = (journal.clone(), cancel.clone());
            running.spawn(async move {
                (place, run_drill(index, &*scenario, &settings, &journal, &cancel).await)
            });
        }
        match running.join_next().await {
            None => return verdicts,
            Some(Ok((place, verdict))) => verdicts[place] = verdict,
            // A drill catches its own panics; this one is from the teardown: not verified.
            Some(Err(_)) => {}
        }
    }
}

/// The longest time that the runbook allows each drill, in milliseconds; 0 if it documents none.
fn upper_limits(scenarios: &[(usize, Arc<dyn Scenario>)], runbook: Option<&Runbook>) -> Vec<u64> {
    let limit = |section: &str| {
        let runbook = runbook?;
        let section = runbook.section(section).ok()?;
        runbook.objective(section, ObjectiveKind::TimeToRecovery).ok().map(|objective| objective.upper_ms)
    };
    scenarios.iter().map(|(_, scenario)| limit(&scenario.spec().section).unwrap_or_default()).collect()
}

/// The indexes of the drills, in the order in which they start. If several run at once, the drills with the longest
/// limit start first: a long drill that starts last would run alone at the end.
fn in_order_of_start(upper_limits: &[u64], jobs: usize) -> Vec<usize> {
    let mut places: Vec<_> = (0..upper_limits.len()).collect();
    if jobs > 1 {
        places.sort_by_key(|place| std::cmp::Reverse(upper_limits[*place]));
    }
    places
}

async fn run_drill(
    index: usize,
    scenario: &dyn Scenario,
    settings: &RunSettings,
    journal: &Journal,
    cancel: &CancellationToken,
) -> Option<Verdict> {
    let documented = Documented::of(&scenario.spec(), settings.runbook.as_deref());
    journal.append(EventBody::DrillStarted { drill: index, objective: documented.time.clone().ok() });
    let mut drill = match prepare(index, scenario, settings, journal, documented).await {
        Ok(drill) => drill,
        Err(error) => return Some(end_drill(index, journal, &[], Some(&error))),
    };
    let course = std::panic::AssertUnwindSafe(scenario.run(&mut drill));
    let course = futures_util::FutureExt::catch_unwind(course);
    let ended = tokio::select! {
        ended = wait::at_most("the drill to end", wait::limits().drill, course) => Some(ended.map_err(|error| {
            error.hint("raise `drill` under [limits] in comeback.toml, if it was only slow")
        })),
        () = cancel.cancelled() => None,
        full = until_full(settings.place.room.as_ref()) => Some(Err(full)),
    };
    let ended = match ended {
        None => None,
        Some(Ok(Ok(Err(error)))) => Some(Err(drill.with_last_words(error).await)),
        Some(Ok(Ok(Ok(())))) => Some(Ok(())),
        Some(Ok(Err(_))) => Some(Err(Error::could_not_verify("the drill crashed")
            .hint("this is a bug in comeback: report it with the evidence of this run"))),
        Some(Err(struck)) => Some(Err(drill.with_last_words(drill.in_its_step(struck)).await)),
    };
    drill.tell_unjudged_loss(matches!(ended, Some(Ok(()))));
    let removed = drill.end(settings.keep).await;
    if drill.verifies() {
        // Restored data is personal data: the record says where it is.
        drill.note(match &removed {
            Ok(()) if settings.keep => format!(
                "the restored data is personal data, and was kept with its server (--keep), in {}: `comeback clean --kept` \
                 removes it",
                drill.places_of_data()
            ),
            Ok(()) => "the restored data was removed, with its server".to_owned(),
            Err(_) => "the restored data could not be removed: `comeback clean` removes what is left".to_owned(),
        });
    }
    let ended = ended?.and_then(|()| drill.ensure_damaged()).and(removed);
    let verdicts: Vec<_> = drill.checks().iter().map(|check| check.verdict).collect();
    Some(end_drill(index, journal, &verdicts, ended.err().as_ref()))
}

async fn until_full(room: Option<&Room>) -> Error {
    match room {
        Some(room) => room.until_full().await,
        None => std::future::pending().await,
    }
}

async fn prepare(
    index: usize,
    scenario: &dyn Scenario,
    settings: &RunSettings,
    journal: &Journal,
    documented: Documented,
) -> Result<Drill> {
    let spec = scenario.spec();
    let scratch = settings.place.scratch.join(format!("d{index}"));
    let repository = LocalRepository::open(scratch.join("repository")).await?;
    let repository = repository.timed_by(journal.wall_clock().clone());
    let course = Course::new(CourseSettings {
        index,
        name: spec.name,
        journal: journal.clone(),
        substrate: Some(settings.place.substrate.clone()),
        repository: Arc::new(GuardedRepository::new(Arc::new(repository), Keyring::random()?, false)),
        logs: settings.place.logs.clone(),
        scratch,
        verifies: !spec.requires.is_empty(),
    })?;
    Ok(Drill {
        course,
        seed: settings.seed,
        scale: settings.scale.clone(),
        damages: spec.damages,
        asked: settings.damages.clone(),
        shows_values: settings.shows_values,
        injected: 0.into(),
        queries: settings.queries.clone(),
        documented,
        applications: settings.applications.clone(),
        plan: settings.plan.clone(),
        coherence: settings.coherence.clone(),
        settings_folder: settings.settings_folder.clone(),
        declared_ms: None,
    })
}

/// Ends a drill in the journal. An error counts together with the judges' verdicts: *failed* means that the backup
/// failed, any other kind means that the drill could not get far enough to know.
pub(super) fn end_drill(
    index: usize,
    journal: &Journal,
    checks: &[Verdict],
    error: Option<&Error>,
) -> Verdict {
    let error = error.map(Failure::from);
    let verdict = Verdict::merge(checks.iter().copied().chain(error.as_ref().map(Failure::verdict)));
    journal.append(EventBody::DrillEnded { drill: index, verdict, error });
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_drills_beside_each_other_the_longest_start_first() {
        let upper_limits = [900_000, 0, 5_400_000, 900_000, 600_000];
        assert_eq!(in_order_of_start(&upper_limits, 2), [2, 0, 3, 4, 1]);
        assert_eq!(in_order_of_start(&upper_limits, 1), [0, 1, 2, 3, 4]);
        assert_eq!(in_order_of_start(&[], 2), [0_usize; 0]);
    }
}
