//! `comeback list`: what can be drilled.

use comeback_harness::Result;
use comeback_harness::fault::Damage;
use comeback_harness::runbook::{ObjectiveKind, Runbook};
use comeback_harness::runner::ScenarioSpec;
use comeback_reports::format;

use crate::cli::ListArgs;
use crate::config::Config;
use crate::output;

/// Lists every scenario with its suites and its documented objective.
pub(crate) fn list(args: &ListArgs, config: &Config) -> Result<u8> {
    let runbook = super::load_runbook(args.runbook.as_deref().or(config.run.runbook.as_deref()))?;
    for scenario in comeback_scenarios::all() {
        let spec = scenario.spec();
        let suites = spec.suites.iter().map(|suite| suite.as_str()).collect::<Vec<_>>().join(", ");
        let lines = [
            format!("{}\n  {}", spec.name, spec.title),
            format!("  suites     {suites}"),
            format!("  objective  {}", objective(&runbook, &spec)),
        ];
        output::text(&format!("{}\n", lines.join("\n")));
        if args.damages {
            let names = spec
                .damages
                .iter()
                .copied()
                .flatten()
                .map(|damage| Damage::name(*damage))
                .collect::<Vec<_>>()
                .join(", ");
            output::text(&format!("  damages    {names}\n"));
        }
    }
    Ok(0)
}

fn objective(runbook: &Runbook, spec: &ScenarioSpec) -> String {
    let objective = runbook
        .section(spec.section)
        .and_then(|section| runbook.objective(section, ObjectiveKind::TimeToRecovery));
    match objective {
        Ok(objective) => format!(
            "{} ({}:{})",
            format::limit(objective.lower_ms, objective.upper_ms),
            objective.source.file,
            objective.source.line
        ),
        Err(error) => format!("none: {}", error.message()),
    }
}
