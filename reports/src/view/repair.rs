//! The repair list of a drill, to be worked through.

use comeback_model::{Finding, Repair as Repairs};
use serde::Serialize;

use crate::text::{clean, one_line};

/// Things that need the same repair.
#[derive(Serialize)]
pub(crate) struct Repair {
    /// What to do, line ends kept.
    pub(crate) action: String,
    /// With which things, in the order in which they were found.
    pub(crate) things: Vec<RepairedThing>,
}

/// One thing to be repaired.
#[derive(Serialize)]
pub(crate) struct RepairedThing {
    /// `photo 17 photos/a.jpg`. White space is kept.
    pub(crate) thing: String,
    /// What is wrong with it. White space is kept.
    pub(crate) found: String,
}

/// The repairs of one remedy as a format shows them.
#[derive(Serialize)]
pub(crate) struct ShownRepair<'a> {
    /// The drill's name.
    pub(crate) name: &'a str,
    pub(crate) action: &'a str,
    /// The first things.
    pub(crate) things: &'a [RepairedThing],
    /// The number of things left out.
    pub(crate) hidden: usize,
}

impl Repair {
    pub(super) fn of(repair: &Repairs<'_>) -> Self {
        let thing =
            |finding: &&Finding| RepairedThing { thing: named(finding), found: clean(&finding.actual) };
        Self { action: clean(repair.action), things: repair.findings.iter().map(thing).collect() }
    }

    pub(super) fn shown<'a>(&'a self, name: &'a str, most: usize) -> ShownRepair<'a> {
        let (things, hidden) = self.things.split_at(self.things.len().min(most));
        ShownRepair { name, action: &self.action, things, hidden: hidden.len() }
    }
}

fn named(finding: &Finding) -> String {
    match &finding.key {
        Some(key) => format!("{} {}", one_line(&finding.subject), clean(key)),
        None => one_line(&finding.subject),
    }
}
