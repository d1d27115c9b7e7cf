//! Keys as folders, and the walk through them in the order of the keys.

use std::path::{Path, PathBuf};
use std::{fs, io};

use comeback_error::{Error, Result};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Characters to escape: all but letters, digits and what is harmless in a name. `=` is escaped because names
/// of versions begin with it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');
/// The name of an empty part, as in `a//b`: an escape sign with nothing after it.
const EMPTY: &str = "%";
/// The longest file name, in bytes, that file systems accept.
const LONGEST_NAME: usize = 255;
/// The longest key, in bytes, that clouds accept.
const LONGEST_KEY: usize = 1024;

/// The folder of a key, given the folder of all keys.
pub(super) fn folder_of(root: &Path, key: &str) -> Result<PathBuf> {
    if key.is_empty() || key.len() > LONGEST_KEY {
        return Err(Error::usage(format!("`{key}` cannot be a key: it has {} bytes", key.len()))
            .hint("a key has between 1 and 1024 bytes"));
    }
    let mut folder = root.to_owned();
    for part in key.split('/') {
        let name = escape(part);
        if name.len() > LONGEST_NAME {
            return Err(Error::usage(format!("the key `{key}` has too long a part for a folder: {part}")));
        }
        folder.push(name);
    }
    Ok(folder)
}

fn escape(part: &str) -> String {
    let escaped = utf8_percent_encode(part, ESCAPED).to_string();
    match escaped.strip_prefix('.') {
        // Names that begin with a dot are not keys.
        Some(rest) => format!("%2E{rest}"),
        None if escaped.is_empty() => EMPTY.to_owned(),
        None => escaped,
    }
}

fn unescape(name: &str) -> Option<String> {
    if name == EMPTY {
        return Some(String::new());
    }
    percent_decode_str(name).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

struct Step {
    /// The key itself, or the common prefix of the keys below it, which ends in `/`.
    name: String,
    folder: PathBuf,
    is_key: bool,
}

/// Walks every folder that may hold versions of a key that starts with a prefix, in the order of the keys.
/// Only the names of the folders on the path are in memory.
pub(super) struct Walk {
    prefix: String,
    /// The remaining steps; the next one is last.
    steps: Vec<Step>,
}

impl Walk {
    pub(super) fn new(root: &Path, prefix: &str) -> Self {
        let all = Step { name: String::new(), folder: root.to_owned(), is_key: false };
        Self { prefix: prefix.to_owned(), steps: vec![all] }
    }

    fn descend(&mut self, step: &Step) -> io::Result<()> {
        let from = self.steps.len();
        for entry in fs::read_dir(&step.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let part = name.to_str().filter(|name| !name.starts_with(['.', '='])).and_then(unescape);
            let Some(part) = part else { continue };
            let key = format!("{}{part}", step.name);
            let below = format!("{key}/");
            if key.starts_with(&self.prefix) {
                self.steps.push(Step { name: key, folder: entry.path(), is_key: true });
            }
            if below.starts_with(&self.prefix) || self.prefix.starts_with(&below) {
                self.steps.push(Step { name: below, folder: entry.path(), is_key: false });
            }
        }
        // `a-b` sorts between `a` and `a/b`, so a key and the keys below it are two steps.
        self.steps[from..].sort_by(|one, other| other.name.cmp(&one.name));
        Ok(())
    }
}

impl Iterator for Walk {
    type Item = io::Result<(String, PathBuf)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let step = self.steps.pop()?;
            if step.is_key {
                return Some(Ok((step.name, step.folder)));
            }
            if let Err(error) = self.descend(&step) {
                return Some(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(root: &Path, prefix: &str) -> Vec<String> {
        Walk::new(root, prefix).map(|step| step.unwrap().0).collect()
    }

    #[test]
    fn keys_are_walked_in_the_order_of_their_bytes_and_come_back_as_they_were() {
        let root = tempfile::tempdir().unwrap();
        let long = "ü".repeat(40);
        let mut keys = vec![
            "a",
            "a-b",
            "a/b",
            "a//b",
            "a/",
            "a0",
            "/",
            "..",
            ".hidden/x",
            "=1",
            "%",
            "Süd küste/ß.jpg",
            "a/b/c",
            "x=1 \n\t*?",
            &long,
        ];
        for key in &keys {
            fs::create_dir_all(folder_of(root.path(), key).unwrap()).unwrap();
        }
        keys.sort_unstable();
        let with =
            |prefix: &str| keys.iter().copied().filter(|key| key.starts_with(prefix)).collect::<Vec<_>>();
        for prefix in ["", "a", "a/", "a/b", "S", "Süd küste/", "nothing"] {
            let walked = walked(root.path(), prefix);
            // The walk also returns folders on the path, which are not keys: they hold no versions.
            let walked: Vec<_> = walked.iter().map(String::as_str).filter(|key| keys.contains(key)).collect();
            assert_eq!(walked, with(prefix), "{prefix}");
        }
        let all = walked(root.path(), "");
        assert!(all.is_sorted(), "{all:?}");
        assert!(folder_of(root.path(), "").is_err() && folder_of(root.path(), &"a".repeat(300)).is_err());
    }
}
