//! Parses Markdown into the parts of a runbook: headings, blocks of text, tables and fenced commands.
//!
//! Every part keeps its place in the source. Code, comments and struck-through text are not text: a number in them
//! is never an objective.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::lines::Lines;

/// A heading in the file.
#[derive(Debug)]
pub(super) struct Heading {
    pub(super) level: usize,
    pub(super) title: String,
    pub(super) offset: usize,
}

/// The flat text of a paragraph, a list item or a heading.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) text: String,
    /// The list of which it begins an item; lists are counted over the file. `None` elsewhere, and in lists that are
    /// inside other lists.
    pub(super) item_of: Option<usize>,
    /// Where pieces of `text` begin, and where they are in the source; ascending.
    pieces: Vec<(usize, usize)>,
}

impl Block {
    /// The source offset of the text at `position`.
    pub(super) fn source_offset(&self, position: usize) -> usize {
        let index = self.pieces.partition_point(|(start, _)| *start <= position);
        self.pieces.get(index.saturating_sub(1)).map_or(0, |(_, source)| *source)
    }

    /// The source offset of its start.
    pub(super) fn offset(&self) -> usize {
        self.source_offset(0)
    }
}

/// A table of the runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The cells of the first row.
    pub header: Vec<String>,
    /// The rows below it.
    pub rows: Vec<Row>,
    /// The line of the header, counted from 1.
    pub line: usize,
    pub(super) offset: usize,
}

/// A row of a [`Table`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The text of its cells; as many as in the header.
    pub cells: Vec<String>,
    /// The line, counted from 1.
    pub line: usize,
}

/// A fenced block of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandBlock {
    /// The first word after the fence, such as `sh` or `sql`; empty if there is none.
    pub language: String,
    /// The text between the fences.
    pub text: String,
    /// The line of the opening fence, counted from 1.
    pub line: usize,
    pub(super) offset: usize,
}

/// A parsed Markdown file.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) headings: Vec<Heading>,
    pub(super) blocks: Vec<Block>,
    pub(super) tables: Vec<Table>,
    pub(super) commands: Vec<CommandBlock>,
}

impl Document {
    /// Parses any text. Malformed Markdown is plain text.
    pub(super) fn read(text: &str, lines: &Lines) -> Self {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_STRIKETHROUGH
            | Options::ENABLE_TASKLISTS
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        let mut reader = Reader {
            lines,
            found: Self::default(),
            block: None,
            place: Place::Prose,
            hidden: 0,
            lists: 0,
            depth: 0,
            begins_item: false,
        };
        for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
            reader.take(event, &range);
        }
        reader.flush();
        reader.found
    }
}

/// What the next text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Prose,
    FencedCode,
    IndentedCode,
}

