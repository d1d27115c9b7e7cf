//! Cuts SQL into tokens by the rules of psql, as far as finding the end of a statement needs them.
//!
//! Source: PostgreSQL's `src/fe_utils/psqlscan.l`. Nothing here knows what a statement means.

use memchr::memmem;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// A comment, of either form.
    Comment,
    /// A keyword or a name without quotes.
    Word,
    /// A name in double quotes.
    QuotedName,
    /// A text: in single quotes, with or without escapes, or between dollars.
    Text,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// A backslash outside of all quotes: the start of one of psql's own commands.
    Backslash,
    /// One byte of anything else.
    Other,
}

/// A token at the beginning of a text: what it is and how long.
pub(super) type Token = (Kind, usize);

/// The token that a text, which must not be empty, begins with. `None` if the text ends before one can tell
/// where the token does; with `whole`, nothing follows the text, and what could go on has ended.
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

/// The tokens of a text, space and comments left out. They end where a token has no end.
#[derive(Clone)]
pub(super) struct Tokens<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next token, or the space before it, begins.
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
    // `E'…'`: the only prefix of a text that changes where it ends.
    if end == 1 && text[0].eq_ignore_ascii_case(&b'e') && text.get(1) == Some(&b'\'') {
        return quoted(text, 1, true, whole).map(|end| (Kind::Text, end));
    }
    Some((Kind::Word, end))
}

/// A number with the letters that touch it: in `1e'\'` the `e` is no prefix of a text.
fn number(text: &[u8], whole: bool) -> Option<Token> {
    let end = run_length(text, |byte| is_word(byte) && byte != b'$');
    (end < text.len() || whole).then_some((Kind::Other, end))
}

/// The end of what is quoted from `open` on. A doubled quote stands for itself.
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

/// `$tag$ … $tag$`, or a dollar that begins no such thing.
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

/// Comments of this form nest.
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
        /// What is told of a part of the text is never told otherwise when more of it is there.
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
