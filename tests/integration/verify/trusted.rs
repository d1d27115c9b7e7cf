//! Comeback's own backups that are encrypted and signed: read with a key, trusted by another one.

use std::sync::Arc;

use comeback_engine::clock::Stopwatch;
use comeback_engine::repository::{
    GuardedRepository, Keyring, LocalRepository, SealedRepository, SigningKey,
};
use comeback_redis::take_snapshot;
use comeback_secrets::{RecipientEncryptor, Recipients, make_identity};

use crate::kit::redis_bench::RedisBench;
use crate::kit::verify::verify;

use super::damages::{Facts, each_damage, own};

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_and_signed_snapshot_is_exact_and_every_damage_to_its_trust_is_found() {
    let Some(bench) = RedisBench::local().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (root, file) = (folder.path().join("repository"), |name: &str| folder.path().join(name));
    let signer = SigningKey::random("backup").unwrap();
    std::fs::write(file("backup.pub.pem"), signer.public().pem()).unwrap();
    let settings = format!("[repository.main]\ntrusted-keys = [{:?}]\n", file("backup.pub.pem"));
    std::fs::write(file("settings.toml"), settings).unwrap();
    let recipients = Recipients::parse_any(&[make_identity(&file("key")).unwrap()]).unwrap();
    let encryptor = Arc::new(RecipientEncryptor::new(recipients));
    let inner = Arc::new(LocalRepository::open(&root).await.unwrap());
    let guarded = GuardedRepository::new(inner, Keyring::new(Some(signer), Vec::new()), false);
    // The machine that takes the backup cannot read it again.
    let repository = SealedRepository::new(Arc::new(guarded), Some(encryptor), None);
    let taken = take_snapshot(&bench.primary.address(), &repository, Stopwatch::start()).await;
    let id = taken.unwrap().manifest.id;

    let text = |name: &str| file(name).display().to_string();
    let (settings, key) = (text("settings.toml"), text("key"));
    let verified = |repository: &str| verify(&["--config", &settings, "--identity", &key, repository]);
    let place = root.display().to_string();
    let passed = verified(&place).passed();
    let provenance = format!("restored provenance: the manifest of {id}: signed by backup.pub.pem");
    assert!(passed.contains(&provenance), "{passed:#?}");
    assert!(passed.iter().any(|line| line.starts_with("exact fingerprint: ")), "{passed:#?}");

    // Without a trusted key nothing is claimed, and without a private key nothing is read.
    let untold = verify(&["--identity", &key, &place]);
    untold.passed();
    assert!(
        untold.not_looked_at().contains(&format!("provenance signature {id}")),
        "{:#?}",
        untold.not_looked_at()
    );
    let locked = verify(&["--config", &settings, &place]);
    assert!(locked.code == 3 && locked.printed.contains("--identity"), "{}", locked.printed);

    let mut facts = Facts::default();
    facts.tell(own::SEALED, id);
    each_damage(
        own::TRUSTED,
        &facts,
        |_| root.clone(),
        |_, repository| verified(&repository.display().to_string()),
    );
    bench.end().await;
}
