//! Splits a SQL script into its parts as it streams by.
//!
//! It finds the ends of statements by psql's rules, and interprets no more of them; other modules read names
//! and meanings. It holds only the current statement or row.

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::part::{Command, Part, RowFormat, Rows, Statement};
use super::token::{Kind, Tokens, is_space, next_token};
use super::trailer::{Ending, Trailer};

/// Why a script cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is cut off.
    Cut { line: u64, inside: String },
    /// It contains something that a dump does not.
    Foreign { line: u64, what: String },
}

/// The byte order mark that some editors write before UTF-8 text. psql ignores it too.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The splitter's next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A complete part.
    Part(Part),
    /// Read more of the script: at least this many bytes, or to its end.
    More(usize),
    /// The script has ended, and nothing is missing.
    End,
}

/// The state of the current statement.
#[derive(Debug, Default)]
struct InHand {
    /// Its offset in the buffer; `None` while only space and comments were seen.
    begins: Option<usize>,
    parentheses: u32,
    /// Open blocks in the body of a function written in SQL: `BEGIN ATOMIC … END`.
    blocks: u32,
    /// The initials of the first four words, for recognising the creation of a function.
    initials: [u8; 4],
    words: usize,
    /// How much of `COPY … FROM stdin` was recognised.
    copy: CopySeen,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum CopySeen {
    #[default]
    No,
    Copy,
    From,
    Stdin,
    /// Options follow `stdin`.
    Options,
}

/// A script that is being split.
#[derive(Debug)]
pub(super) struct Splitter {
    buffer: BytesMut,
    /// The offset of the next token.
    at: usize,
    /// The line in which the buffer begins.
    line: u64,
    in_hand: InHand,
    in_rows: bool,
    /// Whether the first bytes were checked for a byte order mark.
    has_begun: bool,
    backslash_escapes: bool,
    restricted: Option<String>,
    trailer: Trailer,
}

impl Splitter {
    pub(super) fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            at: 0,
            line: 1,
            in_hand: InHand::default(),
            in_rows: false,
            has_begun: false,
            backslash_escapes: false,
            restricted: None,
            trailer: Trailer::default(),
        }
    }

    /// A splitter for a script that is known to be a dump.
    pub(super) fn of_dump() -> Self {
        Self { trailer: Trailer::of_dump(), ..Self::new() }
    }

    /// The buffer to which the next bytes of the script are appended.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// What the script has said about itself so far.
    pub(super) fn trailer(&self) -> &Trailer {
        &self.trailer
    }

    /// The next step. `whole` means that nothing more will be appended.
    pub(super) fn step(&mut self, whole: bool) -> Result<Step, Flaw> {
        if !self.has_begun {
            if self.buffer.len() < BYTE_ORDER_MARK.len() && !whole {
                return Ok(Step::More(1));
            }
            self.has_begun = true;
            self.at = if self.buffer.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        }
        if self.in_rows { self.rows(whole) } else { self.statement(whole) }
    }

    fn statement(&mut self, whole: bool) -> Result<Step, Flaw> {
        loop {
            let text = &self.buffer[self.at..];
            if text.is_empty() {
                return if whole { self.end() } else { Ok(Step::More(1)) };
            }
            let Some((kind, length)) = next_token(text, self.backslash_escapes, whole) else {
                // A long text is scanned again from its start: doubling the buffer keeps the total linear.
                return if whole {
                    Err(self.cut("a quoted text or a comment"))
                } else {
                    Ok(Step::More(text.len()))
                };
            };
            if kind == Kind::Backslash {
                return self.command(whole);
            }
            let token = &self.buffer[self.at..self.at + length];
            match (kind, self.in_hand.begins) {
                (Kind::Comment, None) => self.trailer.comment(token),
                (Kind::Space | Kind::Comment, _) => {}
                (_, begins) => {
                    self.trailer.content();
                    self.in_hand.begins = begins.or(Some(self.at));
                    self.in_hand.token(kind, token);
                }
            }
            let ends = kind == Kind::Semicolon && self.in_hand.is_closed();
            if ends && self.in_hand.copy >= CopySeen::Stdin {
                return self.copy(whole);
            }
            self.at += length;
            if ends {
                return Ok(Step::Part(Part::Statement(self.take_statement())));
            }
        }
    }

    fn take_statement(&mut self) -> Statement {
        let begins = self.in_hand.begins.unwrap_or(0);
        let first_line = self.line;
        let raw = self.take(self.at);
        let line = first_line + count_lines(&raw[..begins]);
        let statement = Statement { line, raw, begins };
        if let Some(on) = standard_strings(statement.sql()) {
            self.backslash_escapes = !on;
        }
        statement
    }

    /// Takes the statement with the rest of its line, after which the rows begin. `at` is on its semicolon.
    fn copy(&mut self, whole: bool) -> Result<Step, Flaw> {
        let after = &self.buffer[self.at + 1..];
        let Some(end) = memchr::memchr(b'\n', after) else {
            return if whole { Err(self.cut("the rows of a table")) } else { Ok(Step::More(1)) };
        };
        if !after[..end].iter().copied().all(is_space) {
            return Err(self.foreign("something after COPY … FROM stdin in its line"));
        }
        let format = if self.in_hand.copy == CopySeen::Stdin { RowFormat::Lines } else { RowFormat::Other };
        self.at += 1 + end + 1;
        let statement = self.take_statement();
        self.in_rows = true;
        if Tokens::new(statement.sql())
            .any(|(kind, word)| kind == Kind::Word && word.eq_ignore_ascii_case(b"binary"))
        {
            return Err(Flaw::Foreign { line: statement.line, what: "rows in binary form".to_owned() });
        }
        Ok(Step::Part(Part::Copy(statement, format)))
    }

    /// Takes all whole rows in the buffer, or the end mark.
    fn rows(&mut self, whole: bool) -> Result<Step, Flaw> {
        let unfinished_line = (whole && &self.buffer[..] == b"\\.").then_some(2);
        if let Some(length) = end_mark(&self.buffer).or(unfinished_line) {
            self.in_rows = false;
            self.at = length;
            return Ok(Step::Part(Part::EndOfRows(self.take(length))));
        }
        let rows = match find_end_mark(&self.buffer) {
            Some(before) => before,
            // The end mark may be incomplete. It begins a line, so only whole lines are passed on.
            None => memchr::memrchr(b'\n', &self.buffer).map_or(0, |end| end + 1),
        };
        if rows == 0 {
            let held = self.buffer.len().max(1);
            return if whole { Err(self.cut("the rows of a table")) } else { Ok(Step::More(held)) };
        }
        let line = self.line;
        let bytes = self.take(rows);
        Ok(Step::Part(Part::Rows(Rows { line, lines: self.line - line, bytes })))
    }

    /// Takes the rest of a line that begins with a backslash.
    fn command(&mut self, whole: bool) -> Result<Step, Flaw> {
        if self.in_hand.begins.is_some() {
            return Err(self.foreign("a backslash in a statement"));
        }
        let rest = &self.buffer[self.at..];
        let length = match memchr::memchr(b'\n', rest) {
            Some(end) => end + 1,
            None if whole => rest.len(),
            None => return Ok(Step::More(1)),
        };
        let text = String::from_utf8_lossy(&rest[..length]).trim().to_owned();
        let Some(command) = Command::parse(&text) else {
            let name = text.split_whitespace().next().unwrap_or_default();
            return Err(self.foreign(&format!("the command `{name}`, which only psql can carry out")));
        };
        match (&command, &self.restricted) {
            (Command::Unrestrict(key), Some(wanted)) if key == wanted => self.restricted = None,
            (Command::Restrict(key), None) => self.restricted = Some(key.clone()),
            (Command::Connect(_) | Command::Encoding(_) | Command::Display, None) => self.trailer.content(),
            _ => return Err(self.foreign(&format!("`{text}`, which \\restrict forbids there"))),
        }
        let raw = self.take(self.at + length);
        Ok(Step::Part(Part::Command(command, raw)))
    }

    fn end(&mut self) -> Result<Step, Flaw> {
        if self.in_hand.begins.is_some() {
            // psql would run it. But it may have been cut off, for example before its WHERE.
            return Err(if self.trailer.is_dump() {
                self.cut("a statement")
            } else {
                self.foreign("a last statement without a semicolon: it may have been cut off")
            });
        }
        if !self.buffer.is_empty() {
            let rest = self.take(self.buffer.len());
            return Ok(Step::Part(Part::Rest(rest)));
        }
        match (&self.restricted, self.trailer.ending()) {
            (Some(_), _) => Err(self.cut("what \\restrict began")),
            (None, Ending::Cut) => Err(self.cut("the dump: its last line does not say that it is complete")),
            (None, Ending::Complete | Ending::Unmarked) => Ok(Step::End),
        }
    }

    /// Takes bytes from the front and counts their lines.
    fn take(&mut self, length: usize) -> Bytes {
        let taken = self.buffer.split_to(length).freeze();
        self.line += count_lines(&taken);
        self.at = 0;
        self.in_hand = InHand::default();
        taken
    }

    /// The line of the next token.
    fn line_here(&self) -> u64 {
        self.line + count_lines(&self.buffer[..self.at.min(self.buffer.len())])
    }

    fn cut(&self, inside: &str) -> Flaw {
        let line = self.line + count_lines(&self.buffer);
        Flaw::Cut { line, inside: inside.to_owned() }
    }

    fn foreign(&self, what: &str) -> Flaw {
        Flaw::Foreign { line: self.line_here(), what: what.to_owned() }
    }
}

