//! Which step a person means.

use comeback_error::{Error, Result};
use comeback_model::Plan;

use crate::suggest::closest;

/// The step with a number, a name, or a name that begins so; upper and lower case count the same.
pub(super) fn named(plan: &Plan, text: &str) -> Result<usize> {
    let wanted = text.trim().to_lowercase();
    let names: Vec<_> = plan.steps.iter().map(|step| step.name.to_lowercase()).collect();
    if let Some(step) = names.iter().position(|name| *name == wanted) {
        return Ok(step);
    }
    if let Ok(number) = wanted.parse::<usize>() {
        let step = number.checked_sub(1).filter(|step| *step < names.len());
        return step.ok_or_else(|| unknown(plan, text));
    }
    let alike = names.iter().enumerate().filter(|(_, name)| !wanted.is_empty() && name.starts_with(&wanted));
    let alike: Vec<_> = alike.map(|(step, _)| step).collect();
    match alike[..] {
        [step] => Ok(step),
        [] => Err(unknown(plan, text)),
        _ => {
            let names: Vec<_> = alike.iter().map(|step| format!("{:?}", plan.steps[*step].name)).collect();
            Err(Error::usage(format!("{text:?} is the beginning of {} steps", names.len()))
                .hint(format!("write more of one of {}, or its number", names.join(", "))))
        }
    }
}

fn unknown(plan: &Plan, text: &str) -> Error {
    let error = Error::usage(format!("the plan has no step {text:?}"));
    let error = match closest(text, plan.steps.iter().map(|step| step.name.as_str())) {
        Some(meant) => error.hint(format!("did you mean {meant:?}?")),
        None => error,
    };
    let names = (1..).zip(&plan.steps).map(|(number, step)| format!("{number} {:?}", step.name));
    error.hint(format!("its steps are {}", names.collect::<Vec<_>>().join(", ")))
}

#[cfg(test)]
mod tests {
    use comeback_engine::runbook::Runbook;

    use super::super::super::recovery::{plan_of, plan_settings};
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_step_is_meant_by_number_name_or_a_beginning_that_no_other_has() {
        let (runbook, config) = (Runbook::parse("runbook.md", comeback_fixtures::RUNBOOK), Config::default());
        let mut plan = plan_of(&runbook, &plan_settings(true, &config).unwrap(), &config).unwrap();
        plan.steps[5].name = "Database verification".to_owned();
        let meant = |text: &str| named(&plan, text).map_err(|error| error.to_string());
        for (text, step) in
            [("1", 0), ("activate", 0), ("Database", 1), ("database v", 5), (" dns ", 4), ("re", 2)]
        {
            assert_eq!(meant(text), Ok(step), "{text}");
        }
        for (text, why) in [
            ("0", "no step \"0\""),
            ("7", "no step \"7\""),
            ("", "no step \"\""),
            ("d", "\"d\" is the beginning of 3 steps"),
            ("Databsae", "did you mean \"Database\"?"),
        ] {
            let refused = meant(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
