//! Reads and writes lines of `postgresql.conf`. Source: "Parameter Interaction via the Configuration File" and
//! `guc-file.l` of PostgreSQL.

/// The name and the value of a line; `None` for one without a setting or that the server would not understand.
pub(super) fn parse(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let end = line.find(|c: char| !is_of_name(c)).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    if !is_name(name) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let value = match rest.strip_prefix('\'') {
        Some(quoted) => unquote(quoted)?,
        None => rest.split(|c: char| c == '#' || c.is_whitespace()).next().unwrap_or_default().to_owned(),
    };
    Some((name.to_ascii_lowercase(), value))
}

/// The line of a setting; `None` if the value has a character that could end the line.
pub(super) fn render(name: &str, value: &str) -> Option<String> {
    let is_plain = is_name(name) && !value.chars().any(char::is_control);
    is_plain.then(|| format!("{name} = '{}'\n", value.replace('\\', "\\\\").replace('\'', "''")))
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$') || !c.is_ascii()
}

/// An identifier, or two with a dot between them, as extensions have.
fn is_name(name: &str) -> bool {
    let is_identifier =
        |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii());
    !name.is_empty()
        && name.split('.').count() <= 2
        && name.split('.').all(is_identifier)
        && name.chars().all(is_of_name)
}

/// A quoted value, without its first quote.
fn unquote(quoted: &str) -> Option<String> {
    let (mut value, mut chars) = (String::new(), quoted.chars().peekable());
    loop {
        match chars.next()? {
            '\'' if chars.peek() == Some(&'\'') => value.extend(chars.next()),
            '\'' => return Some(value),
            '\\' => value.push(escaped(&mut chars)?),
            other => value.push(other),
        }
    }
}

fn escaped(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let first = chars.next()?;
    let Some(mut code) = first.to_digit(8) else {
        return Some(match first {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            other => other,
        });
    };
    for _ in 0..2 {
        if let Some(digit) = chars.peek().and_then(|next| next.to_digit(8)) {
            code = code * 8 + digit;
            chars.next();
        }
    }
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_read_as_the_server_reads_them() {
        let read = |line: &str| parse(line).map(|(name, value)| format!("{name}={value}"));
        for (line, wanted) in [
            ("max_connections = 100 # many", Some("max_connections=100")),
            ("Shared_Buffers='128MB'", Some("shared_buffers=128MB")),
            ("archive_command 'cp %p ''/a b''/%f'", Some("archive_command=cp %p '/a b'/%f")),
            (r"app.x = 'a\'b\\c\101'", Some(r"app.x=a'b\cA")),
            ("include '/etc/passwd'", Some("include=/etc/passwd")),
            ("# port = 1", None),
            ("", None),
            ("x = 'no end", None),
            ("9x = 1", None),
            ("a.b.c = 1", None),
        ] {
            assert_eq!(read(line).as_deref(), wanted, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in "[a-z_][a-z0-9_]{0,8}(\\.[a-z_][a-z0-9_]{0,5})?", value in "\\PC*") {
            let line = render(&name, &value).unwrap();
            prop_assert_eq!(line.matches('\n').count(), 1);
            prop_assert_eq!(parse(&line), Some((name, value)));
        }

        #[test]
        fn no_line_makes_it_panic(line in "\\PC*", name in "\\PC*", value in any::<String>()) {
            let _ = parse(&line);
            if let Some(line) = render(&name, &value) {
                prop_assert_eq!(line.lines().count(), 1);
            }
        }
    }
}
