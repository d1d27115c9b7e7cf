//! Reads a statement word by word, as far as names and keywords go.

use super::token::{Kind, Tokens};

/// A table's schema and name, without quotes.
pub(super) type TableName = (String, String);

/// Reads a statement word by word.
#[derive(Clone)]
pub(super) struct Words<'a> {
    tokens: std::iter::Peekable<Tokens<'a>>,
}

impl<'a> Words<'a> {
    pub(super) fn new(sql: &'a [u8]) -> Self {
        Self { tokens: Tokens::new(sql).peekable() }
    }

    /// The next word without quotes, in lower case.
    pub(super) fn word(&mut self) -> Option<String> {
        let (_, token) = self.tokens.next_if(|(kind, _)| *kind == Kind::Word)?;
        Some(String::from_utf8_lossy(token).to_lowercase())
    }

    pub(super) fn accept(&mut self, keyword: &str) -> bool {
        let is = |token: &[u8]| token.eq_ignore_ascii_case(keyword.as_bytes());
        self.tokens.next_if(|(kind, token)| *kind == Kind::Word && is(token)).is_some()
    }

    pub(super) fn accept_symbol(&mut self, symbol: &[u8]) -> bool {
        self.tokens.next_if(|(_, token)| *token == symbol).is_some()
    }

    /// A name, as in the server's catalogue.
    pub(super) fn name(&mut self) -> Option<String> {
        if let Some(word) = self.word() {
            return Some(word);
        }
        let (_, token) = self.tokens.next_if(|(kind, _)| *kind == Kind::QuotedName)?;
        let text = String::from_utf8_lossy(token);
        Some(text.strip_prefix('"')?.strip_suffix('"')?.replace("\"\"", "\""))
    }

    /// A name with its schema; a dump always writes the schema.
    pub(super) fn table(&mut self) -> Option<TableName> {
        let schema = self.name()?;
        self.accept_symbol(b".").then_some(())?;
        Some((schema, self.name()?))
    }

    pub(super) fn uses_index(&mut self) -> bool {
        // Not `USING INDEX TABLESPACE`, which says where the index goes.
        self.accept("using") && self.accept("index") && !self.accept("tablespace")
    }

    pub(super) fn is_at_end(&mut self) -> bool {
        self.tokens.peek().is_none_or(|(kind, _)| *kind == Kind::Semicolon)
    }

    /// Whether a condition holds anywhere outside of parentheses.
    pub(super) fn any_outside(&mut self, mut holds: impl FnMut(&mut Self) -> bool) -> bool {
        let mut depth = 0_u32;
        loop {
            if depth == 0 && holds(self) {
                return true;
            }
            match self.tokens.next() {
                None => return false,
                Some((Kind::Open, _)) => depth += 1,
                Some((Kind::Close, _)) => depth = depth.saturating_sub(1),
                Some(_) => {}
            }
        }
    }

    /// Goes on to the next occurrence of a keyword outside of parentheses, and past it.
    pub(super) fn seek(&mut self, keyword: &str) -> bool {
        self.any_outside(|words| words.accept(keyword))
    }

    /// A text in single quotes, without them. One with escapes is returned as it is written.
    pub(super) fn text(&mut self) -> Option<String> {
        let (_, token) = self.tokens.next_if(|(kind, _)| *kind == Kind::Text)?;
        let text = String::from_utf8_lossy(token);
        Some(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'"))
    }

    /// Passes one token.
    pub(super) fn skip(&mut self) -> bool {
        self.tokens.next().is_some()
    }
}
