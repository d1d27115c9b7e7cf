//! Tests Google Secret Manager on its fake: the contract, faults, and interrupted imports.

use comeback_engine::clock::Clock;
use comeback_error::ErrorKind::{self, CouldNotVerify, Usage};
use comeback_error::{Error, Result};
use comeback_model::VersionState::{Destroyed, Disabled};
use comeback_secrets::{
    ExportKeys, Identities, SecretManagerStore, SecretStore, export_secrets, import, plan_import,
    read_export_file, read_secrets,
};

use crate::contract::{holds, labels, value};
use crate::fake_secret_manager::{FakeSecretManager, Fault, PROJECT};
use crate::import::{fill, set};

/// The value that no text may contain.
const VALUE: &str = "hunter2hunter2";
const VALUE_IN_BASE64: &str = "aHVudGVyMmh1bnRlcjI";

/// An empty store, which lives as long as its fake.
pub(crate) async fn store() -> (FakeSecretManager, SecretManagerStore) {
    let fake = FakeSecretManager::start().await;
    let store = SecretManagerStore::open_emulator(PROJECT, fake.host()).await.unwrap();
    (fake, store)
}

/// Asserts an error of this kind and sentence, without a value in it.
fn refused<T: std::fmt::Debug>(answer: Result<T>, kind: ErrorKind, sentence: &str) -> Error {
    let error = answer.unwrap_err();
    assert!(error.kind() == kind && error.message().contains(sentence), "{sentence}: {error:?}");
    let all = format!("{error} {error:?}");
    assert!(!all.contains(VALUE) && !all.contains(VALUE_IN_BASE64), "{all}");
    error
}

/// The same, with a hint.
fn refused_with_hint<T: std::fmt::Debug>(answer: Result<T>, kind: ErrorKind, sentence: &str, hint: &str) {
    let error = refused(answer, kind, sentence);
    assert!(error.hints().iter().any(|one| one.contains(hint)), "{hint}: {error}");
}

#[tokio::test]
async fn secret_manager_holds_the_contract() {
    let (fake, store) = store().await;
    holds(&store).await;
    // Neither list fitted into one page.
    assert!(fake.later_pages("secrets") > 7 && fake.later_pages("versions") > 1);
    let again = SecretManagerStore::open_emulator(PROJECT, fake.host()).await.unwrap();
    assert_eq!(read_secrets(&again).await.unwrap(), read_secrets(&store).await.unwrap());
}

#[tokio::test]
async fn a_project_that_cannot_be_looked_into_is_refused_at_once() {
    let fake = FakeSecretManager::start().await;
    let open = |project: &'static str| SecretManagerStore::open_emulator(project, fake.host());
    refused_with_hint(open("nowhere").await, Usage, "there is no project nowhere", "gcloud projects list");
    fake.set_fault(Fault::Denied("secretmanager.secrets.list"));
    let sentence = "PERMISSION_DENIED: Permission 'secretmanager.secrets.list' denied";
    refused_with_hint(open(PROJECT).await, CouldNotVerify, sentence, "secretmanager.admin");
    refused_with_hint(open(PROJECT).await, CouldNotVerify, sentence, "does not exist");
    fake.set_fault(Fault::Unauthenticated);
    refused_with_hint(open(PROJECT).await, CouldNotVerify, "UNAUTHENTICATED", "application-default login");
    // A port that was free a moment ago.
    let host = fake.host().to_owned();
    drop(fake);
    let gone = SecretManagerStore::open_emulator(PROJECT, &host).await;
    refused_with_hint(gone, CouldNotVerify, "no connection", "the emulator");
}

#[tokio::test]
async fn every_fault_of_an_access_has_its_own_error() {
    let (fake, store) = store().await;
    store.create("a", &labels(&[])).await.unwrap();
    store.add_version("a", &value(VALUE)).await.unwrap();
    for (fault, sentence, hint) in [
        (Fault::WrongCrc32c, "with a value that is not what its CRC32C says", "try once more"),
        (Fault::MissingCrc32c, "without the CRC32C of its value", "try once more"),
        (Fault::MisplacedValue, "the answer is not as Secret Manager writes it", "try once more"),
        (Fault::Denied("secretmanager.versions.access"), "PERMISSION_DENIED", "secretAccessor"),
        (Fault::Unauthenticated, "UNAUTHENTICATED", "application-default login"),
        (Fault::Unavailable(u32::MAX), "UNAVAILABLE", "try once more"),
        (Fault::TooMany(u32::MAX), "RESOURCE_EXHAUSTED", "quotas"),
    ] {
        fake.set_fault(fault);
        refused_with_hint(store.access("a", 1).await, CouldNotVerify, sentence, hint);
    }
    fake.set_fault(None);
    assert_eq!(store.access("a", 1).await.unwrap(), value(VALUE));
    store.set_state("a", 1, Disabled).await.unwrap();
    refused(store.access("a", 1).await, Usage, "is in DISABLED state");
    store.set_state("a", 1, Destroyed).await.unwrap();
    refused(store.access("a", 1).await, Usage, "is in DESTROYED state");
    refused(store.access("a", 2).await, Usage, "there is no version 2 of the secret a");
    refused(store.access("b", 1).await, Usage, "there is no version 1 of the secret b");
}

