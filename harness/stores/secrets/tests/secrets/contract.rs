//! The contract that every store of secrets must fulfil.

use std::collections::BTreeMap;

use comeback_engine::secret::SecretBytes;
use comeback_model::VersionState::{Destroyed, Disabled, Enabled};
use comeback_secrets::{SecretDescription, SecretStore, VALUE_BYTES, access_newest, read_secrets};

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn value(text: &str) -> SecretBytes {
    text.as_bytes().to_vec().into()
}

/// Checks the whole contract on an empty store.
pub(crate) async fn holds(store: &dyn SecretStore) {
    an_empty_one_says_so(store).await;
    versions_are_numbered_and_kept_to_the_byte(store).await;
    states_decide_who_gets_what(store).await;
    what_no_store_takes_is_refused(store).await;
    every_secret_is_listed_in_order(store).await;
}

async fn an_empty_one_says_so(store: &dyn SecretStore) {
    assert_eq!(store.list().await.unwrap(), [""; 0]);
    assert_eq!(store.describe("nothing").await.unwrap(), None);
    assert!(store.access("nothing", 1).await.is_err());
    assert!(store.add_version("nothing", &value("a")).await.is_err());
    assert!(store.set_labels("nothing", &labels(&[])).await.is_err());
    assert!(store.set_state("nothing", 1, Disabled).await.is_err());
    assert!(access_newest(store, "nothing").await.is_err());
    assert!(read_secrets(store).await.unwrap().0.is_empty());
}

async fn versions_are_numbered_and_kept_to_the_byte(store: &dyn SecretStore) {
    let first = labels(&[("tier", "critical"), ("größe", "64k")]);
    store.create("bytes", &first).await.unwrap();
    assert_eq!(
        store.describe("bytes").await.unwrap().unwrap(),
        SecretDescription { labels: first.clone(), versions: BTreeMap::new() }
    );
    let values = [
        value("a"),
        value("a line\n"),
        value("größe \u{1F511}"),
        (0..=255).collect::<Vec<u8>>().into(),
        SecretBytes::random(VALUE_BYTES).unwrap(),
        value("a"),
    ];
    for (number, value) in (1..).zip(&values) {
        assert_eq!(store.add_version("bytes", value).await.unwrap(), number);
    }
    for (number, value) in (1..).zip(&values) {
        assert_eq!(store.access("bytes", number).await.unwrap(), *value, "version {number}");
    }
    assert!(store.access("bytes", 7).await.is_err());
    let second = labels(&[("tier", "")]);
    store.set_labels("bytes", &second).await.unwrap();
    let described = store.describe("bytes").await.unwrap().unwrap();
    assert_eq!(described.labels, second);
    assert_eq!(described.versions, (1..=6).map(|number| (number, Enabled)).collect());
    store.set_labels("bytes", &labels(&[])).await.unwrap();
    assert_eq!(store.describe("bytes").await.unwrap().unwrap().labels, labels(&[]));
}

async fn states_decide_who_gets_what(store: &dyn SecretStore) {
    store.create("states", &labels(&[])).await.unwrap();
    for text in ["one", "two", "three"] {
        store.add_version("states", &value(text)).await.unwrap();
    }
    store.set_state("states", 3, Disabled).await.unwrap();
    assert!(store.access("states", 3).await.is_err());
    assert_eq!(access_newest(store, "states").await.unwrap(), value("two"));
    store.set_state("states", 3, Enabled).await.unwrap();
    assert_eq!(access_newest(store, "states").await.unwrap(), value("three"));
    store.set_state("states", 3, Destroyed).await.unwrap();
    store.set_state("states", 1, Disabled).await.unwrap();
    assert!(store.access("states", 3).await.is_err());
    for state in [Enabled, Disabled] {
        assert!(store.set_state("states", 3, state).await.is_err(), "a destroyed version became {state}");
    }
    // The number of a destroyed version is not used again.
    assert_eq!(store.add_version("states", &value("four")).await.unwrap(), 4);
    let described = store.describe("states").await.unwrap().unwrap();
    assert_eq!(
        described.versions,
        BTreeMap::from([(1, Disabled), (2, Enabled), (3, Destroyed), (4, Enabled)])
    );
    assert_eq!(described.newest(), 4);
    let read = read_secrets(store).await.unwrap();
    let values: Vec<_> = read.0["states"].versions.values().map(|one| one.value.clone()).collect();
    assert_eq!(values, [None, Some(value("two")), None, Some(value("four"))]);
    assert_eq!(read.without_value(), ["states version 1"]);
}

async fn what_no_store_takes_is_refused(store: &dyn SecretStore) {
    assert!(store.create("states", &labels(&[])).await.is_err(), "a name was given out twice");
    for bad in ["", "..", "a/b", "a b", "schlüssel"] {
        assert!(store.create(bad, &labels(&[])).await.is_err(), "{bad}");
        assert!(store.describe(bad).await.is_err(), "{bad}");
    }
    assert!(store.create("labelled", &labels(&[("Tier", "x")])).await.is_err());
    assert!(store.set_labels("states", &labels(&[("tier", "X")])).await.is_err());
    assert!(store.add_version("states", &Vec::new().into()).await.is_err());
    assert!(store.add_version("states", &vec![b'a'; VALUE_BYTES + 1].into()).await.is_err());
    assert_eq!(store.describe("states").await.unwrap().unwrap().newest(), 4);
    assert_eq!(store.list().await.unwrap(), ["bytes", "states"]);
}

async fn every_secret_is_listed_in_order(store: &dyn SecretStore) {
    // More than one page, in stores whose answers have pages.
    for number in (0..30).rev() {
        store.create(&format!("many-{number:02}"), &labels(&[])).await.unwrap();
    }
    let many = (0..30).map(|number| format!("many-{number:02}"));
    let all: Vec<_> = ["bytes".to_owned()].into_iter().chain(many).chain(["states".to_owned()]).collect();
    assert_eq!(store.list().await.unwrap(), all);
}
