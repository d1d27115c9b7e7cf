//! Removes the remains of runs whose process is gone: killed, crashed, or gone with its machine.
//!
//! Nothing without our marks is touched, and nothing whose owner is alive. A process number alone does not identify
//! the owner: the process must have started at the recorded time of the recorded boot. A record that another user
//! could have written is not a mark, because the folder of all runs is in an open temp dir. An owner that is not
//! visible from here (another container of a CI machine, another client of a shared daemon) is assumed alive for a
//! day.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use comeback_error::{Context, Error, Result};
use testcontainers::bollard::models::ContainerSummaryStateEnum as State;

use super::docker::{
    LABEL_BOOT, LABEL_KEEP, LABEL_MACHINE, LABEL_NAMESPACE, LABEL_PID, LABEL_RUN, LABEL_START, connect,
    find_containers, find_networks, remove_container, remove_network,
};
use super::identity::{Life, Owner, is_run_id};
use super::local::{
    Account, NASCENT, RUN_FILE, RunRecord, base_dir, check_own_folder, open_lock, read_record,
    remove_orphans, remove_tree, server_records,
};
use super::processes::exterminate;
use super::{SubstrateChoice, SubstrateKind};
use crate::clock::Clock;
use crate::wait;

/// How long an owner that is not visible is assumed alive, in seconds. No drill takes that long.
const DOUBT_S: i64 = 24 * 60 * 60;
/// How long another sweep may take: it may have many large folders to remove.
const LOCK_LIMIT: Duration = Duration::from_mins(2);

/// What to sweep.
#[derive(Debug, Clone)]
pub struct SweepOptions {
    /// Where to look.
    pub kinds: Vec<SubstrateKind>,
    /// Also what `--keep` left on purpose.
    pub include_kept: bool,
    /// Only the remains of this run.
    pub only_run: Option<String>,
    /// What ages are counted by.
    pub clock: Clock,
}

impl Default for SweepOptions {
    /// Everywhere, every run, except what was left on purpose.
    fn default() -> Self {
        Self {
            kinds: vec![SubstrateKind::Local, SubstrateKind::Docker],
            include_kept: false,
            only_run: None,
            clock: Clock::machine(),
        }
    }
}

/// One remainder of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// The substrate that it was on.
    pub kind: SubstrateKind,
    /// The run that it belonged to.
    pub run_id: String,
    /// The object, for people: a folder, a container or a network, by name.
    pub what: String,
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of run {}", self.what, self.run_id)
    }
}

/// The result of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// What was removed.
    pub removed: Vec<Leftover>,
    /// What could not be removed, or not be examined.
    pub problems: Vec<Error>,
    /// Why the Docker daemon could not be reached, if it was tried. Not a problem for users without Docker.
    pub unreachable: Option<Error>,
}

/// Removes the remains of dead runs. Sweeps may run at the same time, and beside live runs.
///
/// Failures are reported in [`Swept::problems`], and do not stop the sweep.
pub async fn sweep(options: &SweepOptions) -> Result<Swept> {
    let mut swept = Swept::default();
    for kind in &options.kinds {
        let done = match kind {
            SubstrateKind::Local => sweep_local(options, &mut swept).await,
            SubstrateKind::Docker => sweep_docker(options, &mut swept).await,
        };
        if let Err(error) = done {
            swept.problems.push(error.context(format!("sweep {kind}")));
        }
    }
    Ok(swept)
}

impl SweepOptions {
    /// What to sweep for this choice of substrate: all, unless the choice is this machine only.
    pub fn beside(choice: SubstrateChoice) -> Self {
        match choice {
            SubstrateChoice::Local => Self { kinds: vec![SubstrateKind::Local], ..Self::default() },
            SubstrateChoice::Auto | SubstrateChoice::Docker => Self::default(),
        }
    }

    /// How many seconds ago something started.
    fn age_s(&self, started_at: i64) -> i64 {
        self.clock.now().as_second().saturating_sub(started_at)
    }

    fn concerns(&self, run_id: &str) -> bool {
        is_run_id(run_id) && self.only_run.as_deref().is_none_or(|only| only == run_id)
    }

    /// Whether an object of this owner and age may be removed. `is_off` means that it has stopped with its machine,
    /// if the machine was restarted since.
    fn may_remove(&self, owner: &Owner, keep: bool, age_s: i64, is_off: bool) -> Result<bool> {
        let abandoned = match owner.life()? {
            Life::Alive => false,
            Life::Dead => true,
            Life::Elsewhere => (is_off && owner.is_of_an_earlier_boot()?) || age_s > DOUBT_S,
        };
        Ok(abandoned && (self.include_kept || !keep))
    }
}

