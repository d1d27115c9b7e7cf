//! `comeback plan show`: the plan of the full disaster recovery, before it is needed.

use std::path::Path;

use comeback_error::{Error, Result};
use comeback_model::PlanOutline;
use comeback_model::plan::{findings, schedule};
use comeback_reports::{TerminalOptions, plan_svg, plan_text};

use super::earlier::last_times;
use super::junit::ensure_can_be_written;
use super::recovery::{plan_of, plan_settings};
use super::report::{SHARED, write_whole};
use super::session::history;
use crate::cli::{PlanCommand, PlanShowArgs};
use crate::config::Config;
use crate::output;

pub(crate) async fn plan(command: &PlanCommand, config: &Config) -> Result<u8> {
    match command {
        PlanCommand::Show(args) => show(args, config).await,
    }
}

/// Everything that is wrong is told before anything is written.
async fn show(args: &PlanShowArgs, config: &Config) -> Result<u8> {
    if let Some(svg) = &args.svg {
        ensure_is_for_a_drawing(svg)?;
    }
    let runbook = super::load_runbook(&args.runbook, config)?.ok_or_else(|| {
        Error::usage("no runbook was named: it holds the steps of the plan, and their budgets")
            .hint("name yours with --runbook FILE, or as `runbook` under [service] in comeback.toml")
            .hint("to see a plan without one, use --sample-runbook")
    })?;
    let settings = plan_settings(args.runbook.sample_runbook, config)?;
    let plan = plan_of(&runbook, &settings, config)?;
    let runs = history(args.evidence_dir.as_ref(), config).runs().await?;
    for unreadable in &runs.unreadable {
        output::problem("warning", unreadable);
    }
    let measured = last_times(&runs.records, &plan);
    let schedule = schedule(&plan);
    let outline = PlanOutline { findings: findings(&plan, &schedule), plan, schedule, measured };
    if let Some(svg) = &args.svg {
        write_whole(svg, plan_svg(&outline)?.as_bytes(), SHARED)?;
    }
    let options =
        TerminalOptions { color: output::takes_colour(), width: output::width(), evidence_dir: None };
    output::painted(&plan_text(&outline, options));
    if let Some(svg) = &args.svg {
        output::text(&format!("\nDrawn in {}\n", svg.display()));
    }
    Ok(0)
}

/// Refuses, before anything is read, a file that cannot be written or that is no drawing.
fn ensure_is_for_a_drawing(file: &Path) -> Result<()> {
    ensure_can_be_written(file, "--svg")?;
    let content = match std::fs::read(file) {
        Ok(content) => content,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::usage(format!("reading {}: {error}", file.display()))),
    };
    let is_drawing = content.is_empty() || is_svg(&String::from_utf8_lossy(&content));
    if is_drawing {
        return Ok(());
    }
    Err(Error::usage(format!("{} exists and is no SVG file: it is not replaced", file.display()))
        .hint("name another file with --svg, or remove that one"))
}

/// Whether the first element of a text is that of a drawing.
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    for (open, close) in [("<?", "?>"), ("<!--", "-->"), ("<!DOCTYPE", ">"), ("<!--", "-->")] {
        if rest.starts_with(open) {
            rest = rest.split_once(close).map_or("", |(_, rest)| rest).trim_start();
        }
    }
    rest.starts_with("<svg")
}

#[cfg(test)]
mod tests {
    use comeback_engine::runbook::Runbook;

    use super::*;

    #[test]
    fn a_drawing_is_known_by_its_first_element() {
        for text in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "\n<?xml version=\"1.0\"?>\n<!-- made by hand -->\n<!DOCTYPE svg PUBLIC \"a\" \"b\">\n<svg/>",
        ] {
            assert!(is_svg(text), "{text}");
        }
        for text in ["", "{}", "<html><svg/></html>", "<!-- <svg> -->", "<?xml"] {
            assert!(!is_svg(text), "{text}");
        }
    }

    #[test]
    fn the_plan_of_the_example_is_that_of_the_sample() {
        let example = include_str!("../../comeback.toml");
        let config =
            crate::config::parse("comeback.toml", example).map_err(|error| error.to_string()).unwrap();
        let runbook = Runbook::parse("runbook.md", comeback_fixtures::RUNBOOK);
        let plan = plan_of(&runbook, &config.plan, &config).unwrap();
        assert_eq!(plan.steps[3].needs, [1, 2]);
        assert!(plan.tiers.iter().all(|tier| !tier.restored_by.is_empty()));
        let sample = plan_settings(true, &Config::default()).unwrap();
        assert_eq!(plan_of(&runbook, &sample, &config).unwrap(), plan);
    }
}
