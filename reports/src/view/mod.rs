//! A run in the words of every report for people and CIs: foreign text cleaned, figures formatted, one wording for each
//! thing. It is built from the record once; each format lays it out and shortens values to its room.
//!
//! Every text is one line unless its field says that line ends are kept.

mod check;
mod clients;
mod drill;
mod established;
mod recovery;
mod repair;
mod run;
mod scope;
mod self_test;
mod words;

use std::borrow::Cow;
use std::cmp::Reverse;

use comeback_model::Verdict;
use comeback_model::evidence::{Ending, Record};
use jiff::Timestamp;
use serde::Serialize;

pub(crate) use check::{Check, Finding};
pub(crate) use clients::{ClientService, Clients};
pub(crate) use drill::{Backup, Drill, Failure, Objective, Step};
pub(crate) use established::Established;
pub use established::artefact_line;
pub(crate) use recovery::{Recovery, RecoveryStep, RecoveryTier, on_their_word};
pub(crate) use repair::{RepairedThing, ShownRepair};
pub(crate) use run::{headline_verdict, reproduce_command};
pub(crate) use self_test::{SelfTestView, TestedCase};
pub(crate) use words::{capitalised, mark, slug};

use crate::format::{duration, instant};
use crate::text::one_line;

/// A run, ready to be laid out.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The verdict of the headline. A run that did not end is never a plain success.
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// The conclusion, and the sample data that it was reached on.
    pub(crate) headline: String,
    /// The drills by their verdicts, and the number of checks: `3 drills, all verified; 9 checks`.
    pub(crate) proven: String,
    pub(crate) ending: Ending,
    /// The message about a run that did not reach its end.
    pub(crate) ending_remark: Option<&'static str>,
    /// What to do about that.
    pub(crate) unfinished_hint: &'static str,
    /// Warnings that the reader must know before believing any figure, in sentences without a capital.
    pub(crate) circumstances: Vec<String>,
    pub(crate) run_id: String,
    /// The word for its parts: `drill`, `restore`.
    pub(crate) kind: &'static str,
    pub(crate) suite: Option<String>,
    pub(crate) started: String,
    pub(crate) started_at: Timestamp,
    pub(crate) elapsed: String,
    pub(crate) elapsed_ms: u64,
    /// The drills in their planned order.
    pub(crate) drills: Vec<Drill>,
    /// The origin of the run, as label and text.
    pub(crate) provenance: Vec<(&'static str, String)>,
    /// The command that repeats the run.
    pub(crate) reproduce: String,
}

/// A drill or a check that needs attention.
#[derive(Serialize)]
pub(crate) struct Wrong<'a> {
    /// The drill's number.
    pub(crate) number: usize,
    /// The drill's name.
    pub(crate) name: &'a str,
    /// The judge; `None` if the drill itself went wrong.
    pub(crate) judge: Option<&'a str>,
    #[serde(serialize_with = "words::serialize")]
    pub(crate) verdict: Verdict,
    /// What went wrong, line ends kept.
    pub(crate) summary: Cow<'a, str>,
    /// The first findings.
    pub(crate) findings: &'a [Finding],
    /// The number of findings left out.
    pub(crate) hidden: usize,
    /// What to do about it, line ends kept.
    pub(crate) hints: &'a [String],
}

impl Report {
    pub(crate) fn of(record: &Record) -> Self {
        let run = &record.run;
        Self {
            verdict: headline_verdict(record),
            headline: run::headline(record),
            proven: run::proven(record),
            ending: record.ending,
            ending_remark: run::ending_remark(record.ending),
            unfinished_hint: run.kind.unfinished_hint(),
            circumstances: run::circumstances(record),
            run_id: one_line(&run.run_id),
            kind: run.kind.noun(),
            suite: run.suite.as_ref().map(|suite| one_line(suite)),
            started: instant(record.started_at),
            started_at: record.started_at,
            elapsed: duration(record.elapsed_ms),
            elapsed_ms: record.elapsed_ms,
            drills: (1..).zip(&record.drills).map(|(number, drill)| Drill::of(number, drill)).collect(),
            provenance: run::provenance(record),
            reproduce: reproduce_command(record),
        }
    }

    /// How the run ended, if unusual, and its warnings.
    pub(crate) fn remarks(&self) -> impl Iterator<Item = &str> {
        self.ending_remark.into_iter().chain(self.circumstances.iter().map(String::as_str))
    }

    /// What to repair, the drills in their order, each repair with at most `shown` things.
    pub(crate) fn repairs(&self, shown: usize) -> Vec<ShownRepair<'_>> {
        let drills = self.drills.iter();
        drills.flat_map(|drill| drill.repairs.iter().map(|one| one.shown(&drill.name, shown))).collect()
    }

    /// What is wrong: the worst drill first, in it the worst check first, each with at most `shown` findings.
    pub(crate) fn wrong(&self, shown: usize) -> Vec<Wrong<'_>> {
        let mut drills: Vec<_> =
            self.drills.iter().filter(|drill| words::is_exception(drill.verdict)).collect();
        drills.sort_by_key(|drill| Reverse(words::badness(drill.verdict)));
        drills.into_iter().flat_map(|drill| wrong_in(drill, shown)).collect()
    }
}

fn wrong_in(drill: &Drill, shown: usize) -> Vec<Wrong<'_>> {
    let mut checks: Vec<_> = drill.checks.iter().filter(|check| words::is_exception(check.verdict)).collect();
    checks.sort_by_key(|check| Reverse(words::badness(check.verdict)));
    let of_drill = |summary, hints| Wrong {
        number: drill.number,
        name: &drill.name,
        judge: None,
        verdict: drill.verdict,
        summary,
        findings: &[],
        hidden: 0,
        hints,
    };
    let own = match &drill.error {
        Some(error) => Some(of_drill(Cow::from(error.message.as_str()), error.hints.as_slice())),
        None if drill.open.is_some() => drill.open.as_deref().map(|open| of_drill(Cow::from(open), &[])),
        None if checks.is_empty() => {
            Some(of_drill(Cow::from(format!("{}, and no check says why", drill.verdict)), &[]))
        }
        None => None,
    };
    let of_check = |check| wrong_check(drill, check, shown);
    own.into_iter().chain(checks.into_iter().map(of_check)).collect()
}

fn wrong_check<'a>(drill: &'a Drill, check: &'a Check, shown: usize) -> Wrong<'a> {
    let (findings, hidden) = check.findings.split_at(check.findings.len().min(shown));
    Wrong {
        number: drill.number,
        name: &drill.name,
        judge: Some(&check.judge),
        verdict: check.verdict,
        summary: Cow::from(check.summary.as_str()),
        findings,
        hidden: hidden.iter().map(|finding| finding.count).sum(),
        hints: &check.hints,
    }
}
