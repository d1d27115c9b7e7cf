//! `comeback init`: writes commented settings, after looking at the user's backups and runbook.

use std::fmt::Write as _;

use comeback_engine::artefact::VerifyOptions;
use comeback_engine::runbook::{ObjectiveKind, Runbook, Section};
use comeback_error::{Context as _, Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_reports::{artefact_line, format};

use super::load_runbook;
use crate::cli::{InitArgs, RunbookArgs};
use crate::config::Config;
use crate::output;
use crate::places::look_for;

/// A backup that was looked at.
struct Seen {
    name: String,
    from: String,
    summary: ArtefactSummary,
}

/// Everything is looked at before anything is written. A file that exists is never replaced.
pub(crate) async fn init(args: &InitArgs) -> Result<u8> {
    if args.out.exists() {
        return Err(Error::usage(format!("{} exists already", args.out.display()))
            .hint("name another file with --out, or edit that one"));
    }
    let named = RunbookArgs { runbook: args.runbook.clone(), sample_runbook: false };
    let runbook = load_runbook(&named, &Config::default())?;
    let mut seen: Vec<Seen> = Vec::new();
    for from in &args.sources {
        let artefact = look_for(from, &args.identity, VerifyOptions::default()).await?;
        let name = name_of(from, &seen);
        seen.push(Seen { name, from: absolute(from), summary: artefact.summary() });
    }
    let text = settings(args, runbook.as_deref(), &seen);
    let file = std::fs::File::options().write(true).create_new(true).open(&args.out);
    let doing = format!("writing {}", args.out.display());
    std::io::Write::write_all(&mut file.context(&doing)?, text.as_bytes()).context(&doing)?;
    for one in &seen {
        output::text(&format!("{}: {}\n", one.name, artefact_line(&one.summary)));
    }
    output::text(&format!("wrote {}\n", args.out.display()));
    let next = match seen.first() {
        Some(first) => format!("next: comeback verify {}\n", first.name),
        None => "next: declare a backup in it, and run `comeback verify NAME`\n".to_owned(),
    };
    output::text(&next);
    Ok(0)
}

/// A path that does not depend on the folder that a command runs in; a URL as it is.
fn absolute(from: &str) -> String {
    if from.contains("://") {
        return from.to_owned();
    }
    std::path::absolute(from).map_or_else(|_| from.to_owned(), |path| path.display().to_string())
}

/// A name for a backup: the last part of its place, without endings and dates, and no name twice.
fn name_of(from: &str, seen: &[Seen]) -> String {
    let last = from.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let stem = last.split('.').next().unwrap_or_default();
    let word =
        stem.trim_end_matches(|char: char| char.is_ascii_digit() || matches!(char, '-' | '_' | 'T' | 'Z'));
    let word: String = word.chars().map(|char| if char.is_alphanumeric() { char } else { '-' }).collect();
    let word = word.trim_matches('-').to_lowercase();
    let word = if word.is_empty() { "backup".to_owned() } else { word };
    let is_free = |name: &String| !seen.iter().any(|other| other.name == *name);
    let numbered = (2..).map(|number| format!("{word}-{number}"));
    std::iter::once(word.clone()).chain(numbered).find(is_free).unwrap_or(word)
}

/// A text as a TOML string.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn settings(args: &InitArgs, runbook: Option<&Runbook>, seen: &[Seen]) -> String {
    let mut text =
        String::from("# Settings of `comeback`. Keys that are not known are errors.\n\n[service]\n");
    let _ = match runbook {
        Some(runbook) => {
            writeln!(
                text,
                "# The document whose objectives judge the time.\nrunbook = {}",
                quoted(runbook.file())
            )
        }
        None => {
            writeln!(text, "# The document whose objectives judge the time.\n# runbook = \"docs/runbook.md\"")
        }
    };
    for one in seen {
        backup(&mut text, args, runbook, one);
    }
    if seen.is_empty() {
        text.push_str("\n# [[backup]]\n# name = \"app\"\n# from = \"/backups/app/\"\n");
    }
    text
}

