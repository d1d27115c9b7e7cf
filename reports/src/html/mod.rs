//! One self-contained page: no script, no external address, the same bytes for the same record.

mod gantt;
mod timeline;

use base64::Engine as _;
use comeback_error::{Context as _, Result};
use comeback_model::evidence::Record;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use self::gantt::Gantt;
use self::timeline::Timeline;
use crate::text::{one_line, shorten};
use crate::view::{self, Report, ShownRepair, Wrong};

/// The templates. Their file names make the engine escape every value as HTML.
const TEMPLATES: [(&str, &str); 6] = [
    ("report.html", include_str!("../../templates/report.html")),
    ("wrong.html", include_str!("../../templates/wrong.html")),
    ("repair.html", include_str!("../../templates/repair.html")),
    ("drill.html", include_str!("../../templates/drill.html")),
    ("timeline.html", include_str!("../../templates/timeline.html")),
    ("gantt.html", include_str!("../../templates/gantt.html")),
];
/// Longest value shown, in characters; the JSON report holds the whole of it.
const VALUE_LIMIT: usize = 1_000;
/// Most findings of one check shown: the page must stay small enough for a browser.
const FINDINGS_SHOWN: usize = 100;
const STYLE: &str = include_str!("../../templates/report.css");

/// The data of the template.
#[derive(Serialize)]
struct Page<'a> {
    report: &'a Report,
    remarks: Vec<&'a str>,
    wrong: Vec<Wrong<'a>>,
    repairs: Vec<ShownRepair<'a>>,
    /// One per drill.
    timelines: Vec<Option<Timeline>>,
    gantts: Vec<Option<Gantt>>,
}

/// The run as a self-contained HTML page, for reading and printing.
pub fn html(record: &Record) -> Result<String> {
    let mut environment = Environment::new();
    // A field that a template misspells is an error, not an empty cell.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax =
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.context("cannot set up the HTML report")?);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).context("cannot read a template of the HTML report")?;
    }
    environment.add_filter("capitalised", |text: &str| view::capitalised(text));
    environment.add_filter("line", one_line);
    // The page preserves white space, so values need no visible stand-ins for it.
    environment.add_filter("value", |text: &str| shorten(text, VALUE_LIMIT));
    let report = Report::of(record);
    let page = Value::from(Serde(Page {
        remarks: report.remarks().collect(),
        wrong: report.wrong(FINDINGS_SHOWN),
        repairs: report.repairs(FINDINGS_SHOWN),
        timelines: report.drills.iter().map(timeline::of).collect(),
        gantts: report.drills.iter().map(gantt::of).collect(),
        report: &report,
    }));
    // The browser accepts only this style. A value that got past the escaping cannot change the page's style.
    let style_hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    environment
        .get_template("report.html")
        .and_then(|template| template.render(context! { page, style => STYLE, style_hash }))
        .context("cannot render the HTML report")
}
