//! Keeps what shows that a step is done.

use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use comeback_engine::sha256::Sha256;
use comeback_error::{Context as _, Error, Result};
use comeback_model::plan::GivenProof;

use super::super::report::{PRIVATE, write_whole};

/// The folder of proofs in the evidence of a drill.
const FOLDER: &str = "proofs";

/// Screenshots and logs are smaller; what is larger belongs elsewhere, and its address is the proof.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Copies a file into the evidence. Its name there begins with its digest: another file of the same name is another
/// proof.
pub(super) fn keep(file: &Path, evidence: &Path) -> Result<GivenProof> {
    let complain = |why: &dyn std::fmt::Display| {
        Error::usage(format!("reading the proof {}: {why}", file.display()))
            .hint("name a file with --proof-file; a sentence goes into --proof")
    };
    // Whatever is read to its end while the record is locked must have one: a pipe may never end.
    let is_file = std::fs::metadata(file).map_err(|error| complain(&error))?.is_file();
    if !is_file {
        return Err(complain(&"it is no file"));
    }
    let mut content = Vec::new();
    let opened = std::fs::File::open(file).map_err(|error| complain(&error))?;
    opened.take(LARGEST + 1).read_to_end(&mut content).map_err(|error| complain(&error))?;
    if content.len() as u64 > LARGEST {
        return Err(complain(&format!("it is larger than {} MiB", LARGEST / 1024 / 1024))
            .hint("keep it elsewhere, and give its address as --proof"));
    }
    let sha256 = Sha256::of(&content);
    let own = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = format!("{FOLDER}/{}-{own}", sha256.get(..12).unwrap_or(&sha256));
    let folder = evidence.join(FOLDER);
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.context(format_args!("creating {}", folder.display()))?;
    write_whole(&evidence.join(&name), &content, PRIVATE)?;
    Ok(GivenProof::File { name, bytes: content.len() as u64, sha256 })
}
