//! The command line of Comeback: parses arguments, runs a command, prints the outcome, sets the exit code.

mod cli;
mod coherence;
mod commands;
mod config;
mod declared;
mod history;
mod output;
mod places;
mod progress;
mod provenance;
mod queries;
mod recovery_plan;
mod reference;
mod repository;
mod rolling;
mod schedule;
mod suggest;
mod who;

use std::process::ExitCode;

use comeback_error::{Context as _, Error, ErrorKind, Result};

fn main() -> ExitCode {
    if commands::archive::is_get(std::env::args_os()) {
        return restore_command();
    }
    let code = run().unwrap_or_else(|error| complain(&error));
    // A command that could not print its result must not look like success.
    let untold = output::failure().map_or(0, complain);
    ExitCode::from(if code == 0 { untold } else { code })
}

/// Runs as the `restore_command` of a server, which takes the exit codes of errors and panics for the end of the log.
fn restore_command() -> ExitCode {
    ExitCode::from(match std::panic::catch_unwind(run) {
        Ok(Ok(code @ (0 | commands::archive::NEVER_ARCHIVED))) => code,
        Ok(Err(error)) => {
            complain(&error);
            commands::archive::GET_FAILED
        }
        Ok(Ok(_)) | Err(_) => commands::archive::GET_FAILED,
    })
}

/// Parses the command line and runs the command; returns the exit code.
fn run() -> Result<u8> {
    let cli = match cli::Cli::read() {
        Ok(cli) => cli,
        Err(wrong) if wrong.exit_code() != 0 => {
            output::wrong_usage(&wrong.render().to_string());
            return Ok(exit_code(ErrorKind::Usage));
        }
        Err(help) => {
            let help = help.render();
            let help = if output::takes_colour() { help.ansi().to_string() } else { help.to_string() };
            output::help(&help);
            return Ok(0);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("starting the runtime")?.block_on(commands::dispatch(cli))
}

/// Prints an error and returns its exit code.
fn complain(error: &Error) -> u8 {
    output::problem("error", error);
    exit_code(error.kind())
}

fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::CouldNotVerify => 3,
        ErrorKind::Interrupted => 130,
    }
}
