//! `[plan]` and `[[plan.step]]` of `comeback.toml`: what the runbook does not say of the full disaster recovery.

use comeback_engine::plan::{DeclaredBudget, DeclaredStep, Placed};
use comeback_error::{Error, Result};
use comeback_model::StepCommand;
use serde::Deserialize;
use toml::Spanned;

use crate::coherence::{At, program};

/// The section as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanSection {
    section: Option<String>,
    #[serde(default)]
    step: Vec<StepEntry>,
}

/// One `[[plan.step]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StepEntry {
    name: Spanned<String>,
    needs: Option<Vec<Spanned<String>>>,
    budget: Option<Spanned<String>>,
    tier: Option<Spanned<toml::Value>>,
    procedure: Option<Spanned<String>>,
    command: Option<Spanned<Vec<String>>>,
    proves: Option<Spanned<Vec<String>>>,
}

/// What the settings say of the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct PlanSettings {
    /// The section of the runbook, if its words do not find it.
    pub(crate) section: Option<String>,
    /// The steps, by their names in the runbook.
    pub(crate) steps: Vec<DeclaredStep>,
}

impl PlanSection {
    /// Reads the steps. `place` gives the place of an offset in the file, and `at` an error there.
    pub(crate) fn read(
        self,
        place: &dyn Fn(usize) -> String,
        at: &dyn Fn(usize, &str) -> Error,
    ) -> Result<PlanSettings> {
        let steps = self.step.into_iter().map(|entry| entry.read(place, at)).collect::<Result<_>>()?;
        Ok(PlanSettings { section: self.section, steps })
    }
}

/// A file with nothing but a plan.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    plan: PlanSection,
}

/// The steps of the plan in the sample runbook.
pub(crate) fn sample_plan() -> Result<PlanSettings> {
    let unreadable = |error: &str| Error::could_not_verify(format!("the sample plan: {error}"));
    let file: PlanFile =
        toml::from_str(comeback_fixtures::PLAN).map_err(|error| unreadable(error.message()))?;
    file.plan.read(&|offset| format!("the sample plan at {offset}"), &|_, error| unreadable(error))
}

impl StepEntry {
    fn read(
        self,
        place: &dyn Fn(usize) -> String,
        at: &dyn Fn(usize, &str) -> Error,
    ) -> Result<DeclaredStep> {
        let placed = |text: Spanned<String>| {
            let place = place(text.span().start);
            Placed { value: text.into_inner(), place }
        };
        let budget = self.budget.map(|text| {
            let start = text.span().start;
            let length = text.get_ref().parse().map_err(|why: String| {
                at(
                    start,
                    &format!("`{}` is no budget: {why}: write a time such as \"30 min\"", text.get_ref()),
                )
            });
            length.map(|length| {
                let value = DeclaredBudget { length, text: text.into_inner() };
                Placed { value, place: place(start) }
            })
        });
        let tiers = match self.tier {
            None => Vec::new(),
            Some(tier) => {
                let start = tier.span().start;
                let names = names_in(tier.into_inner());
                let names = names.ok_or_else(|| {
                    at(start, "`tier` must be the name of a tier of the runbook, or a list of such names")
                })?;
                names.into_iter().map(|value| Placed { value, place: place(start) }).collect()
            }
        };
        Ok(DeclaredStep {
            name: placed(self.name),
            needs: self.needs.map(|needs| needs.into_iter().map(placed).collect()),
            budget: budget.transpose()?,
            tiers,
            command: command(self.command, self.proves, self.procedure.as_ref(), at)?,
            procedure: self.procedure.map(placed),
        })
    }
}

/// The command of a step, and what proves it.
fn command(
    argv: Option<Spanned<Vec<String>>>,
    proves: Option<Spanned<Vec<String>>>,
    procedure: Option<&Spanned<String>>,
    at: At<'_>,
) -> Result<Option<StepCommand>> {
    match (argv, proves) {
        (None, None) => Ok(None),
        (None, Some(proves)) => {
            Err(at(proves.span().start, "`proves` proves what a `command` did: this step has none"))
        }
        (Some(argv), _) if procedure.is_some() => {
            Err(at(argv.span().start, "a step has a `procedure` or a `command`, and not both"))
        }
        (Some(argv), proves) => {
            let proves = proves.map(|proves| program(proves, at)).transpose()?;
            Ok(Some(StepCommand { argv: program(argv, at)?, proves }))
        }
    }
}

/// A text, or a list of texts.
fn names_in(value: toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(name) => Some(vec![name]),
        toml::Value::Array(names) => names
            .into_iter()
            .map(|name| match name {
                toml::Value::String(name) => Some(name),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}