#[tokio::test]
async fn every_fault_of_a_change_has_its_own_error() {
    let (fake, store) = store().await;
    store.create("a", &labels(&[])).await.unwrap();
    fake.set_fault(Fault::RepeatsTheRequest);
    refused(store.add_version("a", &value(VALUE)).await, CouldNotVerify, "INVALID_ARGUMENT");
    fake.set_fault(None);
    for _ in 0..2 {
        store.add_version("a", &value(VALUE)).await.unwrap();
    }
    fake.set_fault(Fault::LosesAVersion);
    refused(store.describe("a").await, CouldNotVerify, "lists version 2 of the secret a, and not version 1");
    fake.set_fault(Fault::DestroysLater);
    let sentence = "destroying version 1 of the secret a";
    refused_with_hint(store.set_state("a", 1, Destroyed).await, CouldNotVerify, sentence, "delayed");
    fake.set_fault(Fault::SomebodyElse);
    let labelled = store.set_labels("a", &labels(&[("tier", "low")])).await;
    refused_with_hint(labelled, CouldNotVerify, "FAILED_PRECONDITION: The etag", "somebody else");
    fake.set_fault(None);
    assert_eq!(store.describe("a").await.unwrap().unwrap().labels, labels(&[]));
}

#[tokio::test]
async fn what_may_be_tried_again_is_and_nothing_else() {
    let (fake, store) = store().await;
    store.create("a", &labels(&[])).await.unwrap();
    fake.set_fault(Fault::Unavailable(2));
    assert_eq!(store.list().await.unwrap(), ["a"]);
    // A request over the quota is not processed, so that a change can be repeated too.
    fake.set_fault(Fault::TooMany(2));
    assert_eq!(store.add_version("a", &value("b")).await.unwrap(), 1);
    // It is unknown whether this request was processed: repeating it might add the version twice.
    fake.set_fault(Fault::Unavailable(1));
    let before = fake.write_requests();
    refused(store.add_version("a", &value(VALUE)).await, CouldNotVerify, "UNAVAILABLE");
    assert_eq!(fake.write_requests(), before + 1);
    assert_eq!(store.describe("a").await.unwrap().unwrap().newest(), 1);
}

#[tokio::test]
async fn without_a_permission_nothing_is_imported_and_with_it_an_import_goes_on() {
    let (fake, store) = store().await;
    fill(&store, &set(&[("a", "x")])).await;
    let (wanted, before) = (set(&[("a", "x y"), ("b", "z")]), read_secrets(&store).await.unwrap());
    for denied in
        ["secretmanager.secrets.get", "secretmanager.versions.list", "secretmanager.versions.access"]
    {
        fake.set_fault(Fault::Denied(denied));
        let writes = fake.write_requests();
        refused(plan_import(&store, &wanted, false).await, CouldNotVerify, denied);
        assert_eq!(fake.write_requests(), writes, "{denied}");
    }
    fake.set_fault(None);
    let writes = fake.write_requests();
    let plan = plan_import(&store, &wanted, false).await.unwrap();
    assert_eq!((plan.steps.len(), fake.write_requests()), (3, writes), "deciding changes nothing");
    fake.set_fault(Fault::Denied("secretmanager.versions.add"));
    refused_with_hint(
        import(&store, &wanted, &plan).await,
        CouldNotVerify,
        "after 0 of 3 steps, `add version 2 of a`",
        "import once more",
    );
    fake.set_fault(None);
    assert_eq!(read_secrets(&store).await.unwrap(), before);
    // With the right to add but not to create: the error says how far it came, and the rest is done later.
    fake.set_fault(Fault::Denied("secretmanager.secrets.create"));
    let sentence = "after 1 of 3 steps, `create b`";
    refused_with_hint(import(&store, &wanted, &plan).await, CouldNotVerify, sentence, "secretmanager.admin");
    fake.set_fault(None);
    let plan = plan_import(&store, &wanted, false).await.unwrap();
    import(&store, &wanted, &plan).await.unwrap();
    assert_eq!(read_secrets(&store).await.unwrap(), wanted);
    let writes = fake.write_requests();
    let plan = plan_import(&store, &wanted, false).await.unwrap();
    import(&store, &wanted, &plan).await.unwrap();
    assert_eq!((plan.steps.len(), fake.write_requests()), (0, writes), "a second import changes nothing");
}

#[tokio::test]
async fn an_export_of_a_folder_comes_back_in_secret_manager_and_out_of_it_again() {
    let (folder, _, kept) = crate::folder::store();
    let mut secrets = set(&[("a", "x - y"), ("b", "z"), ("c", "- w")]);
    secrets.0.get_mut("b").unwrap().labels = labels(&[("tier", "critical"), ("größe", "64k")]);
    fill(&kept, &secrets).await;
    let keys = ExportKeys::make(&folder.path().join("keys")).unwrap();
    let key = Identities::read(&keys.break_glass).unwrap();
    let exports = folder.path().join("exports");
    std::fs::create_dir(&exports).unwrap();
    let first =
        export_secrets(&kept, &keys.recipients, &exports.join("first.age"), &Clock::machine()).await.unwrap();
    let opened = read_export_file(&first.path, &key).unwrap();
    assert_eq!(opened.secrets, secrets);

    let (fake, store) = store().await;
    let plan = plan_import(&store, &opened.secrets, false).await.unwrap();
    import(&store, &opened.secrets, &plan).await.unwrap();
    assert_eq!(read_secrets(&store).await.unwrap(), secrets);
    let second = export_secrets(&store, &keys.recipients, &exports.join("second.age"), &Clock::machine())
        .await
        .unwrap();
    assert_eq!(read_export_file(&second.path, &key).unwrap().secrets, secrets);
    assert_eq!(second.export.store, format!("gsm://{PROJECT} of the emulator {}", fake.host()));
}
