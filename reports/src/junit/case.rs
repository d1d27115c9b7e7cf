//! One test case: its result, its first line, and its output.

use std::fmt::Write as _;

use comeback_model::Verdict;
use comeback_model::evidence::Ending;
use junit_report::{Duration, TestCase, TestResult};

use crate::format::plural;
use crate::text::{clean, one_line, shorten, value};
use crate::view::{Backup, Check, Drill, Failure, Finding, Report, slug};

/// Longest first line, in characters: a CI shows only one line of it.
const MESSAGE_LIMIT: usize = 300;
/// Longest value, in characters: longer ones belong in the JSON report, not in a CI's log.
const VALUE_LIMIT: usize = 1_000;

/// The case of a run that its drills cannot describe: killed, interrupted, or nothing planned.
pub(super) fn of_run(report: &Report) -> Option<TestCase> {
    let message = match report.ending_remark {
        Some(sentence) => sentence,
        None if report.drills.is_empty() => "no drill was planned: nothing was verified",
        None => return None,
    };
    let type_ = match report.ending {
        Ending::Complete => "nothing-drilled",
        Ending::Interrupted => "interrupted",
        Ending::Unfinished => "unfinished",
    };
    let hint = match report.ending {
        Ending::Complete => "name at least one scenario, or a suite that holds one",
        Ending::Interrupted | Ending::Unfinished => report.unfinished_hint,
    };
    let result = error(type_, message, &[hint.to_owned()]);
    let mut case = new("run", report.elapsed_ms, result);
    case.set_classname("comeback");
    case.set_system_out(&character_data(&format!("reproduce: {}", report.reproduce)));
    Some(case)
}

/// The case of the drill's own course. Its time is the time to recovery, if that was measured, so that a CI's trend of
/// the case shows the trend of the recovery.
pub(super) fn of_course(report: &Report, drill: &Drill) -> TestCase {
    let judged: u64 = drill.checks.iter().fold(0, |sum, check| sum.saturating_add(check.elapsed_ms));
    let elapsed_ms = drill.times.ttr_ms.unwrap_or_else(|| drill.times.elapsed_ms.saturating_sub(judged));
    let mut case = new("restore", elapsed_ms, course_result(drill));
    let mut output = report.circumstances.clone();
    if drill.started {
        output.push(course_output(drill));
    }
    if !output.is_empty() {
        case.set_system_out(&character_data(&output.join("\n")));
    }
    case
}

fn course_result(drill: &Drill) -> TestResult {
    if let Some(reason) = &drill.skipped {
        return TestResult::SkippedWithCause {
            type_: "policy".to_owned(),
            message: message(reason),
            cause: None,
        };
    }
    if let Some(failure) = &drill.error {
        return not_finished(drill, failure);
    }
    if let Some(open) = &drill.open {
        return error("not-shown", open, &[]);
    }
    // A verdict that no check explains must also turn a case red: silence is never success.
    let explained = drill.checks.iter().any(|check| check.verdict == drill.verdict);
    match drill.verdict {
        _ if explained => TestResult::Success,
        Verdict::Verified | Verdict::CouldNotVerify | Verdict::Skipped => {
            error("nothing-verified", "no judge looked at what came back: nothing was verified", &[])
        }
        Verdict::ObjectiveMissed => failure("objective-missed", &drill.recovery, ""),
        Verdict::Failed => failure("failed", "the drill failed, and no check says why", ""),
    }
}

/// The drill's own error: a failure if the restore itself failed and no judge did, an obstacle otherwise.
fn not_finished(drill: &Drill, reason: &Failure) -> TestResult {
    let judge_said_no = drill.checks.iter().any(|check| check.verdict == Verdict::Failed);
    if drill.verdict == Verdict::Failed && !judge_said_no {
        return failure("restore-failed", &reason.message, &with_hints(&reason.message, &reason.hints));
    }
    let type_ = if drill.started { "could-not-verify" } else { "did-not-run" };
    error(type_, &reason.message, &reason.hints)
}

/// The case of one judge.
pub(super) fn of_check(drill: &Drill, check: &Check) -> TestCase {
    let headline = check.findings.first().map_or_else(
        || check.summary.clone(),
        |first| {
            let all: usize = check.findings.iter().map(|finding| finding.count).sum();
            actual_against_expected(first, all - 1)
        },
    );
    let result = match check.verdict {
        Verdict::Verified => TestResult::Success,
        Verdict::Skipped => TestResult::SkippedWithCause {
            type_: "policy".to_owned(),
            message: message(&headline),
            cause: None,
        },
        Verdict::CouldNotVerify => error("could-not-verify", &headline, &check.hints),
        Verdict::Failed | Verdict::ObjectiveMissed => {
            failure(&check_type(check), &headline, &findings(check, &headline))
        }
    };
    let mut case = new(&check.judge, check.elapsed_ms, result);
    let mut output = format!("{}: {}", check.verdict, check.summary);
    if check.verdict == Verdict::ObjectiveMissed {
        let _ = write!(output, "\n{}", recovery_output(drill));
    }
    case.set_system_out(&character_data(&output));
    case
}