impl Swept {
    fn note(&mut self, removed: Result<()>, kind: SubstrateKind, run_id: &str, what: String) {
        match removed {
            Ok(()) => self.removed.push(Leftover { kind, run_id: run_id.to_owned(), what }),
            Err(error) => self.problems.push(error),
        }
    }
}

async fn sweep_local(options: &SweepOptions, swept: &mut Swept) -> Result<()> {
    let base = base_dir()?;
    if fs::symlink_metadata(&base).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Ok(());
    }
    check_own_folder(&base)?;
    // One sweep at a time, so that sweeps do not disturb each other's removals. Closing the file releases the lock.
    let _lock = lock(&base.join(".lock"), LOCK_LIMIT).await?;
    let doing = format!("look into {}", base.display());
    for entry in fs::read_dir(&base).context(&doing)? {
        let entry = entry.context(&doing)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // A run that was killed while it created its folder left it under a temporary name.
        let run_id = name.strip_prefix(NASCENT).and_then(|rest| rest.split('-').next()).unwrap_or(&name);
        let folder = entry.path();
        if !options.concerns(run_id) {
            continue;
        }
        if let Err(error) = check_own_folder(&folder) {
            // Another sweep, or the run itself, may have removed it meanwhile.
            swept.problems.extend(fs::symlink_metadata(&folder).is_ok().then_some(error));
            continue;
        }
        match record_of(&folder, options) {
            Some(record)
                if options.may_remove(
                    &record.owner,
                    record.keep,
                    options.age_s(record.started_at),
                    true,
                )? =>
            {
                let removed = remove_run(&folder, &record).await;
                swept.note(removed, SubstrateKind::Local, run_id, format!("folder {}", folder.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Locks a file until the result is dropped, unless another process holds the lock for all of `limit`.
async fn lock(path: &Path, limit: Duration) -> Result<File> {
    let file = open_lock(path).context(format!("lock {}", path.display()))?;
    let what = format!("another sweep to give back {}", path.display());
    wait::until(&what, limit, || async { file.try_lock().map_err(|error| error.to_string()) })
        .await
        .map_err(|error| error.hint("find the process with `fuser` or `lslocks`, and end it if it hangs"))?;
    Ok(file)
}

/// The record of a run. A folder without one lost it to an interrupted removal: it gets a record that lets it be
/// removed after the period of doubt.
fn record_of(folder: &Path, options: &SweepOptions) -> Option<RunRecord> {
    if let Ok(record) = read_record(&folder.join(RUN_FILE)) {
        return Some(record);
    }
    let changed = fs::metadata(folder).ok()?.modified().ok()?;
    let started_at = jiff::Timestamp::try_from(changed).ok()?.as_second();
    let owner = Owner {
        pid: 0,
        start_ticks: 0,
        boot_id: String::new(),
        pid_ns: String::new(),
        machine: String::new(),
    };
    (options.age_s(started_at) > DOUBT_S).then_some(RunRecord { owner, started_at, keep: false })
}

async fn remove_run(folder: &Path, record: &RunRecord) -> Result<()> {
    // Process numbers of another boot or process namespace mean other processes.
    let servers = match record.owner.life()? {
        Life::Elsewhere => Vec::new(),
        Life::Alive | Life::Dead => server_records(folder),
    };
    let marks: Vec<_> = servers.iter().map(|server| (server.pid, server.start_ticks)).collect();
    let mut dead = exterminate(&marks, folder).await?;
    dead.extend(marks.iter().map(|&(pid, _)| pid).collect::<BTreeSet<_>>());
    remove_orphans(&dead, Account::choose()?.uid, record.started_at);
    remove_tree(folder).await
}

async fn sweep_docker(options: &SweepOptions, swept: &mut Swept) -> Result<()> {
    let docker = match connect().await {
        Ok((docker, _)) => docker,
        Err(error) => {
            swept.unreachable = Some(error);
            return Ok(());
        }
    };
    for container in find_containers(&docker, &[(LABEL_RUN, "")]).await? {
        let labels = container.labels.unwrap_or_default();
        let Some((run_id, owner, keep)) = marks_of(&labels).filter(|marks| options.concerns(&marks.0)) else {
            continue;
        };
        let is_off = !matches!(container.state, Some(State::RUNNING | State::PAUSED | State::RESTARTING));
        if options.may_remove(&owner, keep, options.age_s(container.created.unwrap_or(i64::MAX)), is_off)? {
            let name = container.names.and_then(|names| names.into_iter().next()).unwrap_or_default();
            let removed = remove_container(&docker, &container.id.unwrap_or_default()).await;
            let what = format!("container {}", name.trim_start_matches('/'));
            swept.note(removed, SubstrateKind::Docker, &run_id, what);
        }
    }
    // Networks go after their containers.
    for network in find_networks(&docker, &[(LABEL_RUN, "")]).await? {
        let labels = network.labels.unwrap_or_default();
        let Some((run_id, owner, keep)) = marks_of(&labels).filter(|marks| options.concerns(&marks.0)) else {
            continue;
        };
        let created = network.created.and_then(|at| at.to_string().parse::<jiff::Timestamp>().ok());
        let age = created.map_or(0, |at| options.age_s(at.as_second()));
        if options.may_remove(&owner, keep, age, true)? {
            let removed = remove_network(&docker, &network.id.unwrap_or_default()).await;
            let what = format!("network {}", network.name.unwrap_or_default());
            swept.note(removed, SubstrateKind::Docker, &run_id, what);
        }
    }
    Ok(())
}

/// The run, the owner and whether to keep it, of an object that has all our labels.
fn marks_of(labels: &HashMap<String, String>) -> Option<(String, Owner, bool)> {
    let owner = Owner {
        pid: labels.get(LABEL_PID)?.parse().ok()?,
        start_ticks: labels.get(LABEL_START)?.parse().ok()?,
        boot_id: labels.get(LABEL_BOOT)?.clone(),
        pid_ns: labels.get(LABEL_NAMESPACE)?.clone(),
        machine: labels.get(LABEL_MACHINE).cloned().unwrap_or_default(),
    };
    Some((labels.get(LABEL_RUN)?.clone(), owner, labels.get(LABEL_KEEP)? == "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner::current().unwrap()
    }

    #[test]
    fn the_living_and_the_kept_are_left_alone() {
        let sweep = SweepOptions::default();
        let dead = Owner { start_ticks: 0, ..owner() };
        assert!(!sweep.may_remove(&owner(), false, DOUBT_S * 9, true).unwrap());
        assert!(sweep.may_remove(&dead, false, 0, false).unwrap());
        assert!(!sweep.may_remove(&dead, true, DOUBT_S * 9, true).unwrap());
        let all = SweepOptions { include_kept: true, ..sweep };
        assert!(all.may_remove(&dead, true, 0, false).unwrap());
        assert!(!all.may_remove(&owner(), true, 0, false).unwrap());
    }

    #[test]
    fn who_cannot_be_seen_has_a_day() {
        let sweep = SweepOptions::default();
        let other_boot = Owner { boot_id: "another".to_owned(), ..owner() };
        assert!(!sweep.may_remove(&other_boot, false, DOUBT_S, false).unwrap());
        assert!(sweep.may_remove(&other_boot, false, DOUBT_S + 1, false).unwrap());
        assert!(
            !sweep
                .may_remove(&Owner { machine: "x".to_owned(), ..other_boot.clone() }, false, DOUBT_S, true)
                .unwrap()
        );
        assert!(
            !sweep
                .may_remove(&Owner { machine: String::new(), ..other_boot.clone() }, false, DOUBT_S, true)
                .unwrap()
        );
        if !owner().machine.is_empty() {
            assert!(sweep.may_remove(&other_boot, false, 0, true).unwrap(), "it stopped with this machine");
        }
        let other_namespace = Owner { pid_ns: "another".to_owned(), ..owner() };
        assert!(!sweep.may_remove(&other_namespace, false, DOUBT_S, true).unwrap());
    }

    #[test]
    fn what_lacks_one_of_our_labels_is_not_ours() {
        let labels = [(LABEL_RUN, "0badcafe"), (LABEL_PID, "1"), (LABEL_START, "2"), (LABEL_BOOT, "b")];
        let mut labels: HashMap<_, _> =
            labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(marks_of(&labels), None);
        labels.insert(LABEL_NAMESPACE.to_owned(), "n".to_owned());
        labels.insert(LABEL_KEEP.to_owned(), "true".to_owned());
        let (run_id, owner, keep) = marks_of(&labels).unwrap();
        assert_eq!((run_id.as_str(), owner.pid, keep), ("0badcafe", 1, true));
    }
}
