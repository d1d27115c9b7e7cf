//! The runbook: its sections, documented objectives and commands, read from the Markdown itself.
//!
//! A drill is bound to a section of the document that people follow in a disaster, and is judged by the number in
//! it. If no number is found, or only an ambiguous one, nothing is assumed: that is an error with the place and
//! what to write.

mod document;
mod duration;
mod lines;
mod objective;
mod plan;
mod section;
mod statement;
mod ttl;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

pub use document::{CommandBlock, Row, Table};
pub use plan::{DocumentedPlan, DocumentedStep, DocumentedTier, Length};
pub use section::Section;

use comeback_error::{Error, Result};
use comeback_model::{Citation, DocumentedTtl, Objective};
use document::Document;
use lines::Lines;

/// Which of the two documented objectives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectiveKind {
    /// How long a recovery may take: RTO, "Time to Recovery".
    TimeToRecovery,
    /// How much may be lost, as a length of time: RPO.
    RecoveryPoint,
}

impl fmt::Display for ObjectiveKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TimeToRecovery => "time to recovery",
            Self::RecoveryPoint => "recovery point objective",
        })
    }
}

/// A parsed runbook.
#[derive(Debug)]
pub struct Runbook {
    file: String,
    text: String,
    lines: Lines,
    document: Document,
    sections: Vec<Section>,
}

impl Runbook {
    /// Parses a runbook. `file` is the name in citations. Any text can be parsed; a text without headings has no
    /// sections.
    pub fn parse(file: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let lines = Lines::of(&text);
        let document = Document::read(&text, &lines);
        let sections = section::tree(&document.headings, text.len(), &lines);
        Self { file: file.into(), text, lines, document, sections }
    }

    /// The name in citations.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text, unchanged.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The top-level sections; the others are below them.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The section with a name: its heading, or a path of headings such as `PostgreSQL / Full restore`. Case,
    /// punctuation, emoji and numbering do not matter. A name that fits no section, or several, is an error that
    /// names the closest ones.
    pub fn section(&self, name: &str) -> Result<&Section> {
        section::find(&self.sections, &self.file, name)
    }

    /// The documented objective of a section, with its place. Never a default: an objective that is missing, not
    /// understood or contradictory is an error.
    pub fn objective(&self, section: &Section, kind: ObjectiveKind) -> Result<Objective> {
        self.documented(section, kind)?.ok_or_else(|| objective::not_found(self, section, kind))
    }

    /// Like [`Runbook::objective`], for an objective that a runbook may leave out: `None` if none is documented. An
    /// objective that is not understood or contradictory is still an error.
    pub fn documented(&self, section: &Section, kind: ObjectiveKind) -> Result<Option<Objective>> {
        objective::find(self, section, kind)
    }

    /// The TTL that a section's text states for its DNS records; `None` if it states none. One that is not understood or
    /// contradictory is an error.
    pub fn ttl(&self, section: &Section) -> Result<Option<DocumentedTtl>> {
        ttl::find(self, section)
    }

    /// The fenced commands of a section, sub-sections included, in the order of the file.
    pub fn commands(&self, section: &Section) -> Vec<&CommandBlock> {
        let range = section.range();
        self.document.commands.iter().filter(|block| range.contains(&block.offset)).collect()
    }

    /// The tables of a section, sub-sections included, in the order of the file.
    pub fn tables(&self, section: &Section) -> Vec<&Table> {
        let range = section.range();
        self.document.tables.iter().filter(|table| range.contains(&table.offset)).collect()
    }

    /// The plan of the full disaster recovery: its steps with their budgets, its total, and the priority tiers.
    /// `section` names its section, if the words of the headings do not find it. Nothing is assumed: the errors are
    /// everything that is missing, not understood or contradictory.
    pub fn plan(&self, section: Option<&str>) -> Result<DocumentedPlan, Vec<Error>> {
        plan::read(self, section)
    }

    /// The place of a text that begins at `offset` and reaches from one line to another.
    fn cite(&self, offset: usize, first_line: usize, last_line: usize) -> Citation {
        let mut sections = self.sections.iter().flat_map(Section::walk);
        let above = sections.rfind(|section| section.range().contains(&offset));
        Citation {
            file: self.file.clone(),
            line: first_line,
            section: above.map_or(String::new(), |section| section.path().join(" › ")),
            text: self.lines.text_of(&self.text, first_line, last_line),
        }
    }
}
