//! Tests exports in memory: what goes in comes out, and nothing else.

use comeback_engine::secret::DigestKey;
use comeback_error::ErrorKind;
use jiff::Timestamp;
use proptest::prelude::*;

use super::age_file::{count_recipients, encrypt, read_export_file};
use crate::*;

/// A folder with two keys. The folder is removed when it is dropped.
fn keys() -> (tempfile::TempDir, ExportKeys) {
    let folder = tempfile::tempdir().unwrap();
    let keys = ExportKeys::make(folder.path()).unwrap();
    (folder, keys)
}

fn any_content() -> impl Strategy<Value = SecretContent> {
    let value = prop::collection::vec(any::<u8>(), 1..200).prop_map(|bytes| Some(SecretBytes::from(bytes)));
    let version = prop_oneof![
        3 => value.clone().prop_map(|value| VersionContent { state: VersionState::Enabled, value }),
        1 => value.prop_map(|value| VersionContent { state: VersionState::Disabled, value }),
        1 => Just(VersionContent { state: VersionState::Disabled, value: None }),
        1 => Just(VersionContent { state: VersionState::Destroyed, value: None }),
    ];
    let labels = prop::collection::btree_map("[a-zäλ][a-z0-9_-]{0,9}", "[a-z0-9ß_-]{0,9}", 0..4);
    (labels, prop::collection::vec(version, 0..5))
        .prop_map(|(labels, versions)| SecretContent { labels, versions: (1..).zip(versions).collect() })
}

fn any_set() -> impl Strategy<Value = SecretSet> {
    prop::collection::btree_map("[a-zA-Z0-9_-]{1,20}", any_content(), 0..5).prop_map(SecretSet)
}

