//! What every report says in the same words: names, sentences about time and loss, and what comes first.

use comeback_model::evidence::{DrillRecord, Ending, Loss, Record, RunKind};
use comeback_model::{Check, Objective, Phase, Verdict};

use crate::format::{bytes, count, duration, limit, plural};
use crate::scope;
use crate::text::one_line;

/// The phases in their order, with the word that reports use for them.
pub(crate) fn phase_label(phase: Phase) -> &'static str {
    match phase {
        Phase::Prepare => "prepare",
        Phase::Backup => "backup",
        Phase::Disaster => "disaster",
        Phase::Recover => "recover",
        Phase::Judge => "judge",
        Phase::Teardown => "teardown",
    }
}

/// The verdict as a word that may stand in an identifier: `could-not-verify`.
pub(crate) fn verdict_slug(verdict: Verdict) -> String {
    verdict.label().replace(' ', "-")
}

/// The mark before a verdict: it is told apart without colours too.
pub(crate) fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Verified => "✓",
        Verdict::Failed => "✗",
        Verdict::ObjectiveMissed => "!",
        Verdict::CouldNotVerify => "?",
        Verdict::Skipped => "–",
    }
}

/// `postgres/full-restore (docker)`
pub(crate) fn drill_name(drill: &DrillRecord) -> String {
    one_line(&format!("{} ({})", drill.plan.scenario, drill.plan.substrate))
}

/// `a lost server comes back (PostgreSQL / Full restore)`; a restore has no section.
pub(crate) fn what(drill: &DrillRecord) -> String {
    let (title, section) = (&drill.plan.title, &drill.plan.section);
    one_line(&if section.is_empty() { title.clone() } else { format!("{title} ({section})") })
}

/// Whether a conclusion wants the reader's attention. A policy's exclusion was decided, and does not.
pub(crate) fn is_exception(verdict: Verdict) -> bool {
    !matches!(verdict, Verdict::Verified | Verdict::Skipped)
}

/// The drills that went wrong, the worst first, then in their planned order.
pub(crate) fn exceptions(record: &Record) -> Vec<&DrillRecord> {
    let mut drills: Vec<_> = record.drills.iter().filter(|drill| is_exception(drill.verdict)).collect();
    drills.sort_by_key(|drill| std::cmp::Reverse(badness(drill.verdict)));
    drills
}

/// The checks of a drill that went wrong, the worst first.
pub(crate) fn failed_checks(drill: &DrillRecord) -> Vec<&Check> {
    let mut checks: Vec<_> = drill.checks.iter().filter(|check| is_exception(check.verdict)).collect();
    checks.sort_by_key(|check| std::cmp::Reverse(badness(check.verdict)));
    checks
}

fn badness(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|known| *known == verdict).unwrap_or(Verdict::ALL.len())
}

/// `3 drills: 1 failed, 2 verified`, the worst first; `3 drills, all verified`.
pub(crate) fn tally(record: &Record) -> String {
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

/// The tally, and on how many checks it rests: `3 drills, all verified; 9 checks`.
pub(crate) fn proven(record: &Record) -> String {
    let checks: usize = record.drills.iter().map(|drill| drill.checks.len()).sum();
    let checks = if checks == 0 { "no check".to_owned() } else { plural(checks as u64, "check") };
    let left_out = scope::tally(record).map_or_else(String::new, |told| format!("; {told}"));
    format!("{}; {checks}{left_out}", tally(record))
}

/// What has to be said of a run that did not come to its end.
pub(crate) fn ending_sentence(ending: Ending) -> Option<&'static str> {
    match ending {
        Ending::Complete => None,
        Ending::Interrupted => Some("the run was interrupted by a signal before it came to its end"),
        Ending::Unfinished => Some("the journal has no end: the run is still going, or it was killed"),
    }
}

/// What the reader must know before believing any figure of the run, in sentences without a capital.
pub(crate) fn remarks(record: &Record) -> Vec<String> {
    let ending = ending_sentence(record.ending).map(str::to_owned);
    ending.into_iter().chain(circumstances(record)).collect()
}

/// The remarks of a run, but for how it ended.
pub(crate) fn circumstances(record: &Record) -> Vec<String> {
    let run = &record.run;
    let damage = run
        .damage
        .as_ref()
        .map(|damage| one_line(&format!("the damage {damage} was asked for: this run has to fail")));
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
    restore.into_iter().chain(damage).chain(sample).chain(fast).chain(unchained).collect()
}

/// `14.0 MB of sample data`, of a drill that ran on such.
pub(crate) fn data(drill: &DrillRecord) -> Option<String> {
    drill.sample_bytes.map(|size| format!("{} of sample data", bytes(size)))
}