struct Reader<'a> {
    lines: &'a Lines,
    found: Document,
    block: Option<Block>,
    place: Place,
    /// How many open elements hide their text from readers.
    hidden: usize,
    /// How many lists were seen that are not inside another one.
    lists: usize,
    /// How many lists are open.
    depth: usize,
    /// Whether the next text begins an item of an outermost list.
    begins_item: bool,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, range: &Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, range.start),
            Event::End(tag) => self.close(tag),
            Event::Text(text) | Event::Code(text) => self.push(&text, range.start),
            Event::SoftBreak | Event::HardBreak => self.push("\n", range.start),
            Event::InlineHtml(html) if html.to_ascii_lowercase().starts_with("<br") => {
                self.push("\n", range.start);
            }
            Event::Rule => self.flush(),
            _ => {}
        }
    }

    fn open(&mut self, tag: Tag<'_>, offset: usize) {
        match tag {
            Tag::Heading { level, .. } => self.open_heading(level, offset),
            Tag::CodeBlock(kind) => self.open_code(kind, offset),
            Tag::Table(_) => {
                self.flush();
                let line = self.lines.line_of(offset);
                self.found.tables.push(Table { header: Vec::new(), rows: Vec::new(), line, offset });
            }
            Tag::TableRow => {
                let line = self.lines.line_of(offset);
                if let Some(table) = self.found.tables.last_mut() {
                    table.rows.push(Row { cells: Vec::new(), line });
                }
            }
            Tag::List(_) => self.open_list(),
            Tag::Item => {
                self.flush();
                self.begins_item = self.depth == 1;
            }
            Tag::Strikethrough | Tag::Image { .. } | Tag::MetadataBlock(_) => self.hidden += 1,
            Tag::Emphasis | Tag::Strong | Tag::Link { .. } | Tag::TableHead | Tag::TableCell => {}
            _ => self.flush(),
        }
    }

    fn close(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => self.close_heading(),
            TagEnd::CodeBlock => self.place = Place::Prose,
            TagEnd::TableCell => self.close_cell(),
            TagEnd::List(_) => {
                self.flush();
                self.depth = self.depth.saturating_sub(1);
            }
            TagEnd::Item => {
                self.flush();
                self.begins_item = false;
            }
            TagEnd::Strikethrough | TagEnd::Image | TagEnd::MetadataBlock(_) => {
                self.hidden = self.hidden.saturating_sub(1);
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link | TagEnd::TableHead => {}
            _ => self.flush(),
        }
    }

    fn open_list(&mut self) {
        self.flush();
        self.depth += 1;
        self.lists += usize::from(self.depth == 1);
        self.begins_item = false;
    }

    fn open_heading(&mut self, level: HeadingLevel, offset: usize) {
        self.flush();
        self.found.headings.push(Heading { level: level as usize, title: String::new(), offset });
    }

    fn close_heading(&mut self) {
        let title = self.block.as_ref().map_or("", |block| block.text.trim());
        if let Some(heading) = self.found.headings.last_mut() {
            heading.title = title.replace('\n', " ");
        }
        // A heading is text too: "Full restore (RTO: 1 hour)".
        self.flush();
    }

    fn open_code(&mut self, kind: CodeBlockKind<'_>, offset: usize) {
        self.flush();
        self.place = Place::IndentedCode;
        if let CodeBlockKind::Fenced(info) = kind {
            self.place = Place::FencedCode;
            let language = info.split_whitespace().next().unwrap_or_default().to_owned();
            let line = self.lines.line_of(offset);
            self.found.commands.push(CommandBlock { language, text: String::new(), line, offset });
        }
    }

    fn close_cell(&mut self) {
        let text = self.block.take().map_or(String::new(), |block| block.text.trim().to_owned());
        let Some(table) = self.found.tables.last_mut() else { return };
        match table.rows.last_mut() {
            Some(row) => row.cells.push(text),
            None => table.header.push(text),
        }
    }

    fn push(&mut self, text: &str, offset: usize) {
        match self.place {
            Place::FencedCode => {
                if let Some(block) = self.found.commands.last_mut() {
                    block.text.push_str(text);
                }
            }
            Place::Prose if self.hidden == 0 => {
                let begins = std::mem::take(&mut self.begins_item);
                let item_of = begins.then_some(self.lists);
                let block = self.block.get_or_insert_with(|| Block { item_of, ..Block::default() });
                block.pieces.push((block.text.len(), offset));
                block.text.extend(text.chars().filter_map(plain));
            }
            Place::Prose | Place::IndentedCode => {}
        }
    }

    fn flush(&mut self) {
        if let Some(block) = self.block.take()
            && !block.text.trim().is_empty()
        {
            self.found.blocks.push(block);
        }
    }
}

/// Every kind of space becomes a plain space; invisible characters are removed.
fn plain(character: char) -> Option<char> {
    match character {
        '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{fe0e}' | '\u{fe0f}' => None,
        '\n' => Some('\n'),
        blank if blank.is_whitespace() => Some(' '),
        other => Some(other),
    }
}
