//! `[[coherence]]` of `comeback.toml`: rules of the user about stores that must agree.

use comeback_error::{Error, Result};
use comeback_model::{CoherenceRule, KeySource};
use comeback_postgres::count_statements;
use serde::Deserialize;
use toml::Spanned;

/// One `[[coherence]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CoherenceEntry {
    name: Spanned<String>,
    naming: Spanned<SourceEntry>,
    there: Spanned<SourceEntry>,
    repair: String,
}

/// Where keys come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceEntry {
    postgres: Option<Spanned<String>>,
    redis: Option<RedisEntry>,
    objects: Option<ObjectsEntry>,
    command: Option<Spanned<Vec<String>>>,
}

/// Keys in Redis.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisEntry {
    keys: Spanned<String>,
    field: Option<String>,
}

/// Objects in the bucket.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectsEntry {
    prefix: String,
}

/// Rules that are built in, by the word that their checks begin with.
const BUILT_IN: [&str; 3] = ["jobs", "mails", "redis"];

/// Tells an error at an offset of the file.
pub(crate) type At<'a> = &'a dyn Fn(usize, &str) -> Error;

/// Reads the rules; a slip in one is told at its place in the file.
pub(crate) fn rules(entries: Vec<CoherenceEntry>, at: At<'_>) -> Result<Vec<CoherenceRule>> {
    let mut rules: Vec<CoherenceRule> = Vec::new();
    for CoherenceEntry { name, naming, there, repair } in entries {
        let start = name.span().start;
        let (naming, there) = (source(naming, at)?, source(there, at)?);
        let rule = CoherenceRule { name: name.into_inner(), naming, there, repair };
        if rule.slug().is_empty() {
            return Err(at(start, "the name of a rule has at least one letter: it names a check"));
        }
        if BUILT_IN.contains(&rule.slug().as_str()) {
            return Err(at(start, &format!("the name `{}` is that of a rule that is built in", rule.name)));
        }
        // Two checks of a drill must not have the same name.
        if let Some(other) = rules.iter().find(|other| other.slug() == rule.slug()) {
            return Err(at(
                start,
                &format!("the rules `{}` and `{}` have the same name", other.name, rule.name),
            ));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn source(entry: Spanned<SourceEntry>, at: At<'_>) -> Result<KeySource> {
    let start = entry.span().start;
    match entry.into_inner() {
        SourceEntry { postgres: Some(sql), redis: None, objects: None, command: None } => query(sql, at),
        SourceEntry { postgres: None, redis: None, objects: None, command: Some(argv) } => {
            Ok(KeySource::Command { argv: program(argv, at)? })
        }
        SourceEntry {
            postgres: None,
            redis: None,
            objects: Some(ObjectsEntry { prefix }),
            command: None,
        } => Ok(KeySource::Objects { prefix }),
        SourceEntry {
            postgres: None,
            redis: Some(RedisEntry { keys, field }),
            objects: None,
            command: None,
        } => {
            let prefix = prefix(&keys).ok_or_else(|| {
                at(
                    keys.span().start,
                    "`keys` is the beginning of the names of keys with `*` behind it: `session:*`",
                )
            })?;
            Ok(match field {
                Some(field) => KeySource::RedisField { prefix, field },
                None => KeySource::RedisKeys { prefix },
            })
        }
        _ => Err(at(
            start,
            "keys come from one place: `postgres = \"QUERY\"`, `redis = { keys = \"session:*\" }`, \
             `objects = { prefix = \"\" }` or `command = [\"PROGRAM\"]`",
        )),
    }
}

/// A program and its arguments.
pub(crate) fn program(argv: Spanned<Vec<String>>, at: At<'_>) -> Result<Vec<String>> {
    if argv.get_ref().first().is_none_or(String::is_empty) {
        return Err(at(argv.span().start, "the command is empty: write a program and its arguments"));
    }
    Ok(argv.into_inner())
}

fn query(sql: Spanned<String>, at: At<'_>) -> Result<KeySource> {
    match count_statements(sql.get_ref()) {
        1 => Ok(KeySource::Postgres { sql: sql.into_inner() }),
        0 => Err(at(sql.span().start, "the query is empty")),
        several => Err(at(
            sql.span().start,
            &format!("the query has {several} statements: write one whose first column is the key"),
        )),
    }
}

/// What stands before the only `*`, at the end.
fn prefix(keys: &Spanned<String>) -> Option<String> {
    let prefix = keys.get_ref().strip_suffix('*')?;
    (!prefix.contains(['*', '?', '[', ']', '\\'])).then(|| prefix.to_owned())
}
