//! Parses XML into a tree, and checks it against the rules of Jenkins (`junit-10.xsd`) and Maven Surefire
//! (`surefire-test-report.xsd`), written down as tables.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Self>,
    pub(crate) text: String,
}

impl Node {
    fn open(tag: &BytesStart<'_>) -> Result<Self, String> {
        let mut attributes = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value = escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
            attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
        }
        let name = tag.name().as_ref().to_owned();
        Ok(Self { name, attributes, children: Vec::new(), text: String::new() })
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// The root of a well-formed document, or why it is not well-formed.
pub(crate) fn parse(xml: &str) -> Result<Node, String> {
    let legal = |char| matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    if let Some(char) = xml.chars().find(|char| !legal(*char)) {
        return Err(format!("{char:?} has no place in XML 1.0"));
    }
    let mut reader = Reader::from_str(xml);
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let mut closed = None;
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) => open.push(Node::open(&tag)?),
            Event::Empty(tag) => closed = Some(Node::open(&tag)?),
            Event::End(_) => closed = open.pop(),
            Event::CData(data) => open.last_mut().ok_or("text outside")?.text.push_str(&data.xml10_content()),
            Event::Text(text) if !text.trim().is_empty() => {
                open.last_mut().ok_or("text outside")?.text.push_str(&text.xml10_content());
            }
            Event::GeneralRef(reference) => return Err(format!("a reference in text: {reference:?}")),
            Event::Eof => return root.ok_or_else(|| "no root".to_owned()),
            _ => {}
        }
        if let Some(node) = closed {
            match open.last_mut() {
                Some(parent) => parent.children.push(node),
                None if root.is_none() => root = Some(node),
                None => return Err("two roots".to_owned()),
            }
        }
    }
}

/// The rule of a schema for one element.
struct Rule {
    name: &'static str,
    /// The attributes; a required one is marked with `!`, one that holds seconds with `#`.
    attributes: &'static str,
    children: &'static [&'static str],
    text: bool,
}

pub(crate) struct Schema {
    rules: &'static [Rule],
    /// Whether children must come in the order in which the rule lists them.
    ordered: bool,
    decimals: usize,
}

pub(crate) const JENKINS: Schema = Schema {
    rules: &[
        Rule {
            name: "testsuites",
            attributes: "name #time tests failures errors",
            children: &["testsuite"],
            text: false,
        },
        Rule {
            name: "testsuite",
            attributes: "!name !tests !failures !errors group #time skipped timestamp hostname id package file log url",
            children: &["testsuite", "properties", "testcase", "system-out", "system-err"],
            text: false,
        },
        Rule {
            name: "testcase",
            attributes: "!name time classname group",
            children: &["skipped", "error", "failure", "system-out", "system-err"],
            text: false,
        },
        Rule { name: "failure", attributes: "type message", children: &[], text: true },
        Rule { name: "error", attributes: "type message", children: &[], text: true },
        Rule { name: "skipped", attributes: "type message", children: &[], text: true },
        Rule { name: "system-out", attributes: "", children: &[], text: true },
    ],
    ordered: false,
    decimals: usize::MAX,
};

/// Surefire's schema has one suite per file, no root above it, and no `timestamp`. The table allows `timestamp`,
/// because every CI reads it.
pub(crate) const SUREFIRE: Schema = Schema {
    rules: &[
        Rule {
            name: "testsuite",
            attributes: "!name #time !tests !errors !skipped !failures group timestamp",
            children: &["properties", "testcase"],
            text: false,
        },
        Rule {
            name: "testcase",
            attributes: "!name classname group !#time",
            children: &["failure", "skipped", "error", "system-out", "system-err"],
            text: false,
        },
        Rule { name: "failure", attributes: "message !type", children: &[], text: true },
        Rule { name: "error", attributes: "message !type", children: &[], text: true },
        Rule { name: "skipped", attributes: "message", children: &[], text: true },
        Rule { name: "system-out", attributes: "", children: &[], text: true },
    ],
    ordered: true,
    decimals: 3,
};

impl Schema {
    /// The violations of an element and everything in it.
    pub(crate) fn violations(&self, node: &Node) -> Vec<String> {
        let Some(rule) = self.rules.iter().find(|rule| rule.name == node.name) else {
            return vec![format!("<{}> is not known", node.name)];
        };
        let mut found = self.attributes(rule, node);
        let position = |child: &Node| rule.children.iter().position(|known| *known == child.name);
        let positions: Vec<_> = node.children.iter().map(position).collect();
        if positions.contains(&None) {
            found.push(format!("<{}> holds an element that it must not", node.name));
        }
        if self.ordered && !positions.is_sorted() {
            found.push(format!("<{}> holds its elements in another order", node.name));
        }
        if !rule.text && !node.text.is_empty() {
            found.push(format!("<{}> holds text", node.name));
        }
        found.extend(node.children.iter().flat_map(|child| self.violations(child)));
        found
    }

    fn attributes(&self, rule: &Rule, node: &Node) -> Vec<String> {
        let mut found = Vec::new();
        let bare = |word: &str| word.trim_start_matches(['!', '#']).to_owned();
        let known: Vec<_> = rule.attributes.split_whitespace().collect();
        for (name, value) in &node.attributes {
            match known.iter().find(|word| bare(word) == *name) {
                None => found.push(format!("<{}> has an attribute {name}", node.name)),
                Some(word) if word.contains('#') && !self.is_time(value) => {
                    found.push(format!("<{} {name}=\"{value}\"> is not a time", node.name));
                }
                Some(_) => {}
            }
        }
        for word in known.iter().filter(|word| word.starts_with('!')) {
            if node.attribute(&bare(word)).is_none() {
                found.push(format!("<{}> has no {}", node.name, bare(word)));
            }
        }
        found
    }

    fn is_time(&self, text: &str) -> bool {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        !whole.is_empty() && digits(whole) && digits(decimals) && decimals.len() <= self.decimals
    }
}
