//! The limits for names, labels and values that every store accepts.

use std::collections::BTreeMap;

use comeback_engine::secret::SecretBytes;
use comeback_error::{Error, Result};

use super::VALUE_BYTES;

/// The longest name, in bytes.
const NAME_BYTES: usize = 255;
/// The largest number of labels of a secret.
const LABELS: usize = 64;
/// The longest key or value of a label, in characters.
const LABEL_CHARS: usize = 63;
/// The longest key or value of a label, in bytes.
const LABEL_BYTES: usize = 128;

/// Refuses a text that cannot be the name of a secret: letters, digits, `-` and `_` are allowed. Source: the
/// reference of Google Secret Manager, `Secret.name`.
pub fn check_name(name: &str) -> Result<()> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(good) {
        return Ok(());
    }
    Err(Error::usage(format!("`{name}` cannot be the name of a secret"))
        .hint("a name is made of letters without accents, digits, `-` and `_`"))
}

/// Refuses labels that a secret cannot have. Source: the reference of Google Secret Manager, `Secret.labels`.
pub fn check_labels(name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
    if labels.len() > LABELS {
        return Err(Error::usage(format!(
            "{} labels of the secret {name}: {LABELS} are allowed",
            labels.len()
        )));
    }
    let letter = |c: char| c.is_alphabetic() && !c.is_uppercase();
    let good = |text: &str| {
        text.chars().count() <= LABEL_CHARS
            && text.len() <= LABEL_BYTES
            && text.chars().all(|c| letter(c) || c.is_numeric() || c == '-' || c == '_')
    };
    let bad = |(key, value): &(&String, &String)| !(key.starts_with(letter) && good(key) && good(value));
    match labels.iter().find(bad) {
        None => Ok(()),
        Some((key, value)) => Err(Error::usage(format!(
            "`{key}={value}` cannot be a label of the secret {name}"
        ))
        .hint("a label is made of small letters, digits, `-` and `_`, and its key begins with a letter")),
    }
}

/// Refuses a value that no store accepts.
pub(super) fn check_value(name: &str, value: &SecretBytes) -> Result<()> {
    let bytes = value.expose().len();
    if (1..=VALUE_BYTES).contains(&bytes) {
        return Ok(());
    }
    Err(Error::usage(format!(
        "a value of {bytes} bytes for the secret {name}: 1 to {VALUE_BYTES} are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_store_takes_are_taken() {
        for good in ["a", "vault-key", "KEY_2", &"x".repeat(255)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a.json", "a b", "schlüssel", "a\n", &"x".repeat(256)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_that_every_store_takes_are_taken() {
        let check = |key: &str, value: &str| check_labels("a", &BTreeMap::from([(key.into(), value.into())]));
        for (key, value) in [("tier", "critical"), ("größe", "3"), ("a_b-c", ""), ("a", &"x".repeat(63))] {
            assert!(check(key, value).is_ok(), "{key}={value}");
        }
        for (key, value) in
            [("", "x"), ("Tier", "x"), ("9", "x"), ("a", "A"), ("a", "b c"), ("a", &"x".repeat(64))]
        {
            assert!(check(key, value).is_err(), "{key}={value}");
        }
        let many = (0..65).map(|n| (format!("a{n}"), String::new())).collect();
        assert!(check_labels("a", &many).is_err());
    }
}