fn one() -> SecretSet {
    let version = VersionContent { state: VersionState::Enabled, value: Some(b"hunter2".to_vec().into()) };
    let secret = SecretContent { labels: BTreeMap::new(), versions: BTreeMap::from([(1, version)]) };
    SecretSet(BTreeMap::from([("door".to_owned(), secret)]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn either_key_opens_what_was_exported(secrets in any_set(), seconds in 0_i64..4_000_000_000) {
        let (folder, keys) = keys();
        let (key, taken_at) = (DigestKey::random().unwrap(), Timestamp::from_second(seconds).unwrap());
        let file = encrypt(&secrets, &key, taken_at, &keys.recipients).unwrap();
        prop_assert_eq!(count_recipients(&file), Some(2));
        let path = folder.path().join("export.age");
        std::fs::write(&path, &file).unwrap();
        for identity in [&keys.daily, &keys.break_glass] {
            let opened = read_export_file(&path, &Identities::read(identity).unwrap()).unwrap();
            prop_assert_eq!((&opened.secrets, &opened.key, opened.taken_at), (&secrets, &key, taken_at));
        }
    }

    #[test]
    fn what_was_cut_or_changed_is_never_opened(at in any::<prop::sample::Index>(), flip in 1_u8.., cut: bool) {
        let (folder, keys) = keys();
        let whole = encrypt(&one(), &DigestKey::random().unwrap(), Timestamp::UNIX_EPOCH, &keys.recipients).unwrap();
        let (mut file, at) = (whole.clone(), at.index(whole.len()));
        if cut { file.truncate(at) } else { file[at] ^= flip }
        let path = folder.path().join("export.age");
        std::fs::write(&path, &file).unwrap();
        let error = read_export_file(&path, &Identities::read(&keys.daily).unwrap()).unwrap_err();
        prop_assert!(!error.to_string().contains("hunter2") && !error.hints().is_empty(), "{}", error);
    }

    #[test]
    fn any_bytes_can_be_asked_for_their_recipients(bytes: Vec<u8>, lines in "(-> [a-zX0-9 -]{0,20}\n|---.{0,5}\n){0,5}") {
        count_recipients(&bytes);
        let header = format!("age-encryption.org/v1\n{lines}");
        // The header ends with the first line that starts with `---`; inside a line it has no meaning.
        let stanzas = lines.lines().take_while(|line| !line.starts_with("---"));
        let counted = stanzas.filter(|line| line.starts_with("-> ")).count();
        prop_assert!(count_recipients(header.as_bytes()).is_none_or(|count| count <= counted));
    }

    /// Whatever an export contains that somebody else encrypted to us, it is read as a whole or refused.
    #[test]
    fn any_text_inside_is_taken_whole_or_refused(text in "[\\{\\}\\[\\]\",:a-z0-9]{0,60}") {
        prop_assert!(age_file::parse(text.as_bytes()).is_err());
    }
}

/// The content of an export, written by hand, with one part replaced.
fn inside(from: &str, to: &str) -> Result<OpenedExport> {
    let digest_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let secret = r#"{"name":"door","labels":{},"versions":[{"version":1,"state":"enabled","value":"aHVudGVyMg==","crc32c":1421582573},{"version":2,"state":"destroyed"}]}"#;
    let crc = crc32c(b"hunter2").to_string();
    let text = format!(
        r#"{{"comeback_secrets":1,"taken_at":"2026-11-22T02:00:00Z","digest_key":"{digest_key}","secrets":[{secret}]}}"#
    );
    let text = text.replace("1421582573", &crc);
    assert!(text.contains(from), "{from}");
    age_file::parse(text.replacen(from, to, 1).as_bytes()).map_err(|refusal| match refusal {
        age_file::Refusal::Damaged(why) => comeback_error::Error::failed(why),
        age_file::Refusal::Unknown(error) => error,
        age_file::Refusal::WrongKey => comeback_error::Error::usage("a wrong key"),
    })
}

#[test]
fn what_cannot_have_been_exported_is_refused() {
    assert!(inside("door", "door").is_ok());
    for (from, to, why) in [
        ("\"comeback_secrets\":1", "\"comeback_secrets\":2", "version 2"),
        ("\"secrets\":", "\"sicrets\":", "not as we write it"),
        ("\"labels\":{}", "\"labels\":{},\"x\":1", "not as we write it"),
        ("\"labels\":{}", "\"labels\":{\"A\":\"\"}", "cannot be a label"),
        ("\"door\"", "\"../door\"", "cannot be the name"),
        ("aHVudGVyMg==", "aHVudGVyMQ==", "not what its CRC32C says"),
        ("aHVudGVyMg==", "aHVudGVyMg", "not as we write it"),
        ("aHVudGVyMg==", "", "of a size that no store takes"),
        ("\"version\":2", "\"version\":3", "version 3 of the secret door stands where version 2 has to be"),
        ("\"state\":\"enabled\"", "\"state\":\"destroyed\"", "is destroyed and has a value"),
        ("\"state\":\"destroyed\"", "\"state\":\"enabled\"", "is enabled and has no value"),
        ("AAAA", "", "has not 256 bits"),
        ("}]}]}", "}]},{\"name\":\"door\",\"labels\":{},\"versions\":[]}]}", "is in it twice"),
    ] {
        let error = inside(from, to).unwrap_err();
        assert!(error.message().contains(why), "{from} → {to}: {error}");
        assert!(!error.to_string().contains("aHVud") && !error.to_string().contains("hunter"), "{error}");
    }
}

#[test]
fn a_wrong_key_and_one_recipient_alone_are_told_apart() {
    let (folder, keys) = keys();
    let other = folder.path().join("other");
    make_identity(&other).unwrap();
    let path = folder.path().join("export.age");
    for (recipients, hint) in [
        (keys.recipients.clone(), "try the other key"),
        (keys.recipients.first_alone(), "to one recipient alone"),
    ] {
        let file =
            encrypt(&one(), &DigestKey::random().unwrap(), Timestamp::UNIX_EPOCH, &recipients).unwrap();
        std::fs::write(&path, &file).unwrap();
        let error = read_export_file(&path, &Identities::read(&other).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.hints().iter().any(|one| one.contains(hint)), "{error}");
    }
}

#[test]
fn recipients_are_two_different_public_keys_at_least() {
    let (_folder, keys) = keys();
    let [first, second] = <[String; 2]>::try_from(keys.recipients.names()).unwrap();
    assert!(Recipients::parse(&[first.clone(), second.clone()]).is_ok());
    for few in [
        &[][..],
        std::slice::from_ref(&first),
        &[first.clone(), first.clone()],
        &[first.clone(), second, first.clone()],
    ] {
        assert!(Recipients::parse(few).is_err(), "{few:?}");
    }
}

#[test]
fn a_private_key_for_a_recipient_is_refused_and_not_repeated() {
    let (_folder, keys) = keys();
    let private = std::fs::read_to_string(&keys.daily).unwrap();
    let private = private.lines().find(|line| line.starts_with("AGE-")).unwrap().to_owned();
    let error = Recipients::parse(&[private.clone(), keys.recipients.names().remove(0)]).unwrap_err();
    assert!(!error.to_string().contains(&private[15..]), "the private key is in the message");
}

#[test]
fn a_key_beside_an_export_is_found() {
    let (folder, keys) = keys();
    assert_eq!(find_identity_beside(folder.path()).unwrap(), None);
    assert_eq!(find_identity_beside(keys.daily.parent().unwrap()).unwrap(), Some(keys.daily));
}