impl InHand {
    fn is_closed(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn token(&mut self, kind: Kind, token: &[u8]) {
        match kind {
            Kind::Open => self.parentheses += 1,
            Kind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Word => self.word(token),
            _ => {}
        }
        self.follow_copy(kind, token);
    }

    /// Tracks the blocks of a function's body, by psql's heuristic.
    fn word(&mut self, word: &[u8]) {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        if self.words < self.initials.len()
            && ["create", "or", "replace", "function", "procedure"].into_iter().any(is)
        {
            self.initials[self.words] = word[0].to_ascii_lowercase();
        }
        self.words += 1;
        let creates_routine =
            matches!(self.initials, [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']);
        if !creates_routine || self.parentheses > 0 {
            return;
        }
        if is("begin") || (is("case") && self.blocks > 0) {
            self.blocks += 1;
        } else if is("end") {
            self.blocks = self.blocks.saturating_sub(1);
        }
    }

    fn follow_copy(&mut self, kind: Kind, token: &[u8]) {
        let is = |keyword: &str| kind == Kind::Word && token.eq_ignore_ascii_case(keyword.as_bytes());
        self.copy = match self.copy {
            CopySeen::No if self.words == 1 && is("copy") => CopySeen::Copy,
            CopySeen::Copy if self.parentheses == 0 && is("from") => CopySeen::From,
            CopySeen::From if is("stdin") => CopySeen::Stdin,
            CopySeen::From => CopySeen::Copy,
            CopySeen::Stdin if kind != Kind::Semicolon => CopySeen::Options,
            other => other,
        };
    }
}

/// Whether a statement sets `standard_conforming_strings`: true (`on`) disables backslash escapes in texts.
fn standard_strings(sql: &[u8]) -> Option<bool> {
    let words: Vec<_> = Tokens::new(sql).take(5).map(|(_, token)| token.to_ascii_lowercase()).collect();
    let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [b"set", b"standard_conforming_strings", b"=" | b"to", value, b";"] => Some(*value != b"off"),
        _ => None,
    }
}

/// The length of the end mark, if the text begins with one.
fn end_mark(text: &[u8]) -> Option<usize> {
    [&b"\\.\n"[..], b"\\.\r\n"].into_iter().find(|mark| text.starts_with(mark)).map(<[u8]>::len)
}

/// The start of the line with the end mark, if there is one after the first line.
fn find_end_mark(text: &[u8]) -> Option<usize> {
    memmem::find_iter(text, b"\n\\.").map(|at| at + 1).find(|&at| end_mark(&text[at..]).is_some())
}

pub(super) fn count_lines(text: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', text).count() as u64
}
