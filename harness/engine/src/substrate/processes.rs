//! The process table of this machine, read from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_error::Result;
use rustix::process::{Pid, Signal};

use crate::wait;

/// How long killed processes may take to end: one can be inside a write to a slow disk.
const KILL_LIMIT: Duration = Duration::from_mins(1);

/// One process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) parent: i32,
    pub(super) group: i32,
    pub(super) session: i32,
    /// Its controlling terminal; 0 for none.
    pub(super) terminal: i32,
    /// When it started, in clock ticks since boot.
    pub(super) start_ticks: u64,
    state: char,
}

impl Process {
    /// Whether it has ended, and only waits for its parent to reap it.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Its working directory, if this process may read it.
    fn cwd(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Sends it a signal. A process that has ended is ignored.
    pub(super) fn signal(&self, signal: Signal) {
        signal_pid(self.pid, signal);
    }
}

/// Sends a signal to a process that may have ended.
pub(super) fn signal_pid(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It has ended, or is not ours to signal: callers look for it afterwards and see which.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

pub(super) fn lookup(pid: i32) -> Option<Process> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Every process that has not ended.
fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(lookup)
        .filter(|process| !process.is_gone())
        .collect()
}

/// A process's number and start time, in clock ticks since boot: no other process has both.
pub(super) type Mark = (i32, u64);

/// The processes of a node: its server, its descendants, everything in its session, and everything that works in
/// the node's folder.
///
/// PostgreSQL gives each of its processes its own session, and init adopts orphans, so neither group nor ancestry
/// finds all of them. However, each of them works in the data directory. A shell that a person has opened there has
/// a terminal and is spared; processes of Comeback have none.
pub(super) fn family(servers: &[Mark], folder: &Path) -> Vec<Process> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let table = all();
    let leaders: BTreeSet<i32> = table
        .iter()
        .filter(|one| servers.contains(&(one.pid, one.start_ticks)) && may_be_server(one.pid, &table))
        .map(|one| one.pid)
        .collect();
    let mut members: BTreeSet<i32> = table
        .iter()
        .filter(|one| {
            [one.pid, one.session, one.group].iter().any(|id| leaders.contains(id))
                || ((one.terminal == 0 || one.parent == me)
                    && one.cwd().is_some_and(|cwd| cwd.starts_with(folder)))
        })
        .map(|one| one.pid)
        .collect();
    loop {
        let before = members.len();
        members.extend(
            table.iter().filter(|one| members.contains(&one.parent)).map(|one| one.pid).collect::<Vec<_>>(),
        );
        if members.len() == before {
            break;
        }
    }
    table.into_iter().filter(|one| members.contains(&one.pid) && one.pid != me && one.pid != 1).collect()
}

/// Whether a process can be a server of a run. Init, this process and its ancestors cannot, whatever a record says:
/// their families are half of the machine.
fn may_be_server(pid: i32, table: &[Process]) -> bool {
    let parent_of = |child: i32| table.iter().find(|one| one.pid == child).map(|one| one.parent);
    let me = rustix::process::getpid().as_raw_nonzero().get();
    pid > 1 && std::iter::successors(Some(me), |&one| parent_of(one)).take(table.len()).all(|one| one != pid)
}

/// Kills the families of these servers and everything else that works in the folder, and waits until all have
/// ended. Returns the numbers of the killed processes.
pub(super) async fn exterminate(servers: &[Mark], folder: &Path) -> Result<BTreeSet<i32>> {
    // Frozen first, so that no member can start another one, or notice a death, while the family is being killed.
    let mut dead: BTreeSet<i32> = freeze(servers, folder);
    for &pid in &dead {
        signal_pid(pid, Signal::KILL);
    }
    wait::until(&format!("the processes in {} to go", folder.display()), KILL_LIMIT, || {
        let rest = family(servers, folder);
        for one in &rest {
            one.signal(Signal::KILL);
            dead.insert(one.pid);
        }
        async move { if rest.is_empty() { Ok(()) } else { Err(format!("{} are left", rest.len())) } }
    })
    .await?;
    Ok(dead)
}

fn freeze(servers: &[Mark], folder: &Path) -> BTreeSet<i32> {
    let mut frozen = BTreeSet::new();
    // A member that starts others faster than this looks is caught by the killing loop that follows.
    for _ in 0..8 {
        let found = family(servers, folder);
        let fresh: Vec<_> = found.iter().filter(|one| !frozen.contains(&one.pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for one in fresh {
            one.signal(Signal::STOP);
            frozen.insert(one.pid);
        }
    }
    frozen
}

/// One process, from the text of its `/proc/PID/stat`.
pub(super) fn parse(pid: i32, stat: &str) -> Option<Process> {
    // The program's name is the second field, in brackets, and may contain spaces and brackets.
    let fields: Vec<&str> = stat.get(stat.rfind(')')? + 1..)?.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: number(1)?,
        group: number(2)?,
        session: number(3)?,
        terminal: number(4)?,
        start_ticks: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_confuse_the_fields() {
        let stat = "42 (a) Z (b)) S 7 8 9 34816 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        let process = parse(42, stat).unwrap();
        assert_eq!((process.parent, process.group, process.session), (7, 8, 9));
        assert_eq!((process.terminal, process.start_ticks), (34816, 987_654));
        assert!(!process.is_gone());
    }

    #[test]
    fn neither_init_nor_an_ancestor_is_ever_taken_for_a_server() {
        let me = lookup(rustix::process::getpid().as_raw_nonzero().get()).unwrap();
        let marks: Vec<Mark> = [1, me.parent, me.pid]
            .into_iter()
            .filter_map(lookup)
            .map(|one| (one.pid, one.start_ticks))
            .collect();
        assert!(marks.len() >= 2, "{marks:?}");
        assert_eq!(family(&marks, Path::new("/nowhere")), []);
    }

    #[test]
    fn this_process_is_in_the_table() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert!(all().iter().any(|one| one.pid == me));
    }
}
