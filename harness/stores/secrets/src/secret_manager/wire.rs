//! What is sent to Secret Manager and received, and what must be true of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use comeback_engine::secret::SecretBytes;
use comeback_error::{Error, Result};
use comeback_model::VersionState;
use google_cloud_secretmanager_v1::model::secret_version::State;
use google_cloud_secretmanager_v1::model::{AccessSecretVersionResponse, SecretPayload, SecretVersion};
use zeroize::Zeroizing;

use crate::crc32c;

/// The last part of a resource's name, after the name of its collection. The parts before it contain the
/// project's number even if the id was used, so they cannot be compared.
pub(super) fn last_segment<'a>(name: &'a str, collection: &str) -> Result<&'a str> {
    let mut parts = name.rsplit('/');
    match (parts.next(), parts.next()) {
        (Some(last), Some(before)) if before == collection && !last.is_empty() => Ok(last),
        _ => Err(Error::could_not_verify(format!(
            "Secret Manager answered with `{name}` where the name of one of the {collection} has to be"
        ))),
    }
}

pub(super) fn number(version: &SecretVersion) -> Result<u64> {
    number_in(&version.name)
}

fn number_in(name: &str) -> Result<u64> {
    let number = last_segment(name, "versions")?.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Error::could_not_verify(format!("`{name}` is a version without a number")))
}

pub(super) fn state(version: &SecretVersion) -> Result<VersionState> {
    match &version.state {
        State::Enabled => Ok(VersionState::Enabled),
        State::Disabled => Ok(VersionState::Disabled),
        State::Destroyed => Ok(VersionState::Destroyed),
        other => {
            Err(Error::could_not_verify(format!("{} is in a state unknown to us: {other}", version.name)))
        }
    }
}

/// Refuses an answer that lacks a version: numbers are given out in order, and a destroyed version stays in
/// the list.
pub(super) fn check_no_gap(name: &str, versions: &BTreeMap<u64, VersionState>) -> Result<()> {
    match (1..).zip(versions.keys()).find(|(expected, number)| expected != *number) {
        None => Ok(()),
        Some((expected, number)) => Err(Error::could_not_verify(format!(
            "Secret Manager lists version {number} of the secret {name}, and not version {expected}"
        ))
        .hint("try once more: the list may be behind what was written just now")),
    }
}

/// A value as it is sent, with its CRC32C: the service refuses a value that does not match.
pub(super) fn payload(value: &SecretBytes) -> SecretPayload {
    // Our copy is wiped when the client drops it.
    let data = Bytes::from_owner(Zeroizing::new(value.expose().to_vec()));
    SecretPayload::new().set_data(data).set_data_crc32c(i64::from(crc32c(value.expose())))
}

/// The value in an answer. The client accepts answers without a CRC32C and does not compare it, so it is
/// compared here.
pub(super) fn value(name: &str, version: u64, answer: AccessSecretVersionResponse) -> Result<SecretBytes> {
    let wrong = |what: &str| {
        Error::could_not_verify(format!("Secret Manager gave version {version} of the secret {name} {what}"))
            .hint("try once more: if it stays so, the version is damaged, or something between here and there is")
    };
    let payload = answer.payload.ok_or_else(|| wrong("without its value"))?;
    let data = Zeroizing::new(Vec::from(payload.data));
    let Some(expected) = payload.data_crc32c else { return Err(wrong("without the CRC32C of its value")) };
    if expected != i64::from(crc32c(&data)) {
        return Err(wrong("with a value that is not what its CRC32C says"));
    }
    let given = number_in(&answer.name)?;
    if given != version {
        return Err(wrong(&format!("and called it version {given}")));
    }
    Ok(data.to_vec().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(value: &[u8], crc32c: Option<i64>) -> AccessSecretVersionResponse {
        let payload = SecretPayload::new().set_data(value.to_vec()).set_or_clear_data_crc32c(crc32c);
        AccessSecretVersionResponse::new().set_name("projects/123/secrets/a/versions/2").set_payload(payload)
    }

    #[test]
    fn a_value_is_what_its_crc32c_says_or_nothing() {
        let right = i64::from(crc32c(b"hunter2"));
        assert_eq!(value("a", 2, answer(b"hunter2", Some(right))).unwrap().expose(), b"hunter2");
        // The service compares what the client sends.
        assert_eq!(payload(&b"hunter2".to_vec().into()).data_crc32c, Some(right));
        for (answer, told) in [
            (answer(b"hunter3", Some(right)), "is not what its CRC32C says"),
            (answer(b"hunter2", Some(right | 1 << 32)), "is not what its CRC32C says"),
            (answer(b"hunter2", Some(-right)), "is not what its CRC32C says"),
            (answer(b"hunter2", None), "without the CRC32C"),
            (AccessSecretVersionResponse::new(), "without its value"),
        ] {
            let error = value("a", 2, answer).unwrap_err().to_string();
            assert!(error.contains(told) && !error.contains("hunter"), "{error}");
        }
        let error = value("a", 3, answer(b"hunter2", Some(right))).unwrap_err();
        assert!(error.message().contains("called it version 2"), "{error}");
    }

    #[test]
    fn only_the_last_part_of_a_name_counts() {
        assert_eq!(last_segment("projects/123/secrets/a", "secrets"), Ok("a"));
        for name in ["", "a", "projects/123/secrets/", "projects/123/topics/a"] {
            assert!(last_segment(name, "secrets").is_err(), "{name}");
        }
        assert_eq!(number_in("projects/123/secrets/a/versions/12"), Ok(12));
        for name in ["projects/123/secrets/a/versions/latest", "projects/123/secrets/a/versions/0"] {
            assert!(number_in(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_gap_among_the_versions_is_no_answer() {
        let versions =
            |numbers: &[u64]| numbers.iter().map(|number| (*number, VersionState::Enabled)).collect();
        assert!(check_no_gap("a", &versions(&[])).is_ok());
        assert!(check_no_gap("a", &versions(&[1, 2, 3])).is_ok());
        for numbers in [&[2][..], &[1, 3]] {
            assert!(check_no_gap("a", &versions(numbers)).is_err(), "{numbers:?}");
        }
    }
}
