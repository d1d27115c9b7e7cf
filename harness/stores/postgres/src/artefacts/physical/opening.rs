//! Opens a cluster whose roles and passwords nobody knows.
//!
//! The server starts with configuration files of ours, and answers nobody until it has recovered. It is then stopped, and
//! PostgreSQL's single-user mode, which asks for no password and runs no event trigger, makes a superuser of ours with
//! a password of this run. So no role of the user's is changed, and at no moment is the server open to others on the
//! machine.

use comeback_engine::substrate::{Command, Io};

use crate::error::{Error, Result};
use crate::recovery::settings::Settings;
use crate::server::node::PostgresServer;

/// The superuser of ours in a restored cluster.
pub(crate) const ROLE: &str = "comeback_verifier";

/// Makes our superuser in a server that has opened, and starts it again.
pub(crate) async fn let_in(server: &PostgresServer, settings: &Settings) -> Result<()> {
    server.stop().await?;
    // The second statement serves a cluster that has the role already.
    let password = server.password_verifier()?;
    let options = format!("superuser login replication connection limit -1 password '{password}'");
    let statements = format!("create role {ROLE} {options}\nalter role {ROLE} {options}\n");
    run_alone(server, settings, &statements, &["FATAL:  "]).await?;
    server.start(settings).await
}

/// Stops the server cleanly, and removes our superuser from the cluster.
pub(crate) async fn let_out(server: &PostgresServer, settings: &Settings) -> Result<()> {
    server.stop().await?;
    let serious = ["FATAL:  ", "PANIC:  ", "ERROR:  "];
    let removed = run_alone(server, settings, &format!("drop role {ROLE}\n"), &serious).await;
    removed.map_err(|error| error.context(format!("removing our superuser {ROLE}")))
}

/// Runs statements, each in a line, in single-user mode. A message that begins with one of `serious` is an error, and so
/// is any end but a clean one.
async fn run_alone(
    server: &PostgresServer,
    settings: &Settings,
    statements: &str,
    serious: &[&str],
) -> Result<()> {
    let given = settings.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
    let fixed = ["-c", "archive_mode=off", "-c", "dynamic_shared_memory_type=mmap"];
    let command = server.command("postgres").args(["--single", "-D", &server.data_dir()]);
    let command = command.args(server.configuration()).args(given);
    let command = Command { env: [("LC_ALL".to_owned(), "C".to_owned())].into(), ..command };
    let mut input = statements.as_bytes();
    let io = Io { stdin: Some(&mut input), stdout: None };
    let output = server.node().exec(&command.args(fixed).arg("template1"), io).await?;
    let said = output.stderr.lines().find_map(|line| {
        serious.iter().find_map(|level| line.split_once(level).map(|(_, said)| said.to_owned()))
    });
    let said = match said {
        Some(said) => said,
        None if output.code == 0 => return Ok(()),
        None => format!("single-user mode ended with exit code {}", output.code),
    };
    let error = Error::could_not_verify(format!("opening the restored cluster: {said}"));
    Err(if output.stderr.contains("locale") {
        error.hint("install the locale that the cluster was made with, as on its own server")
    } else {
        error.hint("read the server's log in the evidence")
    })
}
