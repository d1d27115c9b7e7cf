//! The run as a whole: its conclusion, its warnings, its origin.

use comeback_model::Verdict;
use comeback_model::evidence::{Ending, Record, RunKind};

use super::recovery::on_their_word;
use super::{established, scope};
use crate::format::{bytes, plural};
use crate::text::one_line;

/// The conclusion of a run and the sample data behind it. A run that did not end is never a plain success.
pub(super) fn headline(record: &Record) -> String {
    let (verdict, data) = (record.verdict, on_data(record) + &shown(record) + &word(record));
    match record.ending {
        Ending::Complete => format!("{verdict}{data}"),
        Ending::Interrupted => format!("interrupted, {verdict} so far{data}"),
        Ending::Unfinished => format!("unfinished, {verdict} so far{data}"),
    }
}

/// What the verification of a single backup showed: `; shown: restored, sound; not looked at: …`.
fn shown(record: &Record) -> String {
    let single = record.drills.first().filter(|_| record.drills.len() == 1);
    single.and_then(established::sentence).map_or_else(String::new, |shown| format!("; {shown}"))
}

/// Whose word a drill by people is.
fn word(record: &Record) -> String {
    let recovery = record.drills.first().and_then(|drill| drill.recovery.as_ref());
    recovery.and_then(on_their_word).unwrap_or_default()
}

/// The verdict that decides the colour of the headline.
pub(crate) fn headline_verdict(record: &Record) -> Verdict {
    if record.ending == Ending::Complete {
        record.verdict
    } else {
        Verdict::merge([record.verdict, Verdict::CouldNotVerify])
    }
}

/// The sizes of the sample data of all drills: ` on 14.0 MB of sample data`, ` on 66.0 kB to 14.0 MB of …`.
fn on_data(record: &Record) -> String {
    let sizes = || record.drills.iter().filter_map(|drill| drill.sample_bytes);
    match (sizes().min(), sizes().max()) {
        (Some(least), Some(most)) if bytes(least) != bytes(most) => {
            format!(" on {} to {} of sample data", bytes(least), bytes(most))
        }
        (Some(size), _) => format!(" on {} of sample data", bytes(size)),
        (None, _) => String::new(),
    }
}

/// The tally, and the number of checks behind it: `3 drills, all verified; 9 checks`.
pub(super) fn proven(record: &Record) -> String {
    let checks: usize = record.drills.iter().map(|drill| drill.checks.len()).sum();
    let checks = if checks == 0 { "no check".to_owned() } else { plural(checks as u64, "check") };
    let left_out = scope::tally(record).map_or_else(String::new, |told| format!("; {told}"));
    format!("{}; {checks}{left_out}", tally(record))
}

/// `3 drills: 1 failed, 2 verified`, the worst first; `3 drills, all verified`.
fn tally(record: &Record) -> String {
    let planned = record.drills.len();
    if planned == 0 {
        return "no drill was planned".to_owned();
    }
    let drills = plural(planned as u64, record.run.kind.noun());
    let parts: Vec<_> = Verdict::ALL
        .into_iter()
        .rev()
        .map(|verdict| (verdict, record.drills.iter().filter(|drill| drill.verdict == verdict).count()))
        .filter(|(_, number)| *number > 0)
        .collect();
    match parts.as_slice() {
        [_] if planned == 1 => drills,
        [(Verdict::Verified, _)] => format!("{drills}, all verified"),
        parts => {
            let parts: Vec<_> = parts.iter().map(|(verdict, number)| format!("{number} {verdict}")).collect();
            format!("{drills}: {}", parts.join(", "))
        }
    }
}

/// The message about a run that did not reach its end.
pub(super) fn ending_remark(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Complete => None,
        Ending::Interrupted => Some("the run was interrupted by a signal before it came to its end"),
        Ending::Unfinished => Some("the journal has no end: the run is still going, or it was killed"),
    }
}

