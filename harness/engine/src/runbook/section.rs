//! The sections of a runbook, and how to find one by a name that a person wrote.

use std::ops::Range;

use comeback_error::{Error, Result};

use super::document::Heading;
use super::lines::Lines;
use super::words::{letters_alike, words};

/// A heading with everything below it, down to the next heading of its level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    level: usize,
    path: Vec<String>,
    line: usize,
    range: Range<usize>,
    children: Vec<Section>,
}

impl Section {
    /// The level of its heading, from 1 to 6.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Its heading, without mark-up.
    pub fn title(&self) -> &str {
        self.path.last().map_or("", String::as_str)
    }

    /// The headings that lead to it, its own last.
    pub fn path(&self) -> &[String] {
        &self.path
    }

    /// The line of its heading, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Its bytes in the file, including heading and sub-sections.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The sections directly below it.
    pub fn children(&self) -> &[Section] {
        &self.children
    }

    /// The heading and the text down to the first sub-section.
    pub(super) fn own_range(&self) -> Range<usize> {
        self.range.start..self.children.first().map_or(self.range.end, |child| child.range.start)
    }

    /// Itself and every section below it, in the order of the file.
    pub(super) fn walk(&self) -> Vec<&Self> {
        std::iter::once(self).chain(self.children.iter().flat_map(Self::walk)).collect()
    }

    /// Its name in errors: "PostgreSQL / Full restore" (line 12).
    fn named(&self) -> String {
        // The title of the document says nothing about the section.
        let skip = usize::from(self.path.len() > 1);
        let path = self.path.get(skip..).unwrap_or(&self.path).join(" / ");
        format!("{path:?} (line {})", self.line)
    }
}

/// Builds the tree of sections from the headings of a file that ends at `end`.
pub(super) fn tree(headings: &[Heading], end: usize, lines: &Lines) -> Vec<Section> {
    nest(headings, &[], end, lines)
}

fn nest(mut headings: &[Heading], above: &[String], end: usize, lines: &Lines) -> Vec<Section> {
    let mut sections = Vec::new();
    while let Some((first, rest)) = headings.split_first() {
        let below = rest.iter().take_while(|heading| heading.level > first.level).count();
        let (inner, after) = rest.split_at(below);
        let section_end = after.first().map_or(end, |next| next.offset);
        let path = above.iter().cloned().chain([first.title.clone()]).collect::<Vec<_>>();
        sections.push(Section {
            level: first.level,
            line: lines.line_of(first.offset),
            range: first.offset..section_end,
            children: nest(inner, &path, section_end, lines),
            path,
        });
        headings = after;
    }
    sections
}

/// How closely a name fits a title. The first of these that matches any section decides.
const FITS: [fn(&str, &str) -> bool; 3] = [
    |name, title| words(name) == words(title),
    |name, title| unnumbered(name) == unnumbered(title),
    |name, title| unnumbered(without_gloss(name)) == unnumbered(without_gloss(title)),
];

/// The section with a name: a heading, or a path of headings such as `PostgreSQL / Full restore`.
pub(super) fn find<'a>(roots: &'a [Section], file: &str, name: &str) -> Result<&'a Section> {
    let all = roots.iter().flat_map(Section::walk).collect::<Vec<_>>();
    let path = name.split(['/', '›', '>']).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    for fits in FITS {
        // A title may contain a slash, so the whole name is tried first.
        for wanted in [&[name][..], &path[..]] {
            let found = all.iter().filter(|section| leads_to(section, wanted, fits)).collect::<Vec<_>>();
            match found[..] {
                [] => {}
                [one] => return Ok(one),
                [..] => return Err(ambiguous(file, name, &found)),
            }
        }
    }
    Err(not_found(&all, file, name))
}

/// Whether the last part of `wanted` is the section's title and the earlier parts are headings above it, in order.
fn leads_to(section: &Section, wanted: &[&str], fits: fn(&str, &str) -> bool) -> bool {
    let Some((last, before)) = wanted.split_last() else { return false };
    let Some((title, above)) = section.path.split_last() else { return false };
    let mut above = above.iter();
    !words(last).is_empty()
        && fits(last, title)
        && before.iter().all(|part| above.any(|heading| fits(part, heading)))
}

/// Whether a table cell names this section: by its title, or by its title and the headings above it.
pub(super) fn is_named_by(section: &Section, roots: &[Section], cell: &str) -> bool {
    let wanted = unnumbered(without_gloss(cell));
    if wanted.is_empty() {
        return false;
    }
    let title = unnumbered(without_gloss(section.title()));
    if wanted == title {
        // If two sections share a title, the title alone names neither.
        let namesakes = roots.iter().flat_map(Section::walk);
        return namesakes.filter(|other| unnumbered(without_gloss(other.title())) == title).count() == 1;
    }
    let full = section.path.iter().map(|heading| unnumbered(without_gloss(heading))).collect::<Vec<_>>();
    (0..full.len().saturating_sub(1)).any(|from| full.get(from..).is_some_and(|path| path.concat() == wanted))
}

fn ambiguous(file: &str, name: &str, found: &[&&Section]) -> Error {
    let candidates = found.iter().map(|section| section.named()).collect::<Vec<_>>().join(", ");
    Error::could_not_verify(format!("{} sections of {file} are called {name:?}: {candidates}", found.len()))
        .hint("name the heading above it too, such as \"PostgreSQL / Full restore\"")
}

fn not_found(all: &[&Section], file: &str, name: &str) -> Error {
    let error = Error::could_not_verify(format!("no section of {file} is called {name:?}"));
    let mut ranked =
        all.iter().map(|section| (letters_alike(name, section.title()), section)).collect::<Vec<_>>();
    ranked.sort_by_key(|(alike, section)| (std::cmp::Reverse(*alike), section.line));
    let closest = ranked.iter().take(3).map(|(_, section)| section.named()).collect::<Vec<_>>();
    if closest.is_empty() {
        return error.hint("the file has no headings; a heading is a line such as \"## Full restore\"");
    }
    error
        .hint(format!("the closest headings are {}", closest.join(", ")))
        .hint(format!("add the section that is missing: {}", to_add(name)))
}

/// The heading that a name asks for, in words: "Full restore", below "PostgreSQL".
fn to_add(name: &str) -> String {
    match name.rsplit_once('/') {
        Some((above, title)) => format!("a heading {:?} below {:?}", title.trim(), above.trim()),
        None => format!("a heading {:?}", name.trim()),
    }
}

/// The words of a title without its leading number, unless nothing else is left.
fn unnumbered(title: &str) -> Vec<String> {
    let words = words(title);
    let number = words.iter().take_while(|word| word.chars().all(|c| c.is_ascii_digit())).count();
    if number < words.len() { words.into_iter().skip(number).collect() } else { words }
}

/// A title without brackets at its end: "Full restore (RTO: 1 hour)".
pub(super) fn without_gloss(title: &str) -> &str {
    let title = title.trim();
    let open = if title.ends_with(')') { title.rfind('(') } else { None };
    match open {
        Some(at) if at > 0 => title.get(..at).unwrap_or(title).trim_end(),
        _ => title,
    }
}
