//! The file in which `comeback verify --record` keeps what a later verification is compared with.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use comeback_engine::artefact::{ProfileSlot, VerifyOptions};
use comeback_engine::clock::Clock;
use comeback_error::{Error, Result};
use comeback_model::{REFERENCE_VERSION, Reference};

/// Reads the reference of a file. A file that is not there is an error, unless this run is to write it.
pub(crate) fn read(path: Option<&Path>, will_record: bool) -> Result<Option<Reference>> {
    let Some(path) = path else { return Ok(None) };
    let name = path.display();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && will_record => return Ok(None),
        Err(error) => {
            return Err(Error::usage(format!("reading the reference {name}: {error}"))
                .hint("record one with --record, from a backup that you trust"));
        }
    };
    Reference::from_json(&text).map(Some).map_err(|error| {
        Error::usage(format!("reading the reference {name}: {error}"))
            .hint("an entry of `accepted` has `object`, `reason` and `until`, a day such as 2026-12-31")
    })
}

/// Fails for a frozen table that nothing is compared with: neither a live source, nor a reference that holds its rows
/// or is about to.
pub(crate) fn ensure_frozen_means_something(options: &VerifyOptions) -> Result<()> {
    if options.source.is_some() || options.record.is_some() {
        return Ok(());
    }
    let is_kept = |table: &String| options.reference.as_ref().is_some_and(|one| one.profile.is_frozen(table));
    let Some(table) = options.frozen.iter().find(|table| !is_kept(table)) else { return Ok(()) };
    Err(match &options.reference {
        Some(_) => Error::usage(format!("the reference does not hold the rows of the frozen table {table}"))
            .hint("record it anew with --record: frozen tables are kept row by row"),
        None => Error::usage(format!("there is nothing to compare the frozen table {table} with"))
            .hint("name a reference with --reference FILE, or the live database with --source URL"),
    })
}

/// Writes what was read of a restore, for its owner alone. What the user accepts is kept until it expires.
pub(crate) fn write(
    path: &Path,
    source: &str,
    slot: &ProfileSlot,
    earlier: Option<&Reference>,
) -> Result<()> {
    let name = path.display();
    let profile = slot.take().ok_or_else(|| {
        Error::could_not_verify(format!("{name} was not written: no judge read the restored cluster"))
            .hint("references are kept of backups of PostgreSQL")
    })?;
    let recorded_at = Clock::machine().now();
    let today = recorded_at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut accepted = earlier.map_or_else(Vec::new, |earlier| earlier.accepted.clone());
    accepted.retain(|one| one.until >= today);
    let reference =
        Reference { version: REFERENCE_VERSION, recorded_at, source: source.to_owned(), profile, accepted };
    let text = reference.to_json().map_err(Error::could_not_verify)?;
    replace(path, &text).map_err(|error| {
        Error::could_not_verify(format!("writing the reference {name}: {error}"))
            .hint("name a file in a folder that you may write to")
    })
}

/// Writes a file under another name first: a reader sees the old content or the new one.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    fs::create_dir_all(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(".draft");
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    let renamed =
        written.and_then(|()| fs::rename(&draft, path)).and_then(|()| File::open(folder)?.sync_all());
    if renamed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    renamed
}
