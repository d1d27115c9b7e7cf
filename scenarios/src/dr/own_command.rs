//! The user's own commands in the drill: what they are told, and where they run.

use std::path::{Path, PathBuf};

use comeback_engine::runner::Course;
use comeback_engine::secret::Secret;
use comeback_engine::user_command::{CommandEnd, Kept, UserCommand};
use comeback_engine::wait;
use comeback_error::{Error, Result};
use comeback_model::{PlanStep, Verdict};
use comeback_postgres::PostgresServer;
use comeback_redis::RedisServer;

use crate::roadtrip;

/// How much is kept of what the command of a step prints, in bytes.
const OUTPUT: Kept = Kept::End(64 * 1024);
/// Lines of a command that are shown.
const LINES_SHOWN: usize = 5;
/// Longest line shown, in characters.
const LONGEST_LINE: usize = 300;
/// The variables that tell a command how to reach what came back. Until it has, the command must not see those of the
/// operator's shell, which may name the production servers.
const ADDRESSES: [&str; 2] = ["DATABASE_URL", "REDIS_URL"];

/// What came back so far, as far as a command is told of it.
#[derive(Clone, Copy)]
pub(super) struct CameBack<'a> {
    pub(super) database: Option<&'a PostgresServer>,
    pub(super) cache: Option<&'a RedisServer>,
}

/// What the user's own commands share.
#[derive(Debug, Clone)]
pub(super) struct OwnCommands {
    /// The folder of the settings.
    pub(super) folder: PathBuf,
}

impl OwnCommands {
    /// Commands that run in a folder.
    pub(super) fn in_folder(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A command that is told how to reach what came back so far: `DATABASE_URL` and `REDIS_URL`, with the passwords of
    /// these throw-away servers, which are masked in what it prints.
    pub(super) fn command(&self, argv: &[String], came_back: CameBack<'_>, output: Kept) -> UserCommand {
        let (mut environment, mut secrets) = (Vec::new(), Vec::new());
        let [database_url, redis_url] = ADDRESSES;
        if let Some(database) = came_back.database {
            environment.push((database_url, database.address().url_with_password(roadtrip::DATABASE)));
            secrets.extend(database.address().password().cloned());
        }
        if let Some(cache) = came_back.cache {
            environment.push((redis_url, cache.address().url_with_password()));
            secrets.extend(cache.address().password().cloned());
        }
        let (argv, folder) = (argv.to_vec(), self.folder.clone());
        UserCommand { argv, folder, removed: ADDRESSES.to_vec(), environment, secrets, output }
    }
}

/// Carries out a step of the plan by its command, and proves it. Without a proof of its own, a step that ended with 0 is
/// done as far as anybody knows.
pub(super) async fn carry_out(
    course: &Course,
    step: &PlanStep,
    commands: &OwnCommands,
    came_back: CameBack<'_>,
) -> Result<Verdict> {
    let own = step.command.as_ref();
    let own =
        own.ok_or_else(|| Error::could_not_verify(format!("the step {:?} has no command", step.name)))?;
    let output = course.output_folder(&step.name).await?;
    let run = async |what: &str, argv: &[String]| {
        let mut command = commands.command(argv, came_back, OUTPUT);
        command.environment.push(("COMEBACK_STEP", Secret::given(&*step.name)));
        command.environment.push(("COMEBACK_OUTPUT", Secret::given(output.display().to_string())));
        let ended = command.run(wait::limits().command).await?;
        course.note(format!("{what} {:?} ended with {}", command.program(), ended.status));
        for line in last_lines(&ended) {
            course.note(format!("  {line}"));
        }
        if ended.left_running {
            course.note("it left processes running, which were ended");
        }
        Ok::<_, Error>(ended)
    };
    let ended = run("the command", &own.argv).await?;
    if !ended.succeeded {
        let program = own.argv.first().map_or("", String::as_str);
        let error = Error::failed(format!("its command {program:?} ended with {}", ended.status));
        return Err(last_lines(&ended).into_iter().fold(error, Error::hint));
    }
    let Some(proves) = &own.proves else { return Ok(Verdict::Verified) };
    let told = run("the proof", proves).await?;
    Ok(if told.succeeded { Verdict::Verified } else { Verdict::Failed })
}

/// The last lines that a command printed, shortened.
pub(super) fn last_lines(ended: &CommandEnd) -> Vec<String> {
    let lines = ended.last_lines(LINES_SHOWN).into_iter();
    lines.map(|line| line.chars().take(LONGEST_LINE).collect()).collect()
}
