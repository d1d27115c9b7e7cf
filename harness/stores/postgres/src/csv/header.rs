//! The first record of a CSV file: the names of its columns.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::error::{Context as _, Result};

/// More than the longest possible header: 1600 columns with names of 63 bytes, each byte a quote.
const LONGEST: usize = 512 * 1024;
/// The byte order mark that some programs write before UTF-8 text.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The start of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) columns: Vec<String>,
    /// What was read beyond the header.
    pub(super) rest: BytesMut,
    /// The bytes of the header, including the byte order mark.
    pub(super) bytes: BytesMut,
}

/// Reads the header from a stream; `None` if the stream does not begin with one.
pub(super) async fn read_header(stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Header>> {
    let mut read = BytesMut::new();
    loop {
        let bytes = stream.read_buf(&mut read).await.context("reading the header")?;
        if let Some(end) = end_of_record(&read) {
            let bytes = read.split_to(end);
            return Ok(parse(&bytes).map(|columns| Header { columns, rest: read, bytes }));
        }
        if bytes == 0 || read.len() > LONGEST {
            return Ok(None);
        }
    }
}

/// The end of the first record, including its line end. A line end in quotes is part of the record.
fn end_of_record(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The names in the first line of a file's start; `None` if the line is not whole or names nothing.
pub(super) fn parse_header(head: &[u8]) -> Option<Vec<String>> {
    parse(head.get(..end_of_record(head)?)?)
}

/// The names in a header; `None` if there are none, or the format is wrong.
fn parse(record: &[u8]) -> Option<Vec<String>> {
    let record = record.strip_prefix(BYTE_ORDER_MARK).unwrap_or(record);
    let text = std::str::from_utf8(record).ok()?.trim_end_matches(['\r', '\n']);
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                name.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            other => name.push(other),
        }
    }
    names.push(name);
    (!quoted && names.iter().all(|name| !name.is_empty())).then_some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_read_and_the_rest_is_left() {
        for (file, names, rest) in [
            ("id,title\n1,a\n", vec!["id", "title"], "1,a\n"),
            ("\u{feff}id,title\r\n1,a\r\n", vec!["id", "title"], "1,a\r\n"),
            ("\"a,b\",\"c\"\"d\",\"two\nlines\"\n", vec!["a,b", "c\"d", "two\nlines"], ""),
        ] {
            let header = read_header(&mut file.as_bytes()).await.unwrap().unwrap();
            assert_eq!(
                (header.columns, &header.rest[..]),
                (names.into_iter().map(str::to_owned).collect(), rest.as_bytes())
            );
        }
    }

    #[tokio::test]
    async fn what_has_no_header_is_told() {
        for file in ["", "no line end", "\"never closed\n1,2\n", "a,,b\n", "\n"] {
            assert_eq!(read_header(&mut file.as_bytes()).await.unwrap(), None, "{file:?}");
        }
        assert_eq!(read_header(&mut &b"Gr\xfc\xdfe\n"[..]).await.unwrap(), None);
    }
}
