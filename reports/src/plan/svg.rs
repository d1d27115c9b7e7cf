//! A plan as a Gantt chart in SVG: one file, no script, no address outside of it, readable in light and dark.

use comeback_error::{Context as _, Result};
use comeback_model::{PlanOutline, StepTimes, Tier, Verdict};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

use super::axis::Axis;
use super::words::{PlanWords, StepWords, TierWords};
use crate::format::limit;

/// The template. The end of its name makes the engine escape every value as XML.
const TEMPLATE: (&str, &str) = ("plan.xml", include_str!("../../templates/plan.svg"));
const STYLE: &str = include_str!("../../templates/plan.css");

/// Lengths in pixels.
const WIDTH: usize = 960;
const MARGIN: usize = 24;
const LABELS: usize = 220;
const TOP: usize = 112;
const ROW: usize = 34;
const BAR: usize = 20;
const MARK_ROOM: usize = 84;

/// The width of a character of a label, at most.
const CHARACTER: usize = 8;

/// Longest name beside a row, in characters.
const LONGEST_NAME: usize = 26;

/// The data of the template.
#[derive(Serialize)]
struct Drawing {
    width: usize,
    height: usize,
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    title: String,
    subtitle: String,
    description: String,
    marks: Vec<Mark>,
    limit: Mark,
    rows: Vec<Row>,
    arrows: Vec<String>,
    tiers: Vec<TierRow>,
    legend_y: usize,
}

#[derive(Serialize)]
struct Mark {
    x: usize,
    label: String,
}

#[derive(Serialize)]
struct Row {
    y: usize,
    name: String,
    is_critical: bool,
    x: usize,
    width: usize,
    slack_width: usize,
    height: usize,
    /// The text beside the bar, and its side.
    label: String,
    label_x: usize,
    anchor: &'static str,
    told: String,
}

#[derive(Serialize)]
struct TierRow {
    y: usize,
    name: String,
    class: &'static str,
    limit_x: Option<usize>,
    served_x: Option<usize>,
    told: String,
}

/// The plan as an SVG image.
pub fn plan_svg(outline: &PlanOutline) -> Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.context("cannot set up the drawing of the plan")?);
    environment.add_template(TEMPLATE.0, TEMPLATE.1).context("cannot read the template of the plan")?;
    let drawing = Value::from(Serde(drawing(outline)));
    environment
        .get_template(TEMPLATE.0)
        .and_then(|template| template.render(context! { drawing, style => STYLE }))
        .context("cannot draw the plan")
}

fn drawing(outline: &PlanOutline) -> Drawing {
    let words = PlanWords::of(outline);
    let left = MARGIN + LABELS;
    let axis = Axis { whole_ms: words.whole_ms, length: WIDTH - left - MARGIN * 2 };
    let x = |ms: u64| left + axis.at(ms);
    let rows = rows(&words, outline, axis, left);
    let first_tier = TOP + ROW * rows.len() + ROW / 2;
    let tiers: Vec<_> = tiers(&words, outline, first_tier, &x);
    let bottom = first_tier + ROW * tiers.len();
    let total = &outline.plan.total;
    Drawing {
        width: WIDTH,
        height: bottom + 56,
        left,
        right: WIDTH - MARGIN,
        top: TOP,
        bottom,
        subtitle: words.total.text.clone(),
        description: format!(
            "Critical path: {}. {}",
            words.critical_path,
            words
                .steps
                .iter()
                .map(|step| format!("{} {}", step.name, step.times))
                .collect::<Vec<_>>()
                .join(", ")
        ),
        marks: axis.marks(MARK_ROOM).into_iter().map(|(at, label)| Mark { x: left + at, label }).collect(),
        limit: Mark {
            x: x(total.upper_ms),
            label: format!("limit {}", limit(total.lower_ms, total.upper_ms)),
        },
        arrows: arrows(outline, &x),
        rows,
        tiers,
        legend_y: bottom + 36,
        title: words.title,
    }
}

fn short(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(LONGEST_NAME - 1).collect();
    format!("{kept}…")
}

/// The middle of a row.
fn middle(row: usize) -> usize {
    TOP + ROW * row + ROW / 2
}

fn rows(words: &PlanWords, outline: &PlanOutline, axis: Axis, left: usize) -> Vec<Row> {
    let steps = words.steps.iter().zip(&outline.schedule.steps).enumerate();
    let row = |(at, (step, times)): (usize, (&StepWords, &StepTimes))| {
        let bar = axis.span(times.start_ms, times.end_ms);
        let slack_end = axis.at(times.end_ms.saturating_add(times.slack_ms));
        let end = bar.end.max(slack_end);
        let label = if step.measured_by.is_some() {
            format!("{}, measured {}", step.budget, step.measured)
        } else {
            step.budget.clone()
        };
        // At the right edge there may be no room behind the bar.
        let needed = label.chars().count() * CHARACTER;
        let is_left = end + needed > axis.length && bar.start > needed;
        Row {
            y: TOP + ROW * at + (ROW - BAR) / 2,
            name: short(&step.name),
            is_critical: step.is_critical,
            x: left + bar.start,
            width: bar.len(),
            slack_width: slack_end.saturating_sub(bar.end),
            height: BAR,
            label,
            label_x: if is_left { left + bar.start - 8 } else { left + end + 8 },
            anchor: if is_left { "end" } else { "start" },
            told: told(step),
        }
    };
    steps.map(row).collect()
}

fn told(step: &StepWords) -> String {
    let measured = step
        .measured_by
        .as_ref()
        .map_or_else(|| "no earlier drill measured it".to_owned(), |by| format!("measured {by}"));
    format!(
        "{}: {}, budget {}, slack {}, needs {}; {measured}",
        step.name, step.times, step.budget, step.slack, step.needs
    )
}

/// From the end of each needed step down to the start of the step that needs it.
fn arrows(outline: &PlanOutline, x: &dyn Fn(u64) -> usize) -> Vec<String> {
    let (plan, times) = (&outline.plan, &outline.schedule.steps);
    let steps = plan.steps.iter().enumerate();
    let arrow = |at: usize, need: usize| {
        let (from, to) = (x(times[need].end_ms), x(times[at].start_ms));
        format!("M{from} {}V{}H{to}", middle(need) + BAR / 2, middle(at))
    };
    steps
        .flat_map(|(at, step)| step.needs.iter().map(move |need| (at, *need)))
        .map(|(at, need)| arrow(at, need))
        .collect()
}

fn tiers(words: &PlanWords, outline: &PlanOutline, top: usize, x: &dyn Fn(u64) -> usize) -> Vec<TierRow> {
    let tiers = outline.plan.tiers.iter().zip(&outline.schedule.tiers_ms).zip(&words.tiers).enumerate();
    let row = |(at, ((tier, served_ms), told)): (usize, ((&Tier, &Option<u64>), &TierWords))| TierRow {
        y: top + ROW * at + ROW / 2,
        name: short(&told.name),
        class: if told.told.verdict == Verdict::Verified { "kept" } else { "late" },
        limit_x: tier.limit.as_ref().map(|limit| x(limit.upper_ms)),
        served_x: served_ms.map(x),
        told: format!("{}, limit {}: {}", told.name, told.limit, told.told.text),
    };
    tiers.map(row).collect()
}
