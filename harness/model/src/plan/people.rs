//! What people say of a plan that they carry out, and what is kept of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Plan;

/// What is written down later than this after it happened is told to be so: typing takes a moment.
pub const AT_ONCE_MS: u64 = 60_000;

/// What a person did in the drill of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAct {
    /// Who reports it: a name, or the account on the machine.
    pub who: String,
    /// When it happened, by what that person says. The event has the time at which it was written down.
    pub happened_at: Timestamp,
    /// The offset from UTC of that person's machine, such as `+01:00`; `None` if it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utc_offset: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub act: Act,
}

/// What there is to do in the drill of a plan. A step is its index in the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum Act {
    /// The disaster is declared; every time counts from here.
    Declared {
        /// The SHA-256 of the runbook as it was then.
        runbook_sha256: String,
    },
    /// A step begins. Without this, a step begins when all that it needs is done.
    StepBegan {
        /// Which step.
        step: usize,
        /// Whether something that it needs was not done then.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        out_of_order: bool,
    },
    /// A step is done, or failed.
    StepEnded {
        /// Which step.
        step: usize,
        /// When it began, if that was not recorded before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        began_at: Option<Timestamp>,
        /// Why it failed; `None` if it is done.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failed: Option<String>,
        /// What shows it. It is kept, and not checked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<GivenProof>,
        /// Whether something that it needs was not done when it began.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        out_of_order: bool,
    },
    /// Something to remember.
    Noted {
        /// What.
        text: String,
    },
    /// The drill ends early.
    Aborted {
        /// Why.
        why: String,
    },
}

/// What a person gave to show that a step is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenProof {
    /// A sentence, an address, the output of a command.
    Text(String),
    /// A file that is kept with the evidence.
    File {
        /// Its name in the evidence.
        name: String,
        /// Its size, in bytes.
        bytes: u64,
        /// Its SHA-256.
        sha256: String,
    },
}

/// What people said of a plan so far. Times count from the declaration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPeople {
    /// When the disaster was declared.
    pub declared_at: Timestamp,
    /// Who declared it.
    pub declared_by: String,
    /// The SHA-256 of the runbook as it was then.
    pub runbook_sha256: String,
    /// What was said of each step, in the order of the plan.
    pub steps: Vec<SaidOfStep>,
    /// Who ended the drill early, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted: Option<Aborted>,
    /// When the last line was written.
    pub written_at: Timestamp,
    /// The most that the wall clock went back from one line to the next, in milliseconds.
    pub clock_back_ms: u64,
}

/// What was said of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidOfStep {
    /// When it began, in milliseconds, if that was said before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ms: Option<u64>,
    /// Whether something that it needs was not done when it began.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_order: bool,
    /// Its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<SaidEnd>,
}

/// The end of a step, as a person told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidEnd {
    /// Who said so.
    pub who: String,
    /// What shows it. It is kept, and not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<GivenProof>,
    /// How much later it was written down, in milliseconds.
    pub written_after_ms: u64,
}

/// The early end of a drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aborted {
    /// Who ended it.
    pub who: String,
    /// Why.
    pub why: String,
}

impl ByPeople {
    /// Everybody whose word the ends of steps are, each once, in the order of the plan.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for end in self.steps.iter().filter_map(|step| step.ended.as_ref()) {
            if !names.contains(&end.who.as_str()) {
                names.push(end.who.as_str());
            }
        }
        names
    }
}

impl PersonAct {
    /// The act in one line: when, who, what.
    pub fn told(&self, plan: &Plan, written_at: Timestamp) -> String {
        let name = |step: &usize| plan.steps.get(*step).map_or("?", |step| step.name.as_str());
        let what = match &self.act {
            Act::Declared { .. } => "the disaster is declared".to_owned(),
            Act::StepBegan { step, out_of_order } => format!("{} began{}", name(step), order(*out_of_order)),
            Act::StepEnded { step, failed, proof, out_of_order, .. } => {
                let end =
                    failed.as_ref().map_or_else(|| "is done".to_owned(), |why| format!("failed: {why}"));
                format!("{} {end}{}{}", name(step), order(*out_of_order), shown_by(proof.as_ref()))
            }
            Act::Noted { text } => text.clone(),
            Act::Aborted { why } => format!("the drill is aborted: {why}"),
        };
        let later = if elapsed_ms(self.happened_at, written_at) > AT_ONCE_MS {
            format!(" (written down {})", moment(written_at))
        } else {
            String::new()
        };
        format!("{}, {}: {what}{later}", moment(self.happened_at), self.who)
    }
}

fn order(out_of_order: bool) -> &'static str {
    if out_of_order { ", out of order" } else { "" }
}

fn shown_by(proof: Option<&GivenProof>) -> String {
    match proof {
        None => String::new(),
        Some(GivenProof::Text(text)) => format!("; proof, not checked: {text}"),
        Some(GivenProof::File { name, bytes, .. }) => {
            format!("; proof, not checked: {name}, {bytes} bytes")
        }
    }
}

/// `2026-12-01 09:45:00 UTC`
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// The time from one instant to another, in whole milliseconds; 0 if the other is earlier.
pub fn elapsed_ms(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.duration_since(from).as_millis()).unwrap_or(0)
}