fn backup(text: &mut String, args: &InitArgs, runbook: Option<&Runbook>, one: &Seen) {
    let _ = write!(
        text,
        "\n# `comeback verify {name}` restores it on a throw-away server and judges what came back.\n\
         # Found there: {found}\n\
         [[backup]]\nname = {}\nfrom = {}\n",
        quoted(&one.name),
        quoted(&one.from),
        name = one.name,
        found = artefact_line(&one.summary),
    );
    if !args.identity.is_empty() {
        let keys: Vec<_> = args.identity.iter().map(|key| quoted(&key.display().to_string())).collect();
        let _ = writeln!(text, "# The private key that opens it.\nidentity = [{}]", keys.join(", "));
    }
    text.push_str(
        "# Which backup of several: \"latest\", \"random\" or a name.\n# select = \"latest\"\n\
         # When it is taken, as cron writes it: a newest backup that is too old is a finding.\n\
         # schedule = \"0 3 * * *\"\n\
         # What must be shown: restored, sound, answered (your queries), compared (with an earlier restore), exact.\n\
         require = [\"restored\", \"sound\"]\n\
         # The suites that verify it: ci, weekly, monthly, quarterly.\n\
         suites = [\"weekly\", \"monthly\", \"quarterly\"]\n",
    );
    let documented = runbook.map(objectives).unwrap_or_default();
    if !documented.is_empty() {
        text.push_str("# The section of the runbook whose objective judges the time. These have one:\n");
    }
    for line in documented {
        let _ = writeln!(text, "# section = {line}");
    }
    text.push_str(
        "# Your own questions to what came back. The answer is compared: `== 0`, `> 0`, `== 'text'`, `age < 26h`.\n\
         # [[backup.query]]\n# name = \"orders of yesterday are there\"\n\
         # sql = \"select max(created_at) from orders\"\n# expect = \"age < 26h\"\n",
    );
}

/// The sections that document a time to recovery, with that time.
fn objectives(runbook: &Runbook) -> Vec<String> {
    fn walk<'a>(sections: &'a [Section], all: &mut Vec<&'a Section>) {
        for section in sections {
            all.push(section);
            walk(section.children(), all);
        }
    }
    let mut all = Vec::new();
    walk(runbook.sections(), &mut all);
    let told = |section: &Section| {
        let objective = runbook.objective(section, ObjectiveKind::TimeToRecovery).ok()?;
        let limit = format::limit(objective.lower_ms, objective.upper_ms);
        // A path of headings that leads to this section and to no other.
        let name = (1..=section.path().len())
            .map(|count| {
                section.path().iter().rev().take(count).rev().cloned().collect::<Vec<_>>().join(" / ")
            })
            .find(|name| runbook.section(name).is_ok_and(|found| found == section))?;
        Some(format!("{}   # {limit}", quoted(&name)))
    };
    all.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_date_and_is_not_given_twice() {
        let mut seen = Vec::new();
        for (from, name) in [
            ("/backups/app-2026-11-28.sql.gz", "app"),
            ("s3://bucket/App_Nightly/", "app-nightly"),
            ("/x/app.dump", "app-2"),
            ("/20261128T030000Z/", "backup"),
        ] {
            let given = name_of(from, &seen);
            assert_eq!(given, name);
            seen.push(Seen { name: given, from: from.to_owned(), summary: ArtefactSummary::default() });
        }
    }

    #[test]
    fn the_settings_say_what_was_found_and_can_be_read() {
        let args = InitArgs {
            sources: Vec::new(),
            runbook: None,
            identity: vec!["/keys/break-glass.txt".into()],
            out: "comeback.toml".into(),
        };
        let summary = ArtefactSummary {
            kind: "plain SQL dump, gzip".to_owned(),
            bytes: Some(3_200_000),
            software: Some("PostgreSQL 15.14".to_owned()),
            ..ArtefactSummary::default()
        };
        let seen = [Seen { name: "app".to_owned(), from: "/backups/\"app\".sql.gz".to_owned(), summary }];
        let runbook = Runbook::parse("docs/runbook.md", comeback_fixtures::RUNBOOK);
        let text = settings(&args, Some(&runbook), &seen);
        let config = crate::config::parse("comeback.toml", &text).map_err(|error| error.to_string()).unwrap();
        assert_eq!(config.backups.len(), 1);
        assert_eq!(config.backups[0].from, "/backups/\"app\".sql.gz");
        // Each commented section can be used as it stands.
        for line in text.lines().filter_map(|line| line.strip_prefix("# section = ")) {
            let with = format!("{text}\n[[backup]]\nname = \"b\"\nfrom = \"/x\"\nsection = {line}\n");
            let config =
                crate::config::parse("comeback.toml", &with).map_err(|error| error.to_string()).unwrap();
            assert!(runbook.section(config.backups[1].section()).is_ok(), "{line}");
        }
        insta::assert_snapshot!(text);
    }
}
