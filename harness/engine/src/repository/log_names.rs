//! The names of the files that a log archive stores.

use comeback_model::{LogFileKind, SegmentName};

/// The suffix of a stored content.
const COMPRESSED: &str = ".zst";
/// The suffix of a claim.
const CLAIM: &str = "-claim";
/// The prefix of the files with which older versions named the newest segment of a timeline.
const OLD_PROMISE: &str = "newest-";

/// A file of a log archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogFile {
    /// The name that the server gave it.
    pub name: String,
    /// The SHA-256 of what the server wrote, in hexadecimal.
    pub sha256: String,
}

/// What a stored file is, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoredName {
    /// `NAME-SHA256.zst`: a content.
    Content(LogFile),
    /// `NAME-claim`: holds the SHA-256 of the one content that counts under this name.
    Claim(String),
    /// `newest-TIMELINE`, of older versions: holds the name of the newest segment.
    OldPromise,
}

impl StoredName {
    /// The meaning of a stored file's name; `None` for a file that is not part of a log archive.
    pub(super) fn parse(stored: &str) -> Option<Self> {
        if let Some(name) = stored.strip_suffix(CLAIM) {
            return Some(Self::Claim(name.to_owned()));
        }
        if stored.starts_with(OLD_PROMISE) {
            return Some(Self::OldPromise);
        }
        let (name, sha256) = stored.strip_suffix(COMPRESSED)?.rsplit_once('-')?;
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        is_digest.then(|| Self::Content(LogFile { name: name.to_owned(), sha256: sha256.to_owned() }))
    }

    /// The name that the server gave the file.
    pub(super) fn server_name(&self) -> Option<&str> {
        match self {
            Self::Content(file) => Some(&file.name),
            Self::Claim(name) => Some(name),
            Self::OldPromise => None,
        }
    }
}

/// The name of a content.
pub(super) fn content_name(file: &LogFile) -> String {
    format!("{}-{}{COMPRESSED}", file.name, file.sha256)
}

/// The name of the claim to a name.
pub(super) fn claim_name(name: &str) -> String {
    format!("{name}{CLAIM}")
}

/// The name of the file with which older versions named the newest segment of a timeline.
pub(super) fn old_promise_name(timeline: u32) -> String {
    format!("{OLD_PROMISE}{timeline:08X}")
}

/// The segment that a file of the log is, or belongs to: a whole one, a partial one, or the notes of a base backup.
pub(super) fn segment_of(name: &str) -> Option<SegmentName> {
    match LogFileKind::of(name)? {
        LogFileKind::Segment(segment) | LogFileKind::Partial(segment) => Some(segment),
        LogFileKind::BackupNotes => name.get(..24)?.parse().ok(),
        LogFileKind::History(_) => None,
    }
}

/// Whether several contents may have this name: each is the beginning of one segment.
pub(super) fn may_differ(name: &str) -> bool {
    matches!(LogFileKind::of(name), Some(LogFileKind::Partial(_)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_stored_name_is_read_again(name in "[0-9A-F]{24}(\\.partial|\\.000000[0-9A-F]{2}\\.backup)?", sha in "[0-9a-f]{64}") {
            let file = LogFile { name: name.clone(), sha256: sha };
            prop_assert_eq!(StoredName::parse(&content_name(&file)), Some(StoredName::Content(file)));
            prop_assert_eq!(StoredName::parse(&claim_name(&name)), Some(StoredName::Claim(name)));
        }

        #[test]
        fn any_name_is_known_or_not_without_panic(name in "\\PC{0,90}") {
            let _ = StoredName::parse(&name);
            let _ = segment_of(&name);
        }
    }

    #[test]
    fn the_segment_of_a_file_is_in_its_name() {
        let segment = "00000002000000010000000A".parse().ok();
        for (name, of) in [
            ("00000002000000010000000A", segment),
            ("00000002000000010000000A.partial", segment),
            ("00000002000000010000000A.00000028.backup", segment),
            ("00000002.history", None),
            ("newest-00000002", None),
        ] {
            assert_eq!(segment_of(name), of, "{name}");
        }
        assert_eq!(StoredName::parse(&old_promise_name(2)), Some(StoredName::OldPromise));
    }
}
