//! `comeback.toml`: strict, so that a typo never silently changes what is drilled.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use comeback_engine::wait::Limits;
use comeback_error::{Error, Result};
use comeback_fixtures::Scale;
use comeback_model::{CoherenceRule, IntegrityQuery, RedisQuery};
use serde::Deserialize;

use crate::cli::SubstrateArg;
use crate::coherence::{CoherenceEntry, rules};
use crate::declared::{BackupEntry, Declared};
use crate::queries::{CommandEntry, QueryEntry, Snapshots, commands, queries};
use crate::recovery_plan::{PlanSection, PlanSettings};
use crate::repository::{RepositoryEntry, RepositoryUrl};
use crate::suggest::closest;

/// The file that is read if none is named.
const DEFAULT_FILE: &str = "comeback.toml";

/// The folder of the evidence if none is named.
pub(crate) const DEFAULT_EVIDENCE: &str = "evidence";

/// PostgreSQL counts a deadline in milliseconds, in 31 bits.
const LONGEST: Duration = Duration::from_hours(24 * 24);

/// The settings; the command line overrides them.
#[derive(Default)]
pub(crate) struct Config {
    pub(crate) service: ServiceSection,
    pub(crate) run: RunSection,
    pub(crate) evidence: EvidenceSection,
    pub(crate) docker: DockerSection,
    pub(crate) scratch: ScratchSection,
    pub(crate) repository: RepositorySection,
    pub(crate) secrets: SecretsSection,
    pub(crate) limits: Limits,
    /// The user's own integrity queries.
    pub(crate) queries: Vec<IntegrityQuery>,
    /// The backups to verify.
    pub(crate) backups: Vec<Declared>,
    /// The user's own commands on a restored Redis server.
    pub(crate) redis_queries: Vec<RedisQuery>,
    /// What the runbook does not say of the full disaster recovery.
    pub(crate) plan: PlanSettings,
    /// The user's own rules about stores that must agree.
    pub(crate) coherence: Vec<CoherenceRule>,
    /// The folder of the settings, in which the user's own commands run; empty for the current one.
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    service: ServiceSection,
    #[serde(default)]
    run: RunSection,
    #[serde(default)]
    evidence: EvidenceSection,
    #[serde(default)]
    docker: DockerSection,
    #[serde(default)]
    scratch: ScratchSection,
    #[serde(default)]
    repository: RepositorySection,
    #[serde(default)]
    secrets: SecretsSection,
    #[serde(default)]
    limits: LimitsSection,
    #[serde(default)]
    postgres: PostgresSection,
    #[serde(default)]
    backup: Vec<BackupEntry>,
    #[serde(default)]
    redis: RedisSection,
    #[serde(default)]
    plan: PlanSection,
    #[serde(default)]
    coherence: Vec<CoherenceEntry>,
}

/// What is protected.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServiceSection {
    pub(crate) runbook: Option<PathBuf>,
}

/// Where the evidence of runs goes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceSection {
    pub(crate) dir: Option<PathBuf>,
    /// Where each run is kept once it has ended, beside the folder.
    pub(crate) store: Option<RepositoryUrl>,
}

/// How drills are run.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunSection {
    pub(crate) substrate: Option<SubstrateArg>,
    #[serde(default, deserialize_with = "scale")]
    pub(crate) scale: Option<Scale>,
    #[serde(default, deserialize_with = "scale")]
    pub(crate) quarterly_scale: Option<Scale>,
    #[serde(default, deserialize_with = "jobs")]
    pub(crate) jobs: Option<NonZeroUsize>,
}

/// The section `[docker]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DockerSection {
    pub(crate) image: Option<String>,
}

/// Where restored data and local servers lie, such as on an encrypted volume; the temp dir if it is not set.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScratchSection {
    #[serde(default, deserialize_with = "folder")]
    pub(crate) dir: Option<PathBuf>,
}

/// Where `comeback backup` and `comeback restore` keep backups.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepositorySection {
    #[serde(default)]
    pub(crate) main: RepositoryEntry,
}

/// Where `comeback secrets` finds secrets.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecretsSection {
    pub(crate) store: Option<String>,
}

/// Time limits; one that is not set keeps its default.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsSection {
    #[serde(default, deserialize_with = "duration")]
    connect: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    query: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    command: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    drill: Option<Duration>,
    #[serde(default, deserialize_with = "duration")]
    teardown: Option<Duration>,
}

