//! The file in which `comeback verify --record` keeps what a later verification is compared with.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use comeback_engine::artefact::{RecordSlot, VerifyOptions};
use comeback_engine::clock::Clock;
use comeback_error::{Error, Result};
use comeback_model::{REFERENCE_VERSION, Recording, Reference};

/// The folder of references that the settings do not name, beside the evidence.
const FOLDER: &str = "references";

/// Where a reference is kept.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) path: PathBuf,
    /// Whether the user named the file, so that it must be there.
    is_named: bool,
}

impl Kept {
    /// In a file that the user named.
    pub(crate) fn named(path: &Path) -> Self {
        Self { path: path.to_owned(), is_named: true }
    }

    /// In the place of a declared backup, below the folder of the evidence.
    pub(crate) fn of_backup(evidence: &Path, name: &str) -> Self {
        Self { path: evidence.join(FOLDER).join(format!("{name}.json")), is_named: false }
    }
}

/// Reads a reference. A file that the user named and that is not there is an error, unless this run is to write it.
pub(crate) fn read(kept: Option<&Kept>, will_record: bool) -> Result<Option<Reference>> {
    let Some(Kept { path, is_named }) = kept else { return Ok(None) };
    let name = path.display();
    let may_be_missing = will_record || !is_named;
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && may_be_missing => return Ok(None),
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

/// Writes what was read of a restore, for its owner alone. What the user accepts is kept until it expires, and so are
/// the snapshots of queries: one whose query was asked is as it was, or its run had failed.
pub(crate) fn write(
    path: &Path,
    source: &str,
    run: &str,
    slot: &RecordSlot,
    earlier: Option<&Reference>,
) -> Result<()> {
    let name = path.display();
    let Recording { profile, answers } = slot.take();
    let profile = profile.ok_or_else(|| {
        Error::could_not_verify(format!("{name} was not written: no judge read what came back"))
            .hint("references are kept of backups of PostgreSQL and Redis, and of CSV files")
    })?;
    let clock = Clock::machine();
    let mut accepted = earlier.map_or_else(Vec::new, |earlier| earlier.accepted.clone());
    accepted.retain(|one| one.until >= clock.today());
    let mut kept = earlier.map(|earlier| earlier.answers.clone()).unwrap_or_default();
    kept.extend(answers);
    let reference = Reference {
        version: REFERENCE_VERSION,
        recorded_at: clock.now(),
        source: source.to_owned(),
        run: run.to_owned(),
        profile,
        answers: kept,
        accepted,
    };
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