/// The type, by which a CI can filter: the code of the first finding; always the same word for an objective.
fn check_type(check: &Check) -> String {
    match (check.verdict, check.findings.first()) {
        (Verdict::Failed, Some(first)) => first.code.to_owned(),
        (verdict, _) => slug(verdict),
    }
}

fn actual_against_expected(finding: &Finding, more: usize) -> String {
    let key = finding.first_key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
    let rest = if more == 0 { String::new() } else { format!(" (and {more} more)") };
    // Shorten each part on its own, so that a long value does not push the other out of the line.
    let (actual, expected) = (value(&finding.actual, 80), value(&finding.expected, 80));
    format!("{} {}{key}: found {actual}, expected {expected}{rest}", finding.code, finding.subject)
}

fn findings(check: &Check, headline: &str) -> String {
    let mut text = one_line(headline);
    for (number, finding) in (1_u64..).zip(&check.findings) {
        let key = finding.key.as_ref().map_or_else(String::new, |key| format!(" {key}"));
        let _ = write!(text, "\n\n{number}. {} {}{key}", finding.code, finding.subject);
        let _ = write!(text, "\n   expected: {}", value(&finding.expected, VALUE_LIMIT));
        let _ = write!(text, "\n   found:    {}", value(&finding.actual, VALUE_LIMIT));
        if !finding.remedy.is_empty() {
            let _ = write!(text, "\n   remedy:   {}", finding.remedy);
        }
    }
    with_hints(&text, &check.hints)
}

/// The output starts with objective and measured time, because every CI shows the output of a case.
fn course_output(drill: &Drill) -> String {
    let mut lines = vec![recovery_output(drill)];
    lines.extend(drill.not_looked_at.iter().map(|line| format!("not looked at: {line}")));
    lines.extend(drill.data.iter().map(|data| format!("data: {data}")));
    lines.extend(drill.beside.iter().map(|(milestone, time)| format!("time to {milestone}: {time}")));
    lines.extend(drill.loss.iter().map(|loss| format!("loss: {}", loss.sentence)));
    lines.extend(drill.backups.iter().map(|backup| {
        let Backup { kind, id, content, size, elapsed, .. } = backup;
        format!("{kind} {id}: {content}, {size}, taken in {elapsed}")
    }));
    lines.push(plural(drill.steps.len() as u64, "step"));
    for step in &drill.steps {
        lines.push(format!("  {:<8}  {}  {}", step.phase, step.title, step.elapsed));
        lines.extend(step.notes.iter().map(|note| format!("            {note}")));
    }
    lines.join("\n")
}

fn recovery_output(drill: &Drill) -> String {
    let measured = format!("time to recovery: {}", drill.recovery);
    match &drill.objective {
        Some(objective) => format!("{measured}\nobjective from {}", objective.citation),
        None => measured,
    }
}

pub(crate) fn new(name: &str, elapsed_ms: u64, result: TestResult) -> TestCase {
    // Bounded, because the crate adds the times of a suite without an overflow check.
    let bounded = i64::try_from(elapsed_ms).unwrap_or(i64::MAX).min(i64::MAX / 1_000_000);
    let mut case = TestCase::success(name, Duration::milliseconds(bounded));
    case.result = result;
    case
}

pub(crate) fn failure(type_: &str, headline: &str, text: &str) -> TestResult {
    let cause = (!text.is_empty()).then(|| character_data(text));
    TestResult::Failure { type_: type_.to_owned(), message: message(headline), cause }
}

pub(crate) fn error(type_: &str, headline: &str, hints: &[String]) -> TestResult {
    let cause = Some(character_data(&with_hints(headline, hints)));
    TestResult::Error { type_: type_.to_owned(), message: message(headline), cause }
}

fn message(text: &str) -> String {
    shorten(&one_line(text), MESSAGE_LIMIT)
}

fn with_hints(text: &str, hints: &[String]) -> String {
    hints.iter().fold(text.to_owned(), |text, hint| text + "\nhint: " + hint)
}

/// `junit-report` writes text into CDATA unchanged, so `]]>` is split over two sections.
fn character_data(text: &str) -> String {
    clean(text).replace("]]>", "]]]]><![CDATA[>")
}
