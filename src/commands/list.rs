//! `comeback list`: what can be drilled.

use comeback_engine::runbook::{ObjectiveKind, Runbook};
use comeback_engine::runner::ScenarioSpec;
use comeback_error::Result;
use comeback_reports::format;

use super::selection::all;
use crate::cli::ListArgs;
use crate::config::Config;
use crate::output;

/// Lists every scenario with its suites and its documented objective.
pub(crate) fn list(args: &ListArgs, config: &Config) -> Result<u8> {
    let runbook = super::load_runbook(&args.runbook, config)?;
    for scenario in all(config, 0) {
        let spec = scenario.spec();
        let suites = spec.suites.iter().map(|suite| suite.as_str()).collect::<Vec<_>>().join(", ");
        let lines = [
            format!("{}\n  {}", spec.name, spec.title),
            format!("  suites     {suites}"),
            format!("  objective  {}", told(runbook.as_deref(), &spec, ObjectiveKind::TimeToRecovery)),
            format!("  may lose   {}", told(runbook.as_deref(), &spec, ObjectiveKind::RecoveryPoint)),
        ];
        output::listing(&format!("{}\n", lines.join("\n")));
        if args.damages {
            let names: Vec<_> =
                spec.damages.iter().flat_map(|table| table.specs()).map(|damage| damage.name).collect();
            output::listing(&format!("  damages    {}\n", names.join(", ")));
        }
    }
    Ok(0)
}

/// The documented objective of a scenario, or why it is not known.
fn told(runbook: Option<&Runbook>, spec: &ScenarioSpec, kind: ObjectiveKind) -> String {
    if spec.section.is_empty() {
        return "names no section of a runbook".to_owned();
    }
    let Some(runbook) = runbook else { return "no runbook named".to_owned() };
    match runbook.section(&spec.section).and_then(|section| runbook.documented(section, kind)) {
        Ok(Some(objective)) => format!(
            "{} ({}:{})",
            format::limit(objective.lower_ms, objective.upper_ms),
            objective.source.file,
            objective.source.line
        ),
        Ok(None) => "not documented".to_owned(),
        Err(error) => format!("cannot be verified: {}", error.message()),
    }
}
