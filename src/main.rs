//! The command line of Comeback: parse, select, call, render, exit.

mod cli;
mod commands;
mod config;
mod output;
mod progress;
mod provenance;

use std::process::ExitCode;

use clap::Parser as _;
use comeback_harness::{Error, ErrorKind};

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&Error::could_not_verify(format!("starting the runtime: {error}"))),
    };
    match runtime.block_on(commands::dispatch(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => complain(&error),
    }
}

/// Tells an error and gives its exit code.
fn complain(error: &Error) -> ExitCode {
    output::error_line(&format!("error: {error}"));
    ExitCode::from(match error.kind() {
        ErrorKind::Failed => 1,
        ErrorKind::Usage => 2,
        ErrorKind::CouldNotVerify => 3,
        ErrorKind::Interrupted => 130,
    })
}
