//! XML as S3 uses it: elements in order, with their text. No attributes, no namespaces.

use comeback_error::{Context as _, Error, Result};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};

/// No answer of S3 is nested more deeply.
const DEEPEST: usize = 16;

/// An element with its content.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Parses a document.
    pub(super) fn parse(document: &[u8]) -> Result<Self> {
        let doing = "reading an answer of S3";
        let document = std::str::from_utf8(document).context(doing)?;
        let mut reader = Reader::from_str(document);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().context(doing)? {
                Event::Start(start) => open.push(Self::begun(&start, open.len())?),
                Event::Empty(start) => {
                    let element = Self::begun(&start, open.len())?;
                    open.last_mut().ok_or_else(ends)?.children.push(element);
                }
                Event::Text(text) => add(&mut open, &text.xml10_content())?,
                Event::CData(text) => add(&mut open, &text.xml10_content())?,
                Event::GeneralRef(reference) => match reference.resolve_char_ref().context(doing)? {
                    Some(character) => add(&mut open, character.encode_utf8(&mut [0; 4]))?,
                    None => add(&mut open, resolve_predefined_entity(&reference).ok_or_else(unknown)?)?,
                },
                Event::End(_) => {
                    let ended = open.pop().ok_or_else(ends)?;
                    open.last_mut().ok_or_else(ends)?.children.push(ended);
                }
                Event::Eof => break,
                Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::DocType(_) => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty()).ok_or_else(ends)?;
        document.children.into_iter().next().ok_or_else(ends)
    }

    fn begun(start: &BytesStart<'_>, depth: usize) -> Result<Self> {
        if depth > DEEPEST {
            return Err(Error::could_not_verify("an answer of S3 is nested too deeply"));
        }
        let name = start.local_name().as_ref().to_owned();
        Ok(Self { name, ..Self::default() })
    }

    /// The first child element with this name.
    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child element with this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The text of a child element that must exist.
    pub(super) fn demand(&self, name: &str) -> Result<&str> {
        let missing =
            || Error::could_not_verify(format!("an answer of S3 has no {name} in its {}", self.name));
        self.text_of(name).ok_or_else(missing)
    }
}

fn add(open: &mut [Element], text: &str) -> Result<()> {
    open.last_mut().ok_or_else(ends)?.text.push_str(text);
    Ok(())
}

fn ends() -> Error {
    Error::could_not_verify("an answer of S3 ends too early")
}

fn unknown() -> Error {
    Error::could_not_verify("an answer of S3 holds an unknown entity")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn text_comes_back_as_it_was_meant() {
        let document =
            b"<?xml version=\"1.0\"?>\n<A xmlns=\"x\"><K>a&amp;b&#x20;c &lt;</K><E/><V><K>2</K></V></A>";
        let element = Element::parse(document).unwrap();
        assert_eq!((element.name.as_str(), element.text_of("K")), ("A", Some("a&b c <")));
        assert_eq!(element.child("V").unwrap().demand("K").unwrap(), "2");
        assert!(element.text_of("E") == Some("") && element.demand("X").is_err());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let deep = "<a>".repeat(10_000);
        for document in ["", "<a>", "<a></b>", "<a>&x;</a>", "</a>", "text", &deep, "<a><b></a></b>"] {
            assert!(Element::parse(document.as_bytes()).is_err(), "{document:.20}");
        }
        assert!(Element::parse(b"<a>\xff</a>").is_err());
    }

    proptest! {
        #[test]
        fn hostile_answers_are_no_panic(bytes in any::<Vec<u8>>(), text in "[<>/a&;#x!\\[\\]-]{0,40}") {
            let _ = Element::parse(&bytes);
            let _ = Element::parse(text.as_bytes());
        }
    }
}
