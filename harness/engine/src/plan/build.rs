//! Builds a plan from the runbook and the settings, and refuses one that contradicts itself.

use comeback_error::Error;
use comeback_model::{Citation, Objective, Plan, PlanStep, Tier};

use super::circle::circles;
use super::declared::{DeclaredBudget, DeclaredStep, Placed};
use crate::runbook::{DocumentedPlan, DocumentedStep, DocumentedTier};

/// Builds the plan. The runbook names the steps, and the settings say more of some of them. A step whose needs nobody
/// declares needs the step before it. The errors are everything that is wrong.
pub fn build(documented: &DocumentedPlan, declared: &[DeclaredStep]) -> Result<Plan, Vec<Error>> {
    let mut errors = Vec::new();
    let declarations = by_step(documented, declared, &mut errors);
    let needs = needs_of(documented, &declarations, &mut errors);
    errors.extend(circles(&needs).iter().map(|circle| in_circle(documented, &declarations, circle)));
    let tiers = tiers_of(documented, declared, &declarations, &mut errors);
    let mut steps = Vec::new();
    for ((step, declaration), needs) in documented.steps.iter().zip(&declarations).zip(needs) {
        let budget = budget_of(step, declaration.and_then(|one| one.budget.as_ref()), &mut errors);
        let procedure = declaration.and_then(|one| one.procedure.as_ref()).map(|one| one.value.clone());
        let command = declaration.and_then(|one| one.command.clone());
        let name = step.name().to_owned();
        steps.extend(budget.map(|budget| PlanStep { name, budget, needs, procedure, command }));
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let DocumentedPlan { title, source, total, .. } = documented.clone();
    Ok(Plan { title, source, total, steps, tiers })
}

/// What the settings say of each step of the runbook.
fn by_step<'a>(
    documented: &DocumentedPlan,
    declared: &'a [DeclaredStep],
    errors: &mut Vec<Error>,
) -> Vec<Option<&'a DeclaredStep>> {
    let mut found: Vec<Option<&DeclaredStep>> = vec![None; documented.steps.len()];
    for one in declared {
        match step_called(documented, &one.name) {
            Ok(at) => match found[at] {
                Some(other) => errors.push(declared_twice(one, other, &documented.steps[at])),
                None => found[at] = Some(one),
            },
            Err(error) => errors.push(error),
        }
    }
    found
}

/// The step of the runbook with a name.
fn step_called(documented: &DocumentedPlan, name: &Placed<String>) -> Result<usize, Error> {
    let steps = documented.steps.iter().enumerate();
    let found: Vec<_> = steps.filter(|(_, step)| step.is_called(&name.value)).collect();
    match found[..] {
        [(at, _)] => Ok(at),
        [(_, one), (_, other), ..] => Err(Error::usage(format!(
            "{}: {:?} is the name of two steps, {} and {}",
            name.place,
            name.value,
            place(&one.source),
            place(&other.source)
        ))
        .hint("give each step of the runbook a name of its own")),
        [] => Err(Error::usage(format!(
            "{}: the runbook has no step {:?} in {:?} ({})",
            name.place,
            name.value,
            documented.title,
            place(&documented.source)
        ))
        .hint(format!("its steps are {}", listed(documented.steps.iter().map(DocumentedStep::name))))),
    }
}

/// The steps that each step needs.
fn needs_of(
    documented: &DocumentedPlan,
    declarations: &[Option<&DeclaredStep>],
    errors: &mut Vec<Error>,
) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for (at, declaration) in declarations.iter().enumerate() {
        let Some(named) = declaration.and_then(|one| one.needs.as_ref()) else {
            all.push(at.checked_sub(1).into_iter().collect());
            continue;
        };
        let mut needs: Vec<usize> = Vec::new();
        for name in named {
            match step_called(documented, name) {
                Ok(need) if needs.contains(&need) => {}
                Ok(need) => needs.push(need),
                Err(error) => errors.push(error),
            }
        }
        needs.sort_unstable();
        all.push(needs);
    }
    all
}

/// The budget of a step, from the runbook or from the settings; a number in both must be the same one.
fn budget_of(
    step: &DocumentedStep,
    declared: Option<&Placed<DeclaredBudget>>,
    errors: &mut Vec<Error>,
) -> Option<Objective> {
    match (&step.budget, declared) {
        (Some(documented), Some(declared)) if !declared.value.length.agrees_with(documented) => {
            errors.push(budgets_differ(step, documented, declared));
            None
        }
        (Some(documented), _) => Some(documented.clone()),
        (None, Some(Placed { value, place })) => Some(Objective {
            lower_ms: value.length.lower_ms,
            upper_ms: value.length.upper_ms,
            source: declared_at(place, &value.text),
        }),
        (None, None) => {
            errors.push(without_budget(step));
            None
        }
    }
}

