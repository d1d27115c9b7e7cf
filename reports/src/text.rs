//! Cleans foreign text for printing: values come from databases and server logs, and may hold anything.
//!
//! A terminal obeys escape sequences, XML 1.0 forbids most control characters, and bidirectional marks make a line read
//! as something else. None of them reaches a report for people. The JSON report keeps them, escaped, for the exact
//! value.

use std::iter::Peekable;
use std::str::Chars;

const ESCAPE: char = '\u{1b}';
const CONTROL_SEQUENCE: char = '\u{9b}';
const BELL: char = '\u{7}';

/// The text without ANSI sequences, and with a visible stand-in for every other character without a glyph.
///
/// Line ends and tabs stay. A control character is shown (`␀`), not dropped: two values that differ only in it must not
/// look equal in a finding.
pub fn clean(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            ESCAPE => skip_sequence(&mut chars),
            CONTROL_SEQUENCE => skip_to_final_byte(&mut chars),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => kept.push(char),
            _ => kept.push(visible(char)),
        }
    }
    kept
}

/// [`clean`], on one line.
pub fn one_line(text: &str) -> String {
    let cleaned = clean(text);
    let mut line = String::with_capacity(cleaned.len());
    for (index, part) in cleaned.split(['\n', '\t']).filter(|part| !part.trim().is_empty()).enumerate() {
        if index > 0 {
            line.push(' ');
        }
        line.push_str(part);
    }
    line
}

/// A value on one line, for comparison by eye: line ends and tabs are shown, and quotation marks make white space at an
/// end, or an empty value, visible.
pub fn value(text: &str, limit: usize) -> String {
    let line = shorten(&clean(text).replace('\n', "↵").replace('\t', "⇥"), limit);
    if line.is_empty() || line.starts_with(char::is_whitespace) || line.ends_with(char::is_whitespace) {
        return format!("“{line}”");
    }
    line
}

/// The text cut to `limit` characters; if it was cut, with a mark and its full length.
pub fn shorten(text: &str, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit).collect();
    format!("{kept}… ({} characters in all)", crate::format::count(length as u64))
}

/// The text in lines of at most `width` characters, broken between words if possible.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        let mut used = 0;
        // Not `split_whitespace`: two values may differ in the number of their spaces.
        for word in paragraph.split(' ') {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            // A word longer than a line (a digest, a path) is broken at the line's end.
            for char in word.chars() {
                if used == width {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(char);
                used += 1;
            }
        }
        if used > 0 {
            lines.push(line);
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn visible(char: char) -> char {
    match char {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + char as u32).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}' => '␡',
        // C1 controls, bidirectional marks, line separators, and what XML 1.0 excludes.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{fffe}'..='\u{ffff}' => char::REPLACEMENT_CHARACTER,
        _ => char,
    }
}

/// Skips what follows an ESC: a control sequence, a string (a window title, a link), or a single character.
fn skip_sequence(chars: &mut Peekable<Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            skip_to_final_byte(chars);
        }
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        Some(' '..='/') => {
            while chars.next_if(|char| matches!(char, ' '..='/')).is_some() {}
            chars.next_if(|char| matches!(char, '0'..='~'));
        }
        Some('0'..='~') => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_to_final_byte(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(|char| matches!(char, ' '..='?')).is_some() {}
    chars.next_if(|char| matches!(char, '@'..='~'));
}

/// A string ends at BEL or at ESC `\`. Without an end it is no sequence, and its text is shown.
fn skip_string(chars: &mut Peekable<Chars<'_>>) {
    let mut ahead = chars.clone();
    let mut previous = None;
    for char in ahead.by_ref() {
        if char == BELL || (previous == Some(ESCAPE) && char == '\\') {
            *chars = ahead;
            return;
        }
        previous = Some(char);
    }
    chars.next();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_go_and_their_text_stays() {
        for (text, expected) in [
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{9b}31mred", "red"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]8;;http://a.example\u{1b}\\link", "link"),
            ("\u{1b}]no end", "no end"),
            ("\u{1b}(Bplain\u{1b}c", "plain"),
            ("\u{1b}", ""),
            ("a\0b\u{7f}\u{202e}c\u{ffff}", "a␀b␡\u{fffd}c\u{fffd}"),
            ("one\r\ntwo\rthree\tfour", "one\ntwo␍three\tfour"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
        assert_eq!(one_line(" a \n\n\tb  c"), " a  b  c");
    }

    #[test]
    fn values_that_differ_look_different() {
        let shown = ["a b", "a  b", "a\nb", "a\tb", "a b ", " a b", "a\0b", ""].map(|text| value(text, 10));
        assert_eq!(shown, ["a b", "a  b", "a↵b", "a⇥b", "“a b ”", "“ a b”", "a␀b", "“”"]);
        assert_eq!(wrap("a  b", 9), ["a  b"]);
    }

    #[test]
    fn what_is_cut_off_says_how_much() {
        assert_eq!(shorten("Grüße", 5), "Grüße");
        assert_eq!(shorten("Grüße", 3), "Grü… (5 characters in all)");
    }

    /// Any character, and often one that has a meaning for a terminal.
    fn wild() -> impl Strategy<Value = String> {
        let special = proptest::sample::select("\u{1b}[]m;0\\\u{7}\u{9b}\r\n\t(".chars().collect::<Vec<_>>());
        proptest::collection::vec(prop_oneof![special, any::<char>()], 0..40)
            .prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_that_a_terminal_obeys_is_left(text in wild()) {
            let cleaned = clean(&text);
            prop_assert!(cleaned.chars().all(|char| !char.is_control() || char == '\n' || char == '\t'));
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
            prop_assert!(!one_line(&text).contains(['\n', '\t']));
        }

        #[test]
        fn wrapped_lines_fit_and_lose_no_letter(text in "[a-zé \n]{0,80}", width in 1_usize..20) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
            let letters = |text: &str| text.chars().filter(|char| !char.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
