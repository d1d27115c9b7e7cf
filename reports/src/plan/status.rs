//! Where a drill by people stands: what is done, what can be done next, how much time is left.

use comeback_model::evidence::{Ending, Record};
use comeback_model::plan::{AT_ONCE_MS, ByPeople, elapsed_ms};
use comeback_model::{CarriedOut, StepState, Verdict};
use jiff::Timestamp;

use crate::format::{duration, instant, limit, plural};
use crate::terminal::TerminalOptions;
use crate::terminal::page::{Page, Style};
use crate::text::one_line;
use crate::view::{Recovery, RecoveryStep, RecoveryTier, mark, on_their_word};

/// Widest name of a step or tier, in columns.
const NAME_ROOM: usize = 28;

/// What is known of the file that holds a record.
#[derive(Debug, Clone, Copy)]
pub struct RecordFile<'a> {
    /// How many lines it has.
    pub lines: usize,
    /// The SHA-256 of the last one. Kept elsewhere, it shows later whether lines were changed or removed.
    pub last_sha256: &'a str,
}

/// The state of a drill by people at an instant; empty for any other run.
pub fn drill_status(
    record: &Record,
    now: Timestamp,
    file: Option<RecordFile<'_>>,
    options: TerminalOptions<'_>,
) -> String {
    let mut page = Page::new(options.width, options.color);
    let drill = record.drills.first();
    let recovery = drill.and_then(|drill| drill.recovery.as_ref());
    let (Some(drill), Some(recovery)) = (drill, recovery) else { return page.finish() };
    let Some(people) = &recovery.by_people else { return page.finish() };
    let now_ms = match record.ending {
        Ending::Unfinished => elapsed_ms(people.declared_at, now).max(record.elapsed_ms),
        Ending::Complete | Ending::Interrupted => record.elapsed_ms,
    };
    let name = format!("{} {}", one_line(&drill.plan.scenario), one_line(&record.run.run_id));
    title(&mut page, &name, recovery, people);
    conclusion(&mut page, record, recovery, now_ms);
    page.blank();
    let view = Recovery::of(recovery);
    let column = column(&view);
    steps(&mut page, recovery, &view, now_ms, column);
    page.blank();
    tiers(&mut page, recovery, &view, (record.ending == Ending::Unfinished).then_some(now_ms), column);
    remarks(&mut page, people, file);
    if record.ending == Ending::Unfinished {
        next(&mut page, recovery);
    }
    page.finish()
}

fn column(view: &Recovery) -> usize {
    let names = view.steps.iter().map(|step| &step.name).chain(view.tiers.iter().map(|tier| &tier.name));
    names.map(|name| name.chars().count()).max().unwrap_or(0).min(NAME_ROOM)
}

fn title(page: &mut Page, name: &str, recovery: &CarriedOut, people: &ByPeople) {
    let plan = &recovery.plan;
    let source = format!("{}:{}", plan.source.file, plan.source.line);
    let heading = one_line(&plan.title);
    page.item(&[(Style::Strong, &heading), (Style::Plain, "  ")], Style::Faint, &one_line(&source));
    let by = one_line(&people.declared_by);
    page.item(&[], Style::Plain, &format!("{name}, declared {} by {by}", instant(people.declared_at)));
}

fn conclusion(page: &mut Page, record: &Record, recovery: &CarriedOut, now_ms: u64) {
    let total = &recovery.plan.total;
    if record.ending == Ending::Unfinished {
        let style = if total.is_met_by(now_ms) { Style::Strong } else { Style::Doubtful };
        let of = limit(total.lower_ms, total.upper_ms);
        let text = format!("{} of {of} gone{}", duration(now_ms), over(now_ms, total.upper_ms));
        return page.item(&[], style, &text);
    }
    let word = on_their_word(recovery).unwrap_or_default();
    page.item(&[], Style::of(record.verdict), &format!("ended: {}{word}", record.verdict));
}

/// `: 5 min over`, or nothing.
fn over(ms: u64, limit_ms: u64) -> String {
    if ms > limit_ms { format!(": {} over", duration(ms - limit_ms)) } else { String::new() }
}

fn steps(page: &mut Page, recovery: &CarriedOut, view: &Recovery, now_ms: u64, column: usize) {
    let states = recovery.states();
    let width = view.steps.len().to_string().len();
    for (at, (step, state)) in view.steps.iter().zip(&states).enumerate() {
        let (style, mark, text) = told(recovery, at, step, state, now_ms);
        let number = format!("{:>width$} ", at + 1);
        let name = format!("{:<column$}  ", step.name);
        let label = [(style, format!("  {mark} ")), (Style::Faint, number), (Style::Plain, name)];
        let label: Vec<_> = label.iter().map(|(style, text)| (*style, text.as_str())).collect();
        page.item(&label, Style::Plain, &text);
    }
}

