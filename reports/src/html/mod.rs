//! One self-contained page: no script, no outside address, the same bytes for the same record.

mod drill;
mod page;
mod timeline;

use base64::Engine as _;
use comeback_error::{Context as _, Result};
use comeback_model::evidence::Record;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

/// The templates, escaped by their names' ending: whatever a value holds, it stays text.
const TEMPLATES: [(&str, &str); 4] = [
    ("report.html", include_str!("../../templates/report.html")),
    ("wrong.html", include_str!("../../templates/wrong.html")),
    ("drill.html", include_str!("../../templates/drill.html")),
    ("timeline.html", include_str!("../../templates/timeline.html")),
];
const STYLE: &str = include_str!("../../templates/report.css");

/// The run as an HTML page of its own, for people and for printing.
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
    let page = Value::from(Serde(page::Page::of(record)));
    // The browser takes this style and no other: a value that got past the escaping could not even colour itself.
    let style_hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(STYLE));
    environment
        .get_template("report.html")
        .and_then(|template| template.render(context! { page, style => STYLE, style_hash }))
        .context("cannot render the HTML report")
}
