//! Parsers of argument values. An error says what to write instead.

use std::str::FromStr;

use comeback_engine::artefact::{Creatable, Select, Skippable};
use comeback_engine::damage::DamageSpec;
use comeback_model::{Lsn, RecoveryPoint, RecoveryTarget, Statement};
use jiff::Timestamp;

use crate::rolling::Choice;
use crate::suggest::closest;

/// A whole number of 1 or more.
pub(crate) fn at_least_one<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "it must be a whole number of 1 or more".to_owned())
}

/// A whole number.
pub(crate) fn whole_number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "it must be a whole number, and not too large a one".to_owned())
}

/// A moment.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        "it must be a date with a year of four digits, a time, and an offset from UTC or Z: 2026-11-22T05:41:00Z"
            .to_owned()
    })
}

/// A position in PostgreSQL's log.
pub(crate) fn position(text: &str) -> Result<Lsn, String> {
    text.parse().map_err(|_| "it must be a position as the server writes it: 0/5000110".to_owned())
}

/// What a person says; it must not be empty.
pub(crate) fn said(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("it must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

/// The name of a drill: a word, so that it can be typed.
pub(crate) fn drill_name(text: &str) -> Result<String, String> {
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_./".contains(char);
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("it must be a word of letters, digits, `-`, `_`, `.` and `/`, such as 2026-q4".to_owned())
}

/// A class of damages, by its name.
pub(crate) fn damage_class(text: &str) -> Result<&'static str, String> {
    let classes = comeback_scenarios::damages().classes;
    let found = classes.iter().copied().find(|class| *class == text);
    found.ok_or_else(|| {
        format!("there is no class of damages named `{text}`: there are {}", classes.join(", "))
    })
}

/// A damage, by its name.
pub(crate) fn damage(text: &str) -> Result<&'static DamageSpec, String> {
    let known = comeback_scenarios::damages();
    known.find(text).ok_or_else(|| {
        let meant = closest(text, known.damages.iter().map(|damage| damage.name))
            .map_or_else(String::new, |name| format!("did you mean `{name}`? "));
        format!(
            "there is no damage of this name; {meant}`comeback list --damages` shows those of each scenario"
        )
    })
}

/// Which backup of several.
#[expect(clippy::unnecessary_wraps, reason = "the form that clap wants")]
pub(crate) fn select(text: &str) -> Result<Choice, String> {
    Ok(match text {
        "latest" => Choice::Select(Select::Latest),
        "random" => Choice::Select(Select::Random),
        "oldest-unverified" => Choice::OldestUnverified,
        id => Choice::Select(Select::Id(id.to_owned())),
    })
}

/// A moment to recover to: the end of the log, a position in it, or a time.
pub(crate) fn target(text: &str) -> Result<RecoveryTarget, String> {
    let point = match (text, text.parse::<Lsn>()) {
        ("latest", _) => RecoveryPoint::Latest,
        (_, Ok(lsn)) => RecoveryPoint::Lsn(lsn),
        _ => RecoveryPoint::Time(moment(text)?),
    };
    Ok(RecoveryTarget::including(point))
}

/// What may be made up for a restore.
pub(crate) fn creatable(text: &str) -> Result<Creatable, String> {
    match text {
        "roles" => Ok(Creatable::Roles),
        "tablespaces" => Ok(Creatable::Tablespaces),
        _ => Err(format!("`{text}` cannot be made up: there are roles, tablespaces")),
    }
}

/// A judge that may be left out.
pub(crate) fn skippable(text: &str) -> Result<Skippable, String> {
    let found = Skippable::ALL.into_iter().find(|one| one.judge() == text);
    found.ok_or_else(|| {
        let names = Skippable::ALL.map(Skippable::judge).join(", ");
        format!("no judge `{text}` may be left out: those that take long are {names}")
    })
}

/// A statement about a backup.
pub(crate) fn statement(text: &str) -> Result<Statement, String> {
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_says_what_to_write() {
        assert_eq!(at_least_one::<std::num::NonZeroU32>("7").map(std::num::NonZero::get), Ok(7));
        for text in ["0", "-1", "two", "1.5", ""] {
            assert!(at_least_one::<std::num::NonZeroU32>(text).unwrap_err().contains("1 or more"), "{text}");
        }
        assert!(moment("2026-11-22T05:41:00Z").is_ok() && moment("2026-11-22T05:41:00+01:00").is_ok());
        for text in ["22026-11-22T05:41:00Z", "26-11-22T05:41:00Z", "yesterday", "2026-11-22"] {
            assert!(moment(text).unwrap_err().contains("2026-11-22T05:41:00Z"), "{text}");
        }
        assert!(Skippable::ALL.into_iter().all(|one| skippable(one.judge()) == Ok(one)));
        assert!(skippable("indexes").unwrap_err().contains("are structure, constraints, page-checksums"));
        assert_eq!(damage("row-gone").map(|damage| damage.name), Ok("row-gone"));
        assert!(damage("row-gonne").unwrap_err().contains("did you mean `row-gone`?"));
    }
}