impl LimitsSection {
    fn or_default(self) -> Limits {
        let default = Limits::default();
        Limits {
            connect: self.connect.unwrap_or(default.connect),
            query: self.query.unwrap_or(default.query),
            command: self.command.unwrap_or(default.command),
            drill: self.drill.unwrap_or(default.drill),
            teardown: self.teardown.unwrap_or(default.teardown),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostgresSection {
    #[serde(default)]
    query: Vec<QueryEntry>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisSection {
    #[serde(default)]
    query: Vec<CommandEntry>,
}

fn scale<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Scale>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

/// A folder, as its path.
fn folder<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    if text.is_empty() || text.contains("://") {
        return Err(serde::de::Error::custom(format!(
            "`{text}` is no folder: write its path, such as `/srv/scratch`"
        )));
    }
    Ok(Some(PathBuf::from(text)))
}

/// `30s`, `10 min`, `12h`: at least 1 ms, and at most [`LONGEST`].
fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(from)?;
    let read = text.parse::<jiff::SignedDuration>().ok().and_then(|read| Duration::try_from(read).ok());
    read.filter(|read| (Duration::from_millis(1)..=LONGEST).contains(read)).map(Some).ok_or_else(|| {
        serde::de::Error::custom(format!(
            "`{text}` is no limit: a time up to 24 days such as 30s, 10 min or 12h"
        ))
    })
}

fn jobs<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<NonZeroUsize>, D::Error> {
    let number = match toml::Value::deserialize(from)? {
        toml::Value::Integer(number) => usize::try_from(number).ok().and_then(NonZeroUsize::new),
        _ => None,
    };
    number.map(Some).ok_or_else(|| serde::de::Error::custom("`jobs` must be a whole number of 1 or more"))
}

impl Config {
    /// Reads the named file, or `comeback.toml` in the current folder if it exists.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            Error::usage(format!("reading {}: {error}", path.display())).hint(
                "name the settings with --config FILE, or leave it out to use comeback.toml of this folder",
            )
        })?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { folder, ..parse(&path.display().to_string(), &text)? })
    }
}

/// Parses settings; an error names file, line and column.
pub(crate) fn parse(name: &str, text: &str) -> Result<Config> {
    let place = |offset: usize| {
        let (line, column) = position(text, offset);
        format!("{name}:{line}:{column}")
    };
    let at = |offset: usize, message: &str| {
        Error::usage(format!("{}: {message}", place(offset)))
            .hint("the commented example in comeback.toml of the repository shows every setting")
    };
    let file: File = toml::from_str(text).map_err(|error| {
        let told = at(error.span().map_or(0, |span| span.start), error.message().trim());
        match meant(error.message()) {
            Some(key) => told.hint(format!("did you mean `{key}`?")),
            None => told,
        }
    })?;
    let queries = queries(file.postgres.query, Snapshots::Refused, &at)?;
    let evidence = file.evidence.dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_EVIDENCE));
    let mut backups: Vec<Declared> = Vec::new();
    for mut entry in file.backup {
        let (name, place) = (entry.name.get_ref(), entry.name.span().start);
        if name.is_empty() || name.contains(|char: char| char == '/' || char.is_whitespace()) {
            return Err(at(place, "the name of a backup is a word without `/`"));
        }
        if backups.iter().any(|other| other.name == *name) {
            return Err(at(place, &format!("there are two backups named `{name}`")));
        }
        let queries = crate::queries::queries(std::mem::take(&mut entry.query), Snapshots::Kept, &at)?;
        let commands = commands(std::mem::take(&mut entry.redis_query), Snapshots::Kept, &at)?;
        backups.push(entry.declared(queries, commands, &evidence));
    }
    Ok(Config {
        service: file.service,
        run: file.run,
        evidence: file.evidence,
        docker: file.docker,
        scratch: file.scratch,
        repository: file.repository,
        secrets: file.secrets,
        limits: file.limits.or_default(),
        queries,
        redis_queries: commands(file.redis.query, Snapshots::Refused, &at)?,
        plan: file.plan.read(&place, &at)?,
        coherence: rules(file.coherence, &at)?,
        backups,
        folder: PathBuf::new(),
    })
}

/// The name that was probably meant, from a parser's message: "unknown field `sutie`, expected one of `suite`, …".
fn meant(message: &str) -> Option<&str> {
    let mut names = message.strip_prefix("unknown ")?.split('`').skip(1).step_by(2);
    closest(names.next()?, names)
}

