//! The geometry of a drill's timeline, in percent of its width, so that text has the same size on every screen.

use serde::Serialize;

use crate::format::{duration, limit};
use crate::view::{Drill, Objective};

/// Heights in pixels. The steps' bar stands below the scale, one lane per span below the bar.
const BAR_TOP: u32 = 26;
const BAR_HEIGHT: u32 = 26;
const LANES_TOP: u32 = BAR_TOP + BAR_HEIGHT + 10;
const LANE_HEIGHT: u32 = 30;
/// Draw no objective further off than this many times the drill's length: it would squeeze the drill to nothing.
const OBJECTIVE_FITS: u64 = 4;
const MOST_TICKS: u64 = 6;

/// The data that the template draws.
#[derive(Serialize)]
pub(super) struct Timeline {
    /// The drill in one sentence, for screen readers.
    description: String,
    height: u32,
    bar_top: u32,
    bar_height: u32,
    ticks: Vec<Tick>,
    bars: Vec<Bar>,
    lanes: Vec<Lane>,
    /// Notes below the drawing.
    remark: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Tick {
    x: String,
    label: String,
}

#[derive(Serialize)]
struct Bar {
    x: String,
    width: String,
    phase: &'static str,
    title: String,
}

/// A span from the disaster to a milestone, or the documented range.
#[derive(Serialize)]
struct Lane {
    class: &'static str,
    x: String,
    width: String,
    end: String,
    /// The side of the label: at the start of the span, or at its end if the span begins in the right half.
    label_x: String,
    anchor: &'static str,
    top: u32,
    label: String,
}

/// The timeline of a drill that has steps.
pub(super) fn of(drill: &Drill) -> Option<Timeline> {
    let first_ms = drill.steps.first()?.started_ms;
    let last_ms = drill.steps.iter().map(|step| step.started_ms.saturating_add(step.elapsed_ms)).max()?;
    let times = &drill.times;
    let elapsed_ms = last_ms.max(times.last_milestone_ms.unwrap_or(0)).saturating_sub(first_ms);
    let declared_ms = times.declared_ms.map(|ms| ms.saturating_sub(first_ms));
    let objective_end =
        declared_ms.zip(drill.objective.as_ref()).map(|(ms, it)| ms.saturating_add(it.upper_ms));
    let fits = objective_end.is_some_and(|end| end <= elapsed_ms.saturating_mul(OBJECTIVE_FITS));
    let scale = Scale::new(elapsed_ms.max(objective_end.filter(|_| fits).unwrap_or(0)));
    let bars = drill.steps.iter().map(|step| Bar {
        x: scale.x(step.started_ms.saturating_sub(first_ms)),
        width: scale.width(step.elapsed_ms),
        phase: step.phase,
        title: format!("{}: {}, {}", step.phase, step.title, step.elapsed),
    });
    let lanes = lanes(drill, declared_ms, fits, &scale);
    Some(Timeline {
        description: description(drill),
        height: LANES_TOP + LANE_HEIGHT * u32::try_from(lanes.len()).unwrap_or(0),
        bar_top: BAR_TOP,
        bar_height: BAR_HEIGHT,
        ticks: scale.ticks(),
        bars: bars.collect(),
        lanes,
        remark: remark(drill, fits),
    })
}

fn lanes(drill: &Drill, declared_ms: Option<u64>, fits: bool, scale: &Scale) -> Vec<Lane> {
    let Some(declared_ms) = declared_ms else { return Vec::new() };
    let spans = [
        ("ready", drill.times.ready_ms),
        ("recovered", drill.times.ttr_ms),
        ("verified", drill.times.verified_ms),
    ];
    let mut lanes = Vec::new();
    for (class, took_ms) in spans {
        let Some(took_ms) = took_ms else { continue };
        let label = format!("{class} after {}", duration(took_ms));
        lanes.push(scale.lane(class, declared_ms, declared_ms.saturating_add(took_ms), lanes.len(), label));
        if let (true, "recovered", Some(objective)) = (fits, class, &drill.objective) {
            lanes.push(objective_lane(objective, declared_ms, lanes.len(), scale));
        }
    }
    lanes
}

fn objective_lane(objective: &Objective, declared_ms: u64, lane: usize, scale: &Scale) -> Lane {
    let start = declared_ms.saturating_add(objective.lower_ms.unwrap_or(0));
    let end = declared_ms.saturating_add(objective.upper_ms);
    let label = format!("documented: {}", objective.limit);
    scale.lane("objective", start, end, lane, label)
}

fn remark(drill: &Drill, fits: bool) -> Option<String> {
    let objective = drill.objective.as_ref()?;
    let is_beyond = drill.ttr.is_some() && !fits;
    is_beyond.then(|| format!("The documented {} lie beyond this scale.", objective.limit))
}

fn description(drill: &Drill) -> String {
    let steps: Vec<_> = drill.steps.iter().map(|step| format!("{} ({})", step.title, step.elapsed)).collect();
    format!("Steps in order: {}. Time to recovery: {}.", steps.join(", "), drill.recovery)
}

/// Milliseconds to percent.
pub(super) struct Scale {
    whole_ms: u64,
}

impl Scale {
    pub(super) fn new(whole_ms: u64) -> Self {
        // Leave 1 % at the right for the end of the last mark.
        Self { whole_ms: whole_ms.saturating_add(whole_ms / 100).max(1) }
    }

    pub(super) fn percent(&self, ms: u64) -> f64 {
        (ms as f64 / self.whole_ms as f64 * 100.0).min(100.0)
    }

    pub(super) fn x(&self, ms: u64) -> String {
        format!("{:.2}%", self.percent(ms))
    }

    /// At least visible: a step of one millisecond must not disappear.
    pub(super) fn width(&self, ms: u64) -> String {
        format!("{:.2}%", self.percent(ms).max(0.2))
    }

    fn lane(&self, class: &'static str, start_ms: u64, end_ms: u64, lane: usize, label: String) -> Lane {
        let right = self.percent(end_ms) > 55.0;
        let lane = u32::try_from(lane).unwrap_or(0);
        Lane {
            class,
            x: self.x(start_ms),
            width: self.width(end_ms.saturating_sub(start_ms)),
            end: self.x(end_ms),
            label_x: self.x(if right { end_ms } else { start_ms }),
            anchor: if right { "end" } else { "start" },
            top: LANES_TOP + LANE_HEIGHT * lane,
            label,
        }
    }

    /// A few round instants, from 0 on.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        let steps =
            [1, 2, 5].map(|leading| std::iter::successors(Some(leading), |step: &u64| step.checked_mul(10)));
        let minutes =
            [15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000, 7_200_000];
        let step = if self.whole_ms < 60_000 || self.whole_ms > 36_000_000 {
            steps.into_iter().flatten().filter(|step| self.whole_ms / step <= MOST_TICKS).min()
        } else {
            minutes.into_iter().find(|step| self.whole_ms / step <= MOST_TICKS)
        };
        let step = step.unwrap_or(self.whole_ms).max(1);
        (0..=self.whole_ms / step)
            .map(|index| index * step)
            .filter(|ms| self.percent(*ms) <= 94.0)
            .map(|ms| Tick { x: self.x(ms), label: if ms == 0 { "0".to_owned() } else { limit(None, ms) } })
            .collect()
    }
}
