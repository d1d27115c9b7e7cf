//! `comeback plan show`: the plan of the full disaster recovery, before it is needed.

use std::path::Path;

use comeback_engine::plan::{DeclaredStep, build, findings, schedule};
use comeback_engine::runbook::Runbook;
use comeback_error::{Error, Result};
use comeback_model::{Plan, PlanOutline};
use comeback_reports::{TerminalOptions, plan_svg, plan_text};

use super::earlier::last_times;
use super::junit::ensure_can_be_written;
use super::report::{SHARED, write_whole};
use super::run::{all, unknown_scenario};
use super::session::evidence_root;
use crate::cli::{PlanCommand, PlanShowArgs};
use crate::config::Config;
use crate::output;

pub(crate) fn plan(command: &PlanCommand, config: &Config) -> Result<u8> {
    match command {
        PlanCommand::Show(args) => show(args, config),
    }
}

/// Everything that is wrong is told before anything is written.
fn show(args: &PlanShowArgs, config: &Config) -> Result<u8> {
    if let Some(svg) = &args.svg {
        ensure_is_for_a_drawing(svg)?;
    }
    let runbook = super::load_runbook(&args.runbook, config)?.ok_or_else(|| {
        Error::usage("no runbook was named: it holds the steps of the plan, and their budgets")
            .hint("name yours with --runbook FILE, or as `runbook` under [service] in comeback.toml")
            .hint("to see a plan without one, use --sample-runbook")
    })?;
    let plan = planned(&runbook, config).map_err(all_told)?;
    let measured = last_times(&evidence_root(args.evidence_dir.as_ref(), config), &plan)?;
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

/// The plan of the runbook and the settings, or everything that is wrong with it.
fn planned(runbook: &Runbook, config: &Config) -> Result<Plan, Vec<Error>> {
    let declared = &config.plan.steps;
    let built =
        runbook.plan(config.plan.section.as_deref()).and_then(|documented| build(&documented, declared));
    let unknown = unknown_procedures(declared, config);
    match built {
        Ok(plan) if unknown.is_empty() => Ok(plan),
        built => Err(built.err().into_iter().flatten().chain(unknown).collect()),
    }
}

/// Procedures that are no scenario.
fn unknown_procedures(declared: &[DeclaredStep], config: &Config) -> Vec<Error> {
    let known: Vec<_> = all(config, 0).iter().map(|scenario| scenario.spec().name).collect();
    let named = declared.iter().filter_map(|step| step.procedure.as_ref());
    let unknown = named.filter(|named| !known.contains(&named.value));
    unknown.map(|named| unknown_scenario(&named.value, &known).context(&named.place)).collect()
}

/// Prints all errors but the last, which the caller prints.
fn all_told(mut errors: Vec<Error>) -> Error {
    let last = errors.pop().unwrap_or_else(|| Error::usage("the plan is wrong"));
    for error in &errors {
        output::problem("error", error);
    }
    last
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
    fn the_commented_plan_of_the_example_can_be_used() {
        let example = include_str!("../../comeback.toml");
        let (_, block) = example.split_once("# The plan of the full").unwrap();
        let (block, _) = block.split_once("# Your own backups").unwrap();
        let is_setting = |line: &&str| line.starts_with('[') || line.split_once(" = ").is_some();
        let lines = block.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting);
        let text = lines.collect::<Vec<_>>().join("\n");
        let config = crate::config::parse("comeback.toml", &text).map_err(|error| error.to_string()).unwrap();
        let runbook = Runbook::parse("runbook.md", comeback_fixtures::RUNBOOK);
        let plan = planned(&runbook, &config).unwrap();
        assert_eq!(plan.steps[3].needs, [1, 2]);
        assert!(plan.tiers.iter().all(|tier| !tier.restored_by.is_empty()));
    }
}
