//! Tests the embedded store: the contract, and its own behaviour.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use comeback_secrets::{FolderStore, SecretStore as _};

use crate::contract::{holds, labels, value};

/// An empty store in a folder that is removed with the test.
pub(crate) fn store() -> (tempfile::TempDir, PathBuf, FolderStore) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("store");
    let store = FolderStore::create(&root).unwrap();
    (folder, root, store)
}

/// The access that others have to the folder and to each file in it.
fn left_to_others(root: &Path) -> Vec<u32> {
    let entries = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    entries
        .chain([root.to_owned()])
        .map(|path| path.metadata().unwrap().permissions().mode() & 0o077)
        .collect()
}

#[tokio::test]
async fn the_embedded_store_holds_the_contract() {
    let (_folder, root, store) = store();
    holds(&store).await;
    // Another instance sees the same, and nothing in the folder is accessible to others.
    let again = FolderStore::open(&root).unwrap();
    assert_eq!(again.list().await.unwrap(), store.list().await.unwrap());
    assert!(left_to_others(&root).iter().all(|mode| *mode == 0), "{:?}", left_to_others(&root));
}

#[tokio::test]
async fn what_others_can_reach_is_refused() {
    let (_folder, root, store) = store();
    store.create("a", &labels(&[])).await.unwrap();
    let open_to_all = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(root.join("a.json"), open_to_all).unwrap();
    let error = store.describe("a").await.unwrap_err();
    assert!(error.message().contains("its mode is 0644") && !error.hints().is_empty(), "{error}");
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o750)).unwrap();
    let error = FolderStore::open(&root).unwrap_err();
    assert!(error.message().contains("its mode is 0750"), "{error}");
}

#[test]
fn a_folder_of_something_else_is_no_store() {
    let (_folder, root, _) = store();
    std::fs::write(root.join("notes.txt"), "").unwrap();
    let error = FolderStore::open(&root).unwrap_err();
    assert!(error.message().contains("there is `notes.txt` in it"), "{error}");
    assert!(FolderStore::open(root.join("nowhere")).unwrap_err().message().contains("No such file"));
    assert!(FolderStore::create(&root).is_err(), "a store was made in place of another");
}

#[tokio::test]
async fn a_damaged_file_is_told_without_its_values() {
    let (_folder, root, store) = store();
    store.create("a", &labels(&[])).await.unwrap();
    store.add_version("a", &value("hunter2hunter2")).await.unwrap();
    let path = root.join("a.json");
    let whole = std::fs::read_to_string(&path).unwrap();
    let encoded = "aHVudGVyMmh1bnRlcjI=";
    assert!(whole.contains(encoded), "{whole}");
    for damaged in [
        whole.replace(encoded, "aHVudGVyMmh1bnRlcjM="),
        whole.replace(encoded, "aHVudGVyMmh1bnRlcjI*"),
        whole.replace("\"version\":1", "\"version\":2"),
        whole.replace("\"value\"", "\"aHVudGVyMmh1bnRlcjI=\""),
        whole.replace("\"name\":\"a\"", "\"name\":\"b\""),
        whole[..whole.len() / 2].to_owned(),
    ] {
        assert_ne!(damaged, whole);
        std::fs::write(&path, &damaged).unwrap();
        let error = store.access("a", 1).await.unwrap_err().to_string();
        assert!(!error.contains("hunter2") && !error.contains("aHVud"), "{error}");
    }
}

#[tokio::test]
async fn whoever_writes_at_once_waits_and_nothing_is_lost() {
    let (_folder, _, store) = store();
    store.create("a", &labels(&[])).await.unwrap();
    let writers = (0..16).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { store.add_version("a", &value(&format!("value {number}"))).await.unwrap() })
    });
    let mut numbers = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        numbers.push(writer.await.unwrap());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<_>>());
    assert_eq!(store.describe("a").await.unwrap().unwrap().newest(), 16);
}