/// A step as style, mark and sentence.
fn told(
    recovery: &CarriedOut,
    at: usize,
    step: &RecoveryStep,
    state: &StepState,
    now_ms: u64,
) -> (Style, &'static str, String) {
    let plan = &recovery.plan;
    let budget_ms = plan.steps[at].budget.upper_ms;
    let names = |steps: &[usize]| {
        let names = steps.iter().map(|step| one_line(&plan.steps[*step].name));
        names.collect::<Vec<_>>().join(", ")
    };
    match state {
        StepState::Ended => {
            let RecoveryStep { conclusion, took, budget, reason, .. } = step;
            let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            let text = format!("{took} of {budget}, {conclusion}{why}");
            (Style::of(step.verdict), mark(step.verdict), text)
        }
        StepState::Open { since_ms, is_told } => {
            let for_ms = now_ms.saturating_sub(*since_ms);
            let late = over(for_ms, budget_ms);
            let style = if late.is_empty() { Style::Strong } else { Style::Doubtful };
            let what = if *is_told { "goes on for" } else { "can be done for" };
            (style, "▶", format!("{what} {} of {}{late}", duration(for_ms), step.budget))
        }
        StepState::Waits { on } => (Style::Faint, "·", format!("{}, after {}", step.budget, names(on))),
        StepState::Blocked { by } => {
            (Style::Doubtful, "–", format!("needs {}, which failed or cannot begin", names(&[*by])))
        }
    }
}

/// `now_ms` is the time of a drill that goes on.
fn tiers(page: &mut Page, recovery: &CarriedOut, view: &Recovery, now_ms: Option<u64>, column: usize) {
    for (tier, shown) in recovery.plan.tiers.iter().zip(&view.tiers) {
        let RecoveryTier { name, verdict, limit: own, told, served_ms } = shown;
        let (verdict, text) = match (now_ms.filter(|_| served_ms.is_none()), &tier.limit) {
            (None, _) => (*verdict, told.clone()),
            (Some(_), _) if tier.restored_by.is_empty() => (Verdict::CouldNotVerify, told.clone()),
            (Some(now_ms), Some(limit)) if limit.is_met_by(now_ms) => {
                (Verdict::Skipped, format!("{} left", duration(limit.upper_ms - now_ms)))
            }
            (Some(now_ms), Some(limit)) => {
                let late_ms = now_ms - limit.upper_ms;
                (Verdict::ObjectiveMissed, format!("not served, {} over", duration(late_ms)))
            }
            (Some(_), None) => (Verdict::Skipped, "not served".to_owned()),
        };
        let (style, name) = (Style::of(verdict), format!("tier {name:<column$}  "));
        let mark = if verdict == Verdict::Skipped { "·" } else { mark(verdict) };
        page.item(
            &[(style, &format!("  {mark} ")), (Style::Plain, &name)],
            Style::Plain,
            &format!("{text}; {own}"),
        );
    }
}

fn remarks(page: &mut Page, people: &ByPeople, file: Option<RecordFile<'_>>) {
    let later = people.steps.iter().filter_map(|step| step.ended.as_ref());
    let later = later.filter(|end| end.written_after_ms > AT_ONCE_MS).count() as u64;
    let mut lines = Vec::new();
    if later > 0 {
        lines.push(format!("{} written down later than it happened", plural(later, "end")));
    }
    if people.clock_back_ms > 0 {
        lines.push(format!("the clock went back by {} between two lines", duration(people.clock_back_ms)));
    }
    if file.is_some() || !lines.is_empty() {
        page.blank();
    }
    for line in lines {
        page.item(&[], Style::Faint, &line);
    }
    if let Some(RecordFile { lines: count, last_sha256 }) = file {
        let line = format!("record: {}, the last with SHA-256 {last_sha256}", plural(count as u64, "line"));
        page.row(&[(Style::Faint, &line)]);
    }
}

fn next(page: &mut Page, recovery: &CarriedOut) {
    page.blank();
    page.heading("Next");
    // The command that aborted the drill may have died before it was judged.
    let is_aborted = recovery.by_people.as_ref().is_some_and(|people| people.aborted.is_some());
    if is_aborted || recovery.is_at_its_end() {
        page.row(&[(Style::Plain, "  comeback drill finish")]);
        if !is_aborted && recovery.states().iter().any(|state| matches!(state, StepState::Blocked { .. })) {
            let all_the_same = "  comeback drill done STEP --out-of-order    to go on all the same";
            page.row(&[(Style::Faint, all_the_same)]);
        }
        return;
    }
    for (at, state) in recovery.states().iter().enumerate() {
        let StepState::Open { is_told, .. } = state else { continue };
        let name = one_line(&recovery.plan.steps[at].name);
        if !is_told {
            let begin = format!("  comeback drill begin {}", at + 1);
            page.row(&[
                (Style::Plain, &format!("{begin:<40}")),
                (Style::Faint, &format!("if {name} begins only now")),
            ]);
        }
        let done = format!("  comeback drill done {} --proof TEXT", at + 1);
        page.row(&[(Style::Plain, &format!("{done:<40}")), (Style::Faint, &format!("when {name} is done"))]);
    }
}
