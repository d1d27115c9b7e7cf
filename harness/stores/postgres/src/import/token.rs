//! Splits SQL into tokens by psql's rules, as far as needed to find the end of a statement.
//!
//! Source: PostgreSQL's `src/fe_utils/psqlscan.l`. The tokens carry no meaning.

use memchr::memmem;

/// The kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// A comment, of either form.
    Comment,
    /// A keyword or an unquoted name.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A text: in single quotes, with or without escapes, or in dollar quotes.
    Text,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// A backslash outside of all quotes: the start of a psql command.
    Backslash,
    /// Any other single byte.
    Other,
}

/// A token at the beginning of a text: its kind and length.
pub(super) type Token = (Kind, usize);

/// The first token of a text, which must not be empty. Returns `None` if the text ends before the end of the
/// token is known. With `whole`, nothing follows the text, so an open-ended token ends with it.
pub(super) fn next_token(text: &[u8], backslash_escapes: bool, whole: bool) -> Option<Token> {
    let second = text.get(1).copied();
    let single = |kind| Some((kind, 1));
    match text[0] {
        b'\'' => quoted(text, 0, backslash_escapes, whole).map(|end| (Kind::Text, end)),
        b'"' => quoted(text, 0, false, whole).map(|end| (Kind::QuotedName, end)),
        b'$' => dollar_quoted(text, whole),
        b'-' | b'/' if second.is_none() && !whole => None,
        b'-' if second == Some(b'-') => line_comment(text, whole),
        b'/' if second == Some(b'*') => block_comment(text),
        b';' => single(Kind::Semicolon),
        b'(' => single(Kind::Open),
        b')' => single(Kind::Close),
        b'\\' => single(Kind::Backslash),
        byte if is_space(byte) => Some((Kind::Space, run_length(text, is_space))),
        byte if is_word_start(byte) => word(text, whole),
        byte if byte.is_ascii_digit() => number(text, whole),
        _ => single(Kind::Other),
    }
}

/// The tokens of a text, without space and comments. They stop at a token that has no end.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The offset of the next token, or of the space before it.
    pub(super) fn position(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Kind, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return None;
            }
            let (kind, length) = next_token(rest, false, true)?;
            self.at += length;
            if !matches!(kind, Kind::Space | Kind::Comment) {
                return Some((kind, &rest[..length]));
            }
        }
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0b' | b'\x0c')
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    is_word_start(byte) || byte.is_ascii_digit() || byte == b'$'
}

fn run_length(text: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|&byte| !belongs(byte)).unwrap_or(text.len())
}

fn word(text: &[u8], whole: bool) -> Option<Token> {
    let end = run_length(text, is_word);
    if end == text.len() && !whole {
        return None;
    }
    // `E'…'` is the only prefix that changes where a text ends.
    if end == 1 && text[0].eq_ignore_ascii_case(&b'e') && text.get(1) == Some(&b'\'') {
        return quoted(text, 1, true, whole).map(|end| (Kind::Text, end));
    }
    Some((Kind::Word, end))
}

/// A number with the letters that touch it: in `1e'\'` the `e` is not a prefix of a text.
fn number(text: &[u8], whole: bool) -> Option<Token> {
    let end = run_length(text, |byte| is_word(byte) && byte != b'$');
    (end < text.len() || whole).then_some((Kind::Other, end))
}

/// The end of the quoted text that starts at `open`. A doubled quote stands for one quote.
fn quoted(text: &[u8], open: usize, backslash_escapes: bool, whole: bool) -> Option<usize> {
    let quote = text[open];
    let mut at = open + 1;
    loop {
        let rest = text.get(at..)?;
        at += if backslash_escapes {
            memchr::memchr2(quote, b'\\', rest)?
        } else {
            memchr::memchr(quote, rest)?
        };
        let doubled = text.get(at + 1).copied();
        at += match (text[at], doubled) {
            (b'\\', _) => 2,
            (_, Some(next)) if next == quote => 2,
            (_, None) if !whole => return None,
            _ => return Some(at + 1),
        };
    }
}

/// `$tag$ … $tag$`, or a single dollar.
fn dollar_quoted(text: &[u8], whole: bool) -> Option<Token> {
    let tag = match text.get(1) {
        Some(&byte) if is_word_start(byte) => {
            1 + run_length(&text[1..], |byte| is_word(byte) && byte != b'$')
        }
        _ => 1,
    };
    match text.get(tag) {
        Some(b'$') => {
            let delimiter = &text[..=tag];
            let end = memmem::find(&text[tag + 1..], delimiter)?;
            Some((Kind::Text, end + 2 * delimiter.len()))
        }
        None if !whole => None,
        _ => Some((Kind::Other, 1)),
    }
}

fn line_comment(text: &[u8], whole: bool) -> Option<Token> {
    match memchr::memchr2(b'\n', b'\r', text) {
        Some(end) => Some((Kind::Comment, end)),
        None => whole.then_some((Kind::Comment, text.len())),
    }
}

/// Block comments nest.
fn block_comment(text: &[u8]) -> Option<Token> {
    let (mut at, mut depth) = (2, 1);
    while depth > 0 {
        at += memchr::memchr2(b'*', b'/', text.get(at..)?)?;
        match (text[at], text.get(at + 1)?) {
            (b'*', b'/') => (at, depth) = (at + 2, depth - 1),
            (b'/', b'*') => (at, depth) = (at + 2, depth + 1),
            _ => at += 1,
        }
    }
    Some((Kind::Comment, at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds(text: &str) -> Vec<(Kind, &str)> {
        Tokens::new(text.as_bytes())
            .map(|(kind, token)| (kind, std::str::from_utf8(token).unwrap()))
            .collect()
    }

    #[test]
    fn quotes_end_where_psql_ends_them() {
        for (text, token) in [
            ("'it''s;'", "'it''s;'"),
            (r"'a\'", r"'a\'"),
            (r"E'a\';'", r"E'a\';'"),
            (r"e'\\'", r"e'\\'"),
            ("\"a\"\";b\"", "\"a\"\";b\""),
            ("$$;$x$;$$", "$$;$x$;$$"),
            ("$ü1$;$ü$;$ü1$", "$ü1$;$ü$;$ü1$"),
        ] {
            assert_eq!(kinds(&format!("{text} x")).first().map(|(_, token)| *token), Some(token));
        }
        assert_eq!(kinds("a$b$c")[0].1, "a$b$c");
        assert_eq!(kinds("$1"), [(Kind::Other, "$"), (Kind::Other, "1")]);
        assert_eq!(kinds("fE'x'")[1], (Kind::Text, "'x'"));
        assert_eq!(kinds("1e'\\' x").len(), 3);
    }

    #[test]
    fn comments_nest_and_end_with_their_line() {
        assert_eq!(kinds("/* ; /* ' */ \" */ a -- ' ;\n b").len(), 2);
        assert_eq!(next_token(b"/* /* */", false, true), None);
    }

    proptest! {
        /// A token that was recognised stays the same when more text follows.
        #[test]
        fn more_text_changes_no_token(text in "[ab1'\"$E;\\\\/*() \n-]{1,30}", cut: prop::sample::Index, escapes: bool) {
            let text = text.as_bytes();
            let part = &text[..=cut.index(text.len())];
            if let Some((kind, length)) = next_token(part, escapes, false)
                && kind != Kind::Space
            {
                prop_assert_eq!(next_token(text, escapes, true), Some((kind, length)));
            }
        }
    }
}