/// The verdict of a drill and what it was reached on: `verified on 14.0 MB of sample data`.
pub(crate) fn verdict_on_data(drill: &DrillRecord) -> String {
    data(drill).map_or_else(|| drill.verdict.to_string(), |data| format!("{} on {data}", drill.verdict))
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

/// The conclusion of a run, and the sample data that it was reached on. One that did not come to its end is never
/// told as a plain success.
pub(crate) fn headline(record: &Record) -> String {
    let (verdict, data) = (record.verdict, on_data(record));
    match record.ending {
        Ending::Complete => format!("{verdict}{data}"),
        Ending::Interrupted => format!("interrupted, {verdict} so far{data}"),
        Ending::Unfinished => format!("unfinished, {verdict} so far{data}"),
    }
}

/// The verdict that the colour of the headline stands for.
pub(crate) fn headline_verdict(record: &Record) -> Verdict {
    if record.ending == Ending::Complete {
        record.verdict
    } else {
        Verdict::merge([record.verdict, Verdict::CouldNotVerify])
    }
}

/// `15–30 min`, or that there is none.
pub(crate) fn objective_text(objective: Option<&Objective>) -> String {
    objective.map_or_else(|| "none documented".to_owned(), |it| limit(it.lower_ms, it.upper_ms))
}

/// `runbook.md:42, Database › Full restore: “Recovery time: 15–30 minutes”`
pub(crate) fn citation(objective: &Objective) -> String {
    let source = &objective.source;
    one_line(&format!("{}:{}, {}: “{}”", source.file, source.line, source.section, source.text.trim()))
}

/// The measured time to recovery against the documented one, in one sentence.
pub(crate) fn recovery_sentence(drill: &DrillRecord) -> String {
    match (drill.ttr_ms(), &drill.objective) {
        (Some(ttr), Some(objective)) => {
            format!(
                "{}, objective {}: {}",
                duration(ttr),
                objective_text(Some(objective)),
                margin(drill, ttr, objective)
            )
        }
        (Some(ttr), None) => {
            let data = data(drill).map_or_else(String::new, |data| format!(" on {data}"));
            format!("{}{data}; no objective documented", duration(ttr))
        }
        (None, Some(objective)) => format!("not measured; objective {}", objective_text(Some(objective))),
        (None, None) => "not measured; no objective documented".to_owned(),
    }
}

/// By how much an objective was kept or missed: figures that are rounded alike may still differ. Being in time on
/// sample data promises nothing for production.
pub(crate) fn margin(drill: &DrillRecord, ttr_ms: u64, objective: &Objective) -> String {
    let data = data(drill);
    match (objective.is_met_by(ttr_ms), data) {
        (true, Some(data)) => format!("in time on {data}; production size not judged"),
        (true, None) => format!("kept, with {} to spare", duration(objective.upper_ms - ttr_ms)),
        (false, Some(data)) => format!("missed by {}, on {data}", duration(ttr_ms - objective.upper_ms)),
        (false, None) => format!("missed by {}", duration(ttr_ms - objective.upper_ms)),
    }
}

/// What was lost, in one sentence.
pub(crate) fn loss_sentence(loss: &Loss) -> String {
    let all = plural(loss.acknowledged_writes, "acknowledged write");
    if loss.lost_writes == 0 {
        return format!("none: all of {all} came back");
    }
    format!("{} of {all}, back to {} before the disaster", count(loss.lost_writes), duration(loss.rpo_ms))
}

/// Why policy leaves a drill out.
pub(crate) fn skip_reason(drill: &DrillRecord) -> Option<String> {
    let told = drill.plan.skipped.as_ref().or(drill.error.as_ref().map(|error| &error.message));
    (drill.verdict == Verdict::Skipped)
        .then(|| told.map_or_else(|| "left out without a reason".to_owned(), |reason| one_line(reason)))
}

/// A sentence with a capital at its beginning.
pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The recorded command line, as a shell takes it.
pub(crate) fn command_line(record: &Record) -> String {
    let words: Vec<_> = record.run.command_line.iter().map(|word| quoted(&one_line(word))).collect();
    words.join(" ")
}

/// The command that makes the same run again: the recorded one, with its seed.
pub(crate) fn reproduce_command(record: &Record) -> String {
    let run = &record.run;
    let command = if run.command_line.is_empty() { "comeback run".to_owned() } else { command_line(record) };
    if run.kind == RunKind::Restore
        || run.command_line.iter().any(|word| word == "--seed" || word.starts_with("--seed="))
    {
        return command;
    }
    format!("{command} --seed {}", run.seed)
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_=./:,@%+".contains(char);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