/// Warnings that the reader must know before believing any figure of the run, apart from how it ended.
pub(super) fn circumstances(record: &Record) -> Vec<String> {
    let run = &record.run;
    let damage = run
        .damage
        .as_ref()
        .map(|damage| format!("the damage {} was asked for: this run has to fail", one_line(damage)));
    let sample = run.sample_runbook.then(|| {
        "the objectives are those of the built-in sample runbook, and not of a document of yours".to_owned()
    });
    let fast = (!run.durable)
        .then(|| "servers ran with fast settings (fsync off): times are not those of production".to_owned());
    let unchained = (!record.is_chained()).then(|| {
        "the journal is unchained, from a version before hashes: an edit of it would not be noticed"
            .to_owned()
    });
    let restore = (run.kind == RunKind::Restore)
        .then(|| "this was a restore, and no drill: no objective was judged".to_owned());
    let people = (run.kind == RunKind::People).then(|| {
        "people carried out the plan and wrote it down: Comeback judged their times, and looked at no server"
            .to_owned()
    });
    restore.into_iter().chain(people).chain(damage).chain(sample).chain(fast).chain(unchained).collect()
}

/// The origin of the run, as label and text.
pub(super) fn provenance(record: &Record) -> Vec<(&'static str, String)> {
    let (run, made) = (&record.run, &record.run.provenance);
    let mut rows = vec![("Command line", command_line(record))];
    if run.kind == RunKind::Drill {
        let settings = if run.durable { "production-like (fsync on)" } else { "fast (fsync off)" };
        rows.push(("Seed", run.seed.to_string()));
        rows.push(("Data set", format!("{}, sample data", one_line(&run.scale))));
        rows.push(("Server settings", settings.to_owned()));
    }
    rows.push(("Comeback", one_line(&made.comeback_version)));
    if let Some(runbook) = &run.runbook {
        rows.push(("Runbook", one_line(runbook)));
    }
    if let Some(commit) = &made.git_commit {
        let state = match made.git_dirty {
            Some(true) => ", with uncommitted changes",
            Some(false) => ", clean",
            None => "",
        };
        rows.push(("Commit", format!("{}{state}", one_line(commit))));
    }
    let (system, architecture) = (one_line(&made.operating_system), one_line(&made.architecture));
    let memory = bytes(made.memory_bytes);
    rows.push(("Machine", format!("{system}, {architecture}, {} CPUs, {memory} of memory", made.cpus)));
    rows
}

/// The recorded command line, quoted for a shell.
fn command_line(record: &Record) -> String {
    shell_line(&record.run.command_line)
}

fn shell_line(words: &[String]) -> String {
    words.iter().map(|word| quoted(&one_line(word))).collect::<Vec<_>>().join(" ")
}

/// The command that repeats the run: the recorded one, with its seed, and with the backup that was chosen.
pub(crate) fn reproduce_command(record: &Record) -> String {
    let run = &record.run;
    let command = match chosen(record) {
        _ if run.command_line.is_empty() => "comeback run".to_owned(),
        Some(id) => shell_line(&with_choice(&run.command_line, id)),
        None => command_line(record),
    };
    let names_seed = |word: &String| word == "--seed" || word.starts_with("--seed=");
    if matches!(run.kind, RunKind::Restore | RunKind::People) || run.command_line.iter().any(names_seed) {
        return command;
    }
    format!("{command} --seed {}", run.seed)
}

/// The backup that `comeback verify` chose of several. The next run may choose another one.
fn chosen(record: &Record) -> Option<&str> {
    let is_one = record.run.kind == RunKind::Verification && record.drills.len() == 1;
    record.drills.first().filter(|_| is_one)?.artefact.as_ref()?.id.as_deref()
}

/// A command line of `comeback verify` that names the backup.
fn with_choice(command_line: &[String], id: &str) -> Vec<String> {
    let mut words = Vec::with_capacity(command_line.len() + 2);
    let mut rest = command_line.iter();
    while let Some(word) = rest.next() {
        if word == "--select" {
            rest.next();
        } else if !word.starts_with("--select=") {
            words.push(word.clone());
        }
    }
    words.extend(["--select".to_owned(), id.to_owned()]);
    words
}

/// A word, quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_=./:,@%+".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
