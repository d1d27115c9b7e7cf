//! Who wrote a backup, and who can read it: signatures that other tools verify, and encryption.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use comeback_engine::repository::{
    GuardedRepository, Keyring, LocalRepository, LogArchive, Provenance, PublicKey, Repository,
    SIGNATURE_FILE, SealedRepository, SigningKey, copy_backup, provenance, verify_stored,
};
use comeback_error::ErrorKind;
use tokio::io::AsyncReadExt as _;

use super::keys;
use super::promises::{content, store};

const ID: &str = "20260101-a";

/// Runs a program of this machine in a folder.
#[track_caller]
fn run(folder: &Path, program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
}

/// Makes a pair of keys with openssl.
fn make_keys(folder: &Path, name: &str) -> (SigningKey, PublicKey) {
    let [private, public] = ["pem", "pub.pem"].map(|ending| format!("{name}.{ending}"));
    run(folder, "openssl", &["genpkey", "-algorithm", "ed25519", "-out", &private]);
    run(folder, "openssl", &["pkey", "-in", &private, "-pubout", "-out", &public]);
    (SigningKey::read(&folder.join(private)).unwrap(), PublicKey::read(&folder.join(public)).unwrap())
}

async fn signed(root: &Path, signer: Option<SigningKey>, trusted: &[PublicKey]) -> GuardedRepository {
    let inner = Arc::new(LocalRepository::open(root).await.unwrap());
    GuardedRepository::new(inner, Keyring::new(signer, trusted.to_vec()), false)
}

#[tokio::test]
async fn a_signed_manifest_is_verified_by_other_tools_and_by_us() {
    let folder = tempfile::tempdir().unwrap();
    let (root, keys) = (folder.path().join("repository"), folder.path());
    let ((ours, our_public), (theirs, _)) = (make_keys(keys, "ours"), make_keys(keys, "theirs"));
    let trusted = [our_public];
    let repository = signed(&root, Some(ours), &trusted).await;
    store(&repository, ID).await;
    let backup = root.join(ID);
    run(&backup, "sha256sum", &["-c", "manifest.json.sha256"]);
    let key = keys.join("ours.pub.pem").display().to_string();
    let verify =
        ["pkeyutl", "-verify", "-pubin", "-inkey", &key, "-rawin", "-in", "manifest.json", "-sigfile"];
    run(&backup, "openssl", &[&verify[..], &["manifest.json.sig"]].concat());
    let told = async |id: &str| provenance(&repository, id).await.unwrap();
    assert_eq!(told(ID).await, Provenance::Trusted("ours.pub.pem".to_owned()));

    // A copy keeps the signature, also where another key signs.
    let other = folder.path().join("copy");
    let copies = signed(&other, Some(theirs), &trusted).await;
    copy_backup(&repository, &copies, ID).await.unwrap();
    assert!(provenance(&copies, ID).await.unwrap().is_trusted());
    store(&copies, "20260102-a").await;
    let foreign = provenance(&copies, "20260102-a").await.unwrap();
    assert!(matches!(foreign, Provenance::Unknown(_)), "{foreign}");

    // Somebody offers an older backup as a newer one: its signature is good, and it is not the backup of this name.
    let replayed = root.join("20260303-a");
    std::fs::create_dir(&replayed).unwrap();
    for file in crate::kit::place::files_below(&backup).iter().filter(|file| file.parent() == Some(&backup)) {
        std::fs::copy(file, replayed.join(file.file_name().unwrap())).unwrap();
    }
    for error in [
        repository.manifest("20260303-a").await.unwrap_err(),
        repository.head("20260303-a").await.unwrap_err(),
    ] {
        let is_told = error.message().contains("holds the manifest of backup 20260101-a");
        assert!(error.kind() == ErrorKind::Failed && is_told, "{error}");
    }

    // Somebody changes the manifest with its hash, and then removes the signature.
    let text = std::fs::read_to_string(backup.join("manifest.json")).unwrap().replace("\"r\"", "\"s\"");
    std::fs::write(backup.join("manifest.json"), text).unwrap();
    let changed = repository.manifest(ID).await.unwrap_err();
    assert!(changed.kind() == ErrorKind::Failed && changed.message().contains("was changed"), "{changed}");
    let sum = Command::new("sha256sum").arg("manifest.json").current_dir(&backup).output().unwrap();
    std::fs::write(backup.join("manifest.json.sha256"), sum.stdout).unwrap();
    repository.manifest(ID).await.unwrap();
    assert_eq!(told(ID).await, Provenance::Wrong);
    std::fs::remove_file(backup.join(SIGNATURE_FILE)).unwrap();
    assert_eq!(told(ID).await, Provenance::Unsigned);
}