/// Line and column of a place in a text, both from 1; columns count characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        let error = parse("comeback.toml", text).err().unwrap();
        let meant = error.hints().iter().find(|hint| hint.starts_with("did you mean"));
        format!("{} {}", error.message(), meant.map_or("", String::as_str)).trim_end().to_owned()
    }

    #[test]
    fn every_slip_names_file_line_and_column() {
        insta::assert_snapshot!(
            [
                "sutie = 1",
                "[run]\nscale = \"ci\"\nsubstrat = \"local\"",
                "[run]\nsubstrate = \"podman\"",
                "[run]\nscale = \"tiny\"",
                "[run]\njobs = 0",
                "[run]\njobs = \"two\"",
                "[repository.main]\nurl = \"ftp://backups\"",
                "[repository.main]\nappend_only = true",
                "[repository.main]\nrecipients = [\"age1nobody\"]",
                "[repository.main]\nrecipients = [\"AGE-SECRET-KEY-1X\"]",
                "[repository.main]\nrecipients = []",
                "[repository.main]\ntrusted-keys = \"backup.pub.pem\"",
                "[repository.main]\nkeep = \"a while\"",
                "[repository.main]\nkeep-last = 0",
                "[limits]\ndrill = \"0s\"",
                "[limits]\nquery = 30",
                "[run\n",
                "[[backup]]\nname = \"a b\"\nfrom = \"/x\"",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\n[[backup]]\nname = \"a\"\nfrom = \"/y\"",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\nrequire = [\"proven\"]",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\nat = \"yesterday\"",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\ncreate-missing = [\"rolls\"]",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\nsuites = [\"daily\"]",
                "[[backup]]\nname = \"a\"\nfrom = \"/x\"\nschedule = \"daily\"",
                "[[backup.query]]\nname = \"n\"\nsql = \"select 1\"",
                "[plan]\nsections = \"Full recovery\"",
                "[[plan.step]]\nneeds = [\"Activate\"]",
                "[[plan.step]]\nname = \"Database\"\nneeds = \"Activate\"",
                "[[plan.step]]\nname = \"Database\"\ncommand = []",
                "[[plan.step]]\nname = \"Database\"\nproves = [\"look\"]",
                "[[plan.step]]\nname = \"Database\"\nprocedure = \"p\"\ncommand = [\"restore\"]",
                "[[plan.step]]\nname = \"Database\"\nbudget = \"30\"",
                "[[plan.step]]\nname = \"Database\"\nbudget = \"soon\"",
                "[[plan.step]]\nname = \"Database\"\ntier = [\"critical\", 2]",
                "[[coherence]]\nname = \"n\"\nrepair = \"r\"\nnaming = { postgres = \"select 1\" }",
                "[[coherence]]\nname = \"n\"\nrepair = \"r\"\nnaming = { postgres = \"select 1\" }\nthere = { redis = { keys = \"user:1\" } }",
                "[[coherence]]\nname = \"n\"\nrepair = \"r\"\nnaming = { postgres = \"select 1\", redis = { keys = \"*\" } }\nthere = { redis = { keys = \"*\" } }",
                "[[coherence]]\nname = \"n\"\nrepair = \"r\"\nnaming = { redis = { keys = \"*\" } }\nthere = { postgres = \"select 1; select 2\" }",
                "[[coherence]]\nname = \"Jobs\"\nrepair = \"r\"\nnaming = { objects = { prefix = \"\" } }\nthere = { redis = { keys = \"*\" } }",
                "[[coherence]]\nname = \"n\"\nrepair = \"r\"\nnaming = { mysql = \"select 1\" }\nthere = { postgres = \"select 1\" }",
                "[[postgres.query]]\nname = \"n\"\nsql = \"select 1\"\nexpect = \"snapshot\"",
                "[[postgres.query]]\nname = \"n\"\nsql = \"select 1\"",
                "[[postgres.query]]\nname = \"n\"\nsql = \"select 1\"\nexpect = \"= 0\"",
                "[[postgres.query]]\nname = \"n\"\nsql = \" -- nothing\"\nexpect = \"== 0\"",
                "[[postgres.query]]\nname = \"n\"\nsql = \"select 1; select 2\"\nexpect = \"== 0\"",
            ]
            .map(|text| format!("{}\n  {}", text.replace('\n', "⏎"), complaint(text)))
            .join("\n")
        );
    }

    #[test]
    fn the_example_is_read() {
        let config = parse("comeback.toml", include_str!("../comeback.toml")).unwrap();
        assert!(!config.queries.is_empty());
    }

    #[test]
    fn the_commented_backup_of_the_example_can_be_used() {
        let (_, block) = include_str!("../comeback.toml").split_once("# Your own backups").unwrap();
        let is_setting = |line: &&str| line.starts_with("[[") || line.split_once(" = ").is_some();
        let lines = block.lines().filter_map(|line| line.strip_prefix("# ")).filter(is_setting);
        let text = lines.collect::<Vec<_>>().join("\n");
        let config = parse("comeback.toml", &text).map_err(|error| error.to_string()).unwrap();
        let backup = config.backups.first().unwrap();
        assert_eq!((backup.name.as_str(), backup.requires().len()), ("app", 3));
    }
}
