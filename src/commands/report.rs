//! `comeback report DIR`: regenerates the reports from the journal alone.

use std::path::Path;

use comeback_engine::evidence::{Record, read_journal};
use comeback_error::{Error, Result};
use comeback_reports::{TerminalOptions, render_all, terminal};

use crate::output;

/// The mode of evidence files: they hold rows and logs, so only the owner may read them.
pub(crate) const PRIVATE: u32 = 0o600;
/// The mode of a report that was asked for elsewhere: the default mode of a new file.
pub(crate) const SHARED: u32 = 0o644;

/// Renders every report of a run again, and prints its summary. The exit code is that of the run.
pub(crate) fn report(folder: &Path) -> Result<u8> {
    let record = Record::from_events(&read_journal(folder)?)?;
    write_reports(folder, &record)?;
    show(&record, folder);
    Ok(record.verdict.exit_code())
}

/// Writes every report into the evidence folder.
pub(crate) fn write_reports(folder: &Path, record: &Record) -> Result<()> {
    for file in render_all(record)? {
        write_whole(&folder.join(file.name), &file.bytes, PRIVATE)?;
    }
    Ok(())
}

/// Prints the summary for a person.
pub(crate) fn show(record: &Record, folder: &Path) {
    let folder = folder.display().to_string();
    let options = TerminalOptions {
        color: output::takes_colour(),
        width: output::width(),
        evidence_dir: Some(&folder),
    };
    output::painted(&terminal(record, options));
}

/// The folder that a file is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes a file under another name and renames it: a reader sees the whole new file or the old one.
pub(crate) fn write_whole(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let complain =
        |error: std::io::Error| Error::could_not_verify(format!("writing {}: {error}", path.display()));
    let mut file = tempfile::Builder::new();
    let mut file = file
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
        .tempfile_in(folder_of(path))
        .map_err(complain)?;
    std::io::Write::write_all(&mut file, content).map_err(complain)?;
    file.persist(path).map_err(|error| complain(error.error))?;
    Ok(())
}
