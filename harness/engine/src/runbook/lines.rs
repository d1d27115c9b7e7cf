//! Finds the line of an offset, and the text of lines.

/// The offsets at which the lines of a text begin.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    /// Lines `first` to `last` of `text`, each trimmed, joined by spaces. `text` is the text that this was made
    /// from.
    pub(super) fn text_of(&self, text: &str, first: usize, last: usize) -> String {
        let start = |line: usize| self.starts.get(line.saturating_sub(1)).copied().unwrap_or(text.len());
        let wanted = text.get(start(first)..start(last + 1)).unwrap_or_default();
        wanted.lines().map(str::trim).collect::<Vec<_>>().join(" ")
    }
}
