//! Lines on a terminal: optional colours, and text that wraps under its own start.

use comeback_model::Verdict;

use crate::text::{clean, wrap};

/// The least room for a text beside its label, in columns.
const TEXT_ROOM: usize = 24;
/// The column of a text that has no room beside its label.
const SHORT_INDENT: usize = 6;

/// The meaning of a piece of text, from which its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Strong,
    Faint,
    Good,
    Bad,
    Doubtful,
}

impl Style {
    /// The style of a verdict.
    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Verified => Self::Good,
            Verdict::Failed => Self::Bad,
            Verdict::ObjectiveMissed | Verdict::CouldNotVerify => Self::Doubtful,
            Verdict::Skipped => Self::Faint,
        }
    }

    /// The eight basic colours, without those that are invisible on a light background.
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Doubtful => "33",
        }
    }
}

/// The summary under construction.
pub(crate) struct Page {
    text: String,
    width: usize,
    color: bool,
}

impl Page {
    pub(crate) fn new(width: usize, color: bool) -> Self {
        // On a narrower terminal, wrapping here would leave columns of syllables: let the terminal wrap.
        Self { text: String::new(), width: width.max(40), color }
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// A line of its own, such as a heading.
    pub(crate) fn heading(&mut self, text: &str) {
        self.item(&[], Style::Strong, text);
    }

    /// A label and a text; continuation lines start below the text.
    pub(crate) fn item(&mut self, label: &[(Style, &str)], style: Style, text: &str) {
        let mut indent: usize = label.iter().map(|(_, part)| part.chars().count()).sum();
        for (style, part) in label {
            let painted = self.painted(*style, &clean(part));
            self.text.push_str(&painted);
        }
        if indent + TEXT_ROOM > self.width {
            // A long label would leave too little room: start the text on the next line.
            self.end_line();
            indent = SHORT_INDENT;
            self.text.push_str(&" ".repeat(indent));
        }
        let lines = wrap(&clean(text), self.width - indent);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                self.text.push_str(&" ".repeat(indent));
            }
            let painted = self.painted(style, line);
            self.text.push_str(&painted);
            self.end_line();
        }
    }

    /// A line that is never wrapped: a table row, a command to copy.
    pub(crate) fn row(&mut self, parts: &[(Style, &str)]) {
        for (style, part) in parts {
            let painted = self.painted(*style, &clean(part));
            self.text.push_str(&painted);
        }
        self.end_line();
    }

    fn end_line(&mut self) {
        let kept = self.text.trim_end_matches(' ').len();
        self.text.truncate(kept);
        self.text.push('\n');
    }

    fn painted(&self, style: Style, text: &str) -> String {
        if self.color && style != Style::Plain && !text.trim().is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", style.code())
        } else {
            text.to_owned()
        }
    }
}