#[tokio::test]
async fn a_sealed_backup_is_handled_without_a_key_and_read_with_one() {
    let folder = tempfile::tempdir().unwrap();
    let (encryptor, decryptor) = keys(&folder.path().join("key"));
    let (_, other) = keys(&folder.path().join("other"));
    let root = folder.path().join("repository");
    let inner = Arc::new(LocalRepository::open(&root).await.unwrap());
    let writer = SealedRepository::new(inner.clone(), Some(encryptor), None);
    let stored = store(&writer, ID).await;
    let archive = LogArchive::new(
        Arc::new(SealedRepository::new(inner.clone(), Some(keys(&folder.path().join("log")).0), None)),
        "7001",
    );
    archive.store("000000010000000000000005", &content(1)).await.unwrap();

    // Nothing of what was written can be read in the folder.
    for path in crate::kit::place::files_below(&root) {
        let bytes = std::fs::read(&path).unwrap();
        let holds = |text: &[u8]| memchr::memmem::find(&bytes, text).is_some();
        assert!(!holds(&content(1)[..5_000]) && !holds(b"end_snapshot"), "{}", path.display());
    }

    // Without a key it is listed, checked and copied.
    let head = writer.head(ID).await.unwrap();
    assert!(head.is_sealed && head.content.source.is_some(), "{head:?}");
    let names: Vec<_> = head.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["plain.age", "folder/packed.zst.age", "manifest.whole.json.age"]);
    assert_eq!(verify_stored(&writer, &head).await.unwrap(), []);
    let copy = Arc::new(LocalRepository::open(folder.path().join("copy")).await.unwrap());
    copy_backup(&writer, &*copy, ID).await.unwrap();
    let unread = writer.manifest(ID).await.unwrap_err();
    assert!(
        unread.kind() == ErrorKind::CouldNotVerify && unread.hints()[0].contains("--identity"),
        "{unread}"
    );
    assert_eq!(copy.manifest(ID).await.unwrap_err().message(), unread.message());
    let log = writer.open_log("7001", &writer.list_log("7001", "0").await.unwrap()[0]).await;
    assert_eq!(log.err().map(|error| error.kind()), Some(ErrorKind::CouldNotVerify));

    // With the key of another one it proves nothing; with its own it is whole, in the copy as well.
    let wrong = SealedRepository::new(inner, None, Some(other));
    assert_eq!(wrong.manifest(ID).await.unwrap_err().kind(), ErrorKind::CouldNotVerify);
    let reader = SealedRepository::new(copy, None, Some(decryptor));
    assert_eq!(reader.manifest(ID).await.unwrap(), stored);
    let mut bytes = Vec::new();
    reader.open(ID, "plain").await.unwrap().read_to_end(&mut bytes).await.unwrap();
    assert!(bytes == content(1));

    // The encrypted manifest of another backup under this head is refused.
    let whole = folder.path().join("copy").join(ID).join("manifest.whole.json.age");
    let mut swapped = std::fs::read(&whole).unwrap();
    *swapped.last_mut().unwrap() ^= 1;
    std::fs::write(&whole, swapped).unwrap();
    assert_eq!(reader.manifest(ID).await.unwrap_err().kind(), ErrorKind::Failed);
}
