//! The user's own rules about stores that must agree, asked of what came back.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use comeback_engine::judge::{Coherence, Judge, Opinion};
use comeback_engine::runner::Drill;
use comeback_engine::user_command::Kept;
use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::{CoherenceRule, KeySource, Phase};
use comeback_objects::live_keys;
use comeback_postgres::keys_and_things;
use comeback_redis::{read_hash_field, read_key_names};

use super::own_command::{CameBack, OwnCommands, last_lines};
use super::steps::Recovered;
use crate::roadtrip;

/// How long the command of a rule may take: one that hangs must not use up the drill.
const LIMIT: Duration = Duration::from_mins(10);
/// The most that a command may print: some million keys.
const OUTPUT: Kept = Kept::Beginning(64 * 1024 * 1024);

/// Judges each rule of the settings with a check of its own.
pub(super) async fn judge_rules(drill: &Drill, recovered: &Recovered) {
    let rules = drill.coherence_rules();
    if rules.is_empty() {
        return;
    }
    drill.step(Phase::Judge, "ask whether the stores agree by the rules of the settings");
    let commands = &OwnCommands::in_folder(drill.settings_folder());
    for rule in rules {
        drill.judge_of(&rule.slug(), &RuleJudge { rule, recovered, commands }).await;
    }
}

/// Compares the keys of both sides of a rule. A side that cannot be asked is *could not verify*.
struct RuleJudge<'a> {
    rule: &'a CoherenceRule,
    recovered: &'a Recovered,
    commands: &'a OwnCommands,
}

#[async_trait]
impl Judge for RuleJudge<'_> {
    fn name(&self) -> &'static str {
        "coherence"
    }

    async fn judge(&self) -> Result<Opinion> {
        let CoherenceRule { name, naming, there, repair } = self.rule;
        let told = |side: &str| format!("{name}: reading {side}");
        let naming = self.read(naming).await.map_err(|error| error.context(told("what names something")))?;
        let there = self.read(there).await.map_err(|error| error.context(told("what must be there")))?;
        let there: BTreeSet<_> = there.into_iter().filter_map(|(_, key)| key).collect();
        Coherence { rule: name, naming: &naming, there: &there, remedy: repair }.judge().await
    }
}

impl RuleJudge<'_> {
    /// Each thing with the key that it names.
    async fn read(&self, source: &KeySource) -> Result<Vec<(String, Option<String>)>> {
        let lacks = |what: &str| Error::could_not_verify(format!("no step of the plan restored {what}"));
        let cache = || self.recovered.cache.get().ok_or_else(|| lacks("Redis"));
        match source {
            KeySource::Postgres { sql } => {
                let database = self.recovered.database.get().ok_or_else(|| lacks("the database"))?;
                Ok(keys_and_things(database.address(), roadtrip::DATABASE, sql).await?)
            }
            KeySource::RedisField { prefix, field } => {
                read_hash_field(&cache()?.address(), prefix, field).await
            }
            KeySource::RedisKeys { prefix } => {
                let names = read_key_names(&cache()?.address(), prefix).await?;
                let key = |name: &String| name.strip_prefix(prefix.as_str()).map(ToOwned::to_owned);
                Ok(names.into_iter().map(|name| (name.clone(), key(&name))).collect())
            }
            KeySource::Objects { prefix } => {
                let bucket = self.recovered.bucket.get().ok_or_else(|| lacks("the photos"))?;
                let keys = live_keys(bucket, prefix).await?;
                Ok(keys.into_iter().map(|key| (key.clone(), Some(key))).collect())
            }
            KeySource::Command { argv } => self.ask(argv).await,
        }
    }

    /// The lines of a command. One that fails says nothing about the stores.
    async fn ask(&self, argv: &[String]) -> Result<Vec<(String, Option<String>)>> {
        let came_back =
            CameBack { database: self.recovered.database.get(), cache: self.recovered.cache.get() };
        let command = self.commands.command(argv, came_back, OUTPUT);
        let ended = command.run(wait::limits().command.min(LIMIT)).await?;
        if !ended.succeeded || ended.is_cut {
            let what = if ended.succeeded { "printed more than 64 MiB" } else { "failed" };
            let error = Error::could_not_verify(format!(
                "the command {:?} {what}: {}",
                command.program(),
                ended.status
            ));
            return Err(last_lines(&ended).into_iter().fold(error, Error::hint));
        }
        let lines = ended.stdout.lines().filter(|line| !line.is_empty());
        let told = |line: &str| {
            let (key, thing) = line.split_once('\t').unwrap_or((line, line));
            (thing.to_owned(), Some(key.to_owned()).filter(|key| !key.is_empty()))
        };
        Ok(lines.map(told).collect())
    }
}
