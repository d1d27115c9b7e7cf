//! Evidence in, bytes out: every report is a pure function of the record of a run.
//!
//! Nothing here reads a clock, a disk, the network or a random number, so that a report can be made again,
//! byte for byte, from the evidence of years ago.

pub mod format;
mod html;
mod json;
mod junit;
mod markdown;
mod self_test;
mod terminal;
pub mod text;
mod view;

use comeback_error::Result;
use comeback_model::evidence::Record;

pub use html::html;
pub use json::{SCHEMA, SCHEMA_VERSION, json};
pub use junit::junit;
pub use markdown::markdown;
pub use self_test::{self_test, self_test_junit};
pub use terminal::{TerminalOptions, terminal};

/// One report, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFile {
    /// The file's name inside of the evidence folder.
    pub name: &'static str,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Every report that is kept as a file beside the evidence, in the order of their names.
pub fn render_all(record: &Record) -> Result<Vec<RenderedFile>> {
    let file = |name, text: String| RenderedFile { name, bytes: text.into_bytes() };
    Ok(vec![
        file("junit.xml", junit(record)?),
        file("report.html", html(record)?),
        file("report.json", json(record)?),
        file("summary.md", markdown(record)),
    ])
}
