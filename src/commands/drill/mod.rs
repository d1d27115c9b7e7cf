//! `comeback drill`: people carry out the plan, and the record of it is judged by the rules of a drill.

mod act;
mod find;
mod proof;
mod start;
mod step;

use std::path::Path;

use comeback_engine::clock::Clock;
use comeback_engine::evidence::{Record, journal_head};
use comeback_engine::runner::PeopleDrill;
use comeback_error::Result;
use comeback_reports::{RecordFile, TerminalOptions, drill_status};

use super::report::{show, write_reports};
use super::session::{evidence_root, keep_evidence, with_problems};
use crate::cli::{DrillCommand, WhichDrill};
use crate::config::Config;
use crate::output;

pub(crate) async fn drill(command: &DrillCommand, config: &Config) -> Result<u8> {
    match command {
        DrillCommand::Start(args) => start::start(args, config),
        DrillCommand::Begin(args) => act::begin(args, config).await,
        DrillCommand::Done(args) => act::done(args, config).await,
        DrillCommand::Note(args) => act::note(args, config).await,
        DrillCommand::Abort(args) => act::abort(args, config).await,
        DrillCommand::Finish(which) => act::finish(which, config).await,
        DrillCommand::Status(which) => status(which, config),
    }
}

/// Shows where a drill stands. Nothing is written.
fn status(which: &WhichDrill, config: &Config) -> Result<u8> {
    let found = find::to_show(&evidence_root(which.evidence_dir.as_ref(), config), which.drill.as_deref())?;
    let Some((folder, record)) = found else {
        output::text("no drill is open; `comeback drill start` begins one\n");
        return Ok(0);
    };
    tell(&folder, &record)?;
    output::text(&format!("\nEvidence   {}\n", folder.display()));
    Ok(0)
}

/// Prints where a drill stands.
fn tell(folder: &Path, record: &Record) -> Result<()> {
    let head = journal_head(folder)?;
    let file = RecordFile { lines: head.lines, last_sha256: &head.last_sha256 };
    let options =
        TerminalOptions { color: output::takes_colour(), width: output::width(), evidence_dir: None };
    output::painted(&drill_status(record, Clock::machine().now(), Some(file), options));
    Ok(())
}

/// Writes the reports of an open drill, and prints where it stands.
fn report(folder: &Path, record: &Record) -> Result<u8> {
    write_reports(folder, record)?;
    tell(folder, record)?;
    Ok(0)
}

/// Judges and ends a drill of which nothing is left to be done, and reports it.
async fn close(folder: &Path, drill: &PeopleDrill, config: &Config) -> Result<u8> {
    let record = drill.close().await?;
    let written = write_reports(folder, &record);
    let kept = keep_evidence(folder, config).await;
    show(&record, folder);
    Ok(with_problems(record.verdict, [written, kept]).exit_code())
}
