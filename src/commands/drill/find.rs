//! Finds the record of a drill by people among the evidence of runs.

use std::path::{Path, PathBuf};

use comeback_engine::evidence::{Ending, Record, RunKind, kind_of_run, read_journal};
use comeback_error::{Error, Result};

use crate::output;

/// The record of a drill by people.
struct Found {
    folder: PathBuf,
    record: Record,
}

impl Found {
    fn is_open(&self) -> bool {
        let recovery = self.record.drills.first().and_then(|drill| drill.recovery.as_ref());
        let is_declared = recovery.is_some_and(|recovery| recovery.by_people.is_some());
        is_declared && self.record.ending == Ending::Unfinished
    }

    fn name(&self) -> &str {
        self.record.drills.first().map_or("", |drill| drill.plan.scenario.as_str())
    }

    fn is_called(&self, name: &str) -> bool {
        let folder = self.folder.file_name().map(|folder| folder.to_string_lossy().into_owned());
        self.name() == name || self.record.run.run_id == name || folder.as_deref() == Some(name)
    }

    fn told(&self) -> String {
        format!("{} (run {})", self.name(), self.record.run.run_id)
    }
}

/// The folder of the open drill that is meant.
pub(super) fn to_add_to(evidence: &Path, name: Option<&str>) -> Result<PathBuf> {
    let (found, unreadable) = all(evidence)?;
    let open: Vec<_> = found.iter().filter(|one| one.is_open()).collect();
    let meant = open.iter().copied().filter(|one| name.is_none_or(|name| one.is_called(name)));
    let meant: Vec<_> = meant.collect();
    match (&meant[..], name) {
        ([one], _) => {
            warn(&unreadable);
            Ok(one.folder.clone())
        }
        ([], Some(name)) => match found.iter().find(|one| one.is_called(name)) {
            Some(ended) => Err(Error::usage(format!("the drill {} has ended", ended.told()))
                .hint(format!("its reports are in {}", ended.folder.display()))),
            None => Err(first(unreadable).unwrap_or_else(|| unknown(name, evidence).hint(listed(&open)))),
        },
        ([], None) => Err(first(unreadable).unwrap_or_else(|| {
            Error::usage(format!("no drill is open in {}", evidence.display()))
                .hint("begin one with `comeback drill start`, or name its folder with --evidence-dir")
        })),
        _ => Err(ambiguous(&meant, evidence)),
    }
}

/// The drill to show: the open one, or else the last one that ended; of those that are called so, if a name is given.
pub(super) fn to_show(evidence: &Path, name: Option<&str>) -> Result<Option<(PathBuf, Record)>> {
    let (mut found, unreadable) = all(evidence)?;
    let any = found.len();
    found.retain(|one| name.is_none_or(|name| one.is_called(name)));
    let open: Vec<_> = found.iter().filter(|one| one.is_open()).collect();
    let meant = match (&open[..], name) {
        ([one], _) => one.folder.clone(),
        ([], _) if !unreadable.is_empty() => return first(unreadable).map_or(Ok(None), Err),
        ([], _) => match (found.last(), name) {
            (Some(last), _) => last.folder.clone(),
            (None, Some(name)) if any > 0 => return Err(unknown(name, evidence)),
            (None, _) => return Ok(None),
        },
        _ => return Err(ambiguous(&open, evidence)),
    };
    Ok(found.into_iter().find(|one| one.folder == meant).map(|one| (one.folder, one.record)))
}

fn ambiguous(open: &[&Found], evidence: &Path) -> Error {
    Error::usage(format!("{} drills are open in {}", open.len(), evidence.display()))
        .hint("name one with --drill, by its run id if its name is not enough")
        .hint(listed(open))
}

fn unknown(name: &str, evidence: &Path) -> Error {
    Error::usage(format!("no drill called {name} is in {}", evidence.display()))
}

/// Refuses a second open drill, unless it gets a name by which it can be told from the others.
pub(super) fn ensure_none_is_open(evidence: &Path, name: Option<&str>) -> Result<()> {
    let (found, unreadable) = all(evidence)?;
    warn(&unreadable);
    let open: Vec<_> = found.iter().filter(|one| one.is_open()).collect();
    let Some(first) = open.first() else { return Ok(()) };
    match name {
        None => Err(Error::usage(format!("the drill {} is open already", first.told()))
            .hint("end it with `comeback drill finish` or `comeback drill abort WHY`")
            .hint("to begin another one beside it, give it a name: --drill NAME")),
        Some(name) if open.iter().any(|one| one.is_called(name)) => {
            Err(Error::usage(format!("a drill called {name} is open already"))
                .hint("give this one another name with --drill"))
        }
        Some(_) => Ok(()),
    }
}

/// The records of drills by people, the oldest first, and why others of them cannot be read.
fn all(evidence: &Path) -> Result<(Vec<Found>, Vec<Error>)> {
    let (mut found, mut unreadable) = (Vec::new(), Vec::new());
    if !evidence.is_dir() {
        return Ok((found, unreadable));
    }
    let complain =
        |error: std::io::Error| Error::could_not_verify(format!("reading {}: {error}", evidence.display()));
    let entries = std::fs::read_dir(evidence).map_err(complain)?;
    let folders = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut folders = folders.map_err(complain)?;
    folders.sort();
    for folder in folders.into_iter().filter(|folder| kind_of_run(folder) == Some(RunKind::People)) {
        match read_journal(&folder).and_then(|events| Record::from_events(&events)) {
            Ok(record) => found.push(Found { folder, record }),
            Err(error) => unreadable.push(error),
        }
    }
    Ok((found, unreadable))
}

fn warn(unreadable: &[Error]) {
    for error in unreadable {
        output::problem("warning", &error.clone().context("a drill is left out"));
    }
}

fn first(unreadable: Vec<Error>) -> Option<Error> {
    unreadable.into_iter().next()
}

fn listed(open: &[&Found]) -> String {
    if open.is_empty() {
        return "no drill is open there: begin one with `comeback drill start`".to_owned();
    }
    let names: Vec<_> = open.iter().map(|one| one.told()).collect();
    format!("open are {}", names.join(", "))
}