/// The place of a value of the settings, as a citation.
fn declared_at(place: &str, text: &str) -> Citation {
    let mut parts = place.rsplitn(3, ':').skip(1);
    let line = parts.next().and_then(|line| line.parse().ok()).unwrap_or_default();
    let file = parts.next().unwrap_or_default().to_owned();
    Citation { file, line, section: String::new(), text: text.to_owned() }
}

/// The tiers, with the steps that restore them. If any step is declared, each tier must be restored by one.
fn tiers_of(
    documented: &DocumentedPlan,
    declared: &[DeclaredStep],
    declarations: &[Option<&DeclaredStep>],
    errors: &mut Vec<Error>,
) -> Vec<Tier> {
    for name in declared.iter().flat_map(|one| &one.tiers) {
        if !documented.tiers.iter().any(|tier| tier.is_called(&name.value)) {
            errors.push(unknown_tier(documented, name));
        }
    }
    let mut tiers = Vec::new();
    for tier in &documented.tiers {
        let restores = |one: &DeclaredStep| one.tiers.iter().any(|name| tier.is_called(&name.value));
        let steps = declarations.iter().enumerate();
        let restoring = steps.filter(|(_, one)| one.is_some_and(restores));
        let restored_by: Vec<_> = restoring.map(|(at, _)| at).collect();
        // Not for a declared step that the runbook lacks: its name is what is wrong.
        if !declared.is_empty() && !declared.iter().any(restores) {
            errors.push(unrestored(tier));
        }
        let DocumentedTier { limit, what, .. } = tier.clone();
        tiers.push(Tier { name: tier.name().to_owned(), limit, what, restored_by });
    }
    tiers
}

fn place(source: &Citation) -> String {
    format!("{} line {}", source.file, source.line)
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

fn declared_twice(one: &DeclaredStep, other: &DeclaredStep, step: &DocumentedStep) -> Error {
    Error::usage(format!(
        "{}: the step {:?} is declared twice, first in {}",
        one.name.place,
        step.name(),
        other.name.place
    ))
    .hint("write everything about a step into one [[plan.step]]")
}

fn budgets_differ(step: &DocumentedStep, documented: &Objective, declared: &Placed<DeclaredBudget>) -> Error {
    Error::usage(format!(
        "{}: the budget of {:?} is {:?} here, and {} says {:?}",
        declared.place,
        step.name(),
        declared.value.text,
        place(&documented.source),
        documented.source.text
    ))
    .hint("remove `budget` here: the runbook is where budgets belong; or correct the runbook")
}

fn without_budget(step: &DocumentedStep) -> Error {
    let source = &step.source;
    Error::usage(format!(
        "the step {:?} has no planned time ({}: {:?})",
        step.name(),
        place(source),
        source.text
    ))
    .hint(
        "write it beside the step in the runbook, such as \"(30 min)\"; or as `budget` of its [[plan.step]]",
    )
}

fn unknown_tier(documented: &DocumentedPlan, name: &Placed<String>) -> Error {
    let error = Error::usage(format!("{}: the runbook has no tier {:?}", name.place, name.value));
    if documented.tiers.is_empty() {
        return error.hint("it has no tiers at all: write a table with the columns \"Tier\" and \"Limit\"");
    }
    error.hint(format!("its tiers are {}", listed(documented.tiers.iter().map(DocumentedTier::name))))
}

fn unrestored(tier: &DocumentedTier) -> Error {
    Error::usage(format!("no step restores the tier {:?} ({})", tier.name(), place(&tier.source)))
        .hint("name it as `tier` of the [[plan.step]] after which it is served")
}

fn in_circle(documented: &DocumentedPlan, declarations: &[Option<&DeclaredStep>], circle: &[usize]) -> Error {
    let name = |at: &usize| documented.steps.get(*at).map_or("", DocumentedStep::name);
    let way: Vec<_> = circle.iter().chain(circle.first()).map(name).collect();
    let needs = |at: &usize| declarations.get(*at).copied().flatten()?.needs.as_ref()?.first();
    let at = circle.iter().find_map(needs).map_or(String::new(), |need| format!("{}: ", need.place));
    let error = Error::usage(format!("{at}steps need each other in a circle: {}", way.join(" needs ")));
    let undeclared: Vec<_> = circle.iter().filter(|at| needs(at).is_none()).map(name).collect();
    if undeclared.is_empty() {
        return error.hint("remove one of these `needs`");
    }
    error.hint(format!(
        "a step without `needs` needs the one before it, such as {}: declare what it really needs",
        listed(undeclared.into_iter())
    ))
}
