//! Makes a store of secrets and two keys in a place of their own: to export, to import, and to look for leaks.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use comeback_engine::secret::SecretBytes;
use comeback_model::VersionState;
use comeback_secrets::{FolderStore, SecretSet, SecretStore as _, make_identity, read_secrets};

use super::place::{Place, text};

/// A place with a store, two keys, and the values to search for.
pub(crate) struct Vault {
    pub(crate) place: Place,
    pub(crate) recipients: [String; 2],
    pub(crate) values: Vec<Vec<u8>>,
}

impl Vault {
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let keys = ["daily", "break-glass"].map(|name| {
            let path = place.folder.path().join(name);
            make_identity(&path).unwrap()
        });
        let store = FolderStore::create(place.work().join("store")).unwrap();
        let mut values = Vec::new();
        for (name, versions) in [("db-password", 3), ("tls-key", 1), ("token", 2)] {
            let labels = [("tier".to_owned(), "critical".to_owned())].into();
            store.create(name, &labels).await.unwrap();
            for _ in 0..versions {
                let mut value = SecretBytes::random_password().unwrap().expose().to_vec();
                // As it is in a file: the line end belongs to it.
                value.extend((name == "tls-key").then_some(b'\n'));
                store.add_version(name, &value.clone().into()).await.unwrap();
                values.push(value);
            }
        }
        store.set_state("token", 1, VersionState::Destroyed).await.unwrap();
        Self { place, recipients: keys, values }
    }

    pub(crate) fn key(&self, name: &str) -> String {
        self.place.folder.path().join(name).display().to_string()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.place.work().join("store")
    }

    /// An empty store.
    pub(crate) fn another(&self, name: &str) -> PathBuf {
        let folder = self.place.work().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        folder
    }

    /// Runs the binary; its output must hold no secret.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let output = self.place.run(args);
        for said in [&output.stdout, &output.stderr] {
            let leaked = self.values.iter().any(|value| text(said).contains(text(value).trim_end()));
            assert!(!leaked && !text(said).contains("AGE-SECRET-KEY-1"), "{args:?}: {}", text(said));
        }
        output
    }

    /// Runs the binary, and returns its output.
    pub(crate) fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{args:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout) + &text(&output.stderr)
    }

    pub(crate) fn export(&self, out: &str) -> String {
        let [daily, break_glass] = &self.recipients;
        self.done(&[
            "secrets",
            "export",
            "--store",
            "store",
            "--out",
            out,
            "--recipient",
            daily,
            "--recipient",
            break_glass,
        ])
    }
}

/// What a store in a folder holds.
pub(crate) async fn content(store: &Path) -> SecretSet {
    read_secrets(&FolderStore::open(store).unwrap()).await.unwrap()
}
