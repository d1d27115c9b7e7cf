//! Runs another backup tool on this machine, outside of every node: the restored server sees neither the repository
//! nor what opens it.

use std::path::Path;
use std::process::Stdio;

use comeback_engine::wait;

use crate::error::{Context as _, Error, Result};

/// Where tools are if the search path of this process names nothing.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How a tool ended.
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) output: String,
    /// What it said of errors, in one line.
    pub(super) complaint: String,
}

/// Runs a tool to its end. Of the environment it sees the search path, and the variables in `passed` that are set:
/// a setting of the user's for production must not reach a restore test by accident.
///
/// A tool that is not there is an error with the package as a hint.
pub(super) async fn run(program: &str, args: &[String], passed: &[&str], folder: &Path) -> Result<Said> {
    let mut command = tokio::process::Command::new(program);
    command.args(args).current_dir(folder).env_clear().env("LC_ALL", "C");
    command.env("PATH", std::env::var("PATH").unwrap_or_else(|_| SEARCH_PATH.to_owned()));
    for name in passed {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    let ended = wait::at_most(&format!("{program} to end"), wait::limits().command, command.output()).await?;
    let ended = match ended {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::could_not_verify(format!("the program {program} is not on this machine"))
                .hint(format!("apt-get install {program}")));
        }
        ended => ended.context(format_args!("running {program}"))?,
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let complaint = text(&ended.stderr).lines().map(str::trim).collect::<Vec<_>>().join("; ");
    Ok(Said { code: ended.status.code().unwrap_or(-1), output: text(&ended.stdout), complaint })
}
