//! Google Secret Manager through the binary, with a fake of it. Every run here is searched for leaks.

use std::process::Output;

use crate::kit::fake_secret_manager::{FakeSecretManager, Fault, PROJECT};
use crate::kit::leaks::{Learnt, watched_with};
use crate::kit::place::text;
use crate::kit::vault::{Vault, content};

/// The content of the vault's store.
const LEARNT: usize = 6;

/// A vault, and an empty fake beside it.
struct Cloud {
    vault: Vault,
    fake: FakeSecretManager,
    store: String,
}

impl Cloud {
    async fn new() -> Self {
        let (vault, fake) = (Vault::new().await, FakeSecretManager::start().await);
        vault.export("secrets.age");
        // Stores are secrets themselves: what is searched for leaks lies beside them.
        let apart = vault.place.folder.path().join("store");
        std::fs::rename(vault.store(), apart).unwrap();
        Self { vault, fake, store: format!("gsm://{PROJECT}") }
    }

    /// Runs the binary with environment variables; it must print, leave and pass on no secret.
    fn run_with(&self, settings: &[(&str, &str)], args: &[&str]) -> Output {
        let mut command = self.vault.place.comeback(args);
        command.envs(settings.iter().copied());
        let known = Learnt::of(self.vault.values.clone());
        let (output, learnt) = watched_with(&self.vault.place, command, known);
        learnt.assert_kept(LEARNT, &self.vault.place, &output);
        output
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(&[("SECRET_MANAGER_EMULATOR_HOST", self.fake.host())], args)
    }

    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    fn import(&self, store: &str, more: &[&str]) -> Vec<String> {
        let key = self.vault.key("break-glass");
        let args = ["secrets", "import", "secrets.age", "--identity", &key, "--store", store];
        [&args[..], more].concat().iter().map(ToString::to_string).collect()
    }

    fn export(&self, store: &str) -> Vec<String> {
        let [daily, break_glass] = &self.vault.recipients;
        let args = ["secrets", "export", "--out", "new.age", "--store", store];
        let two = ["--recipient", daily, "--recipient", break_glass];
        [&args[..], &two].concat().iter().map(ToString::to_string).collect()
    }
}

fn borrowed(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_comes_back_in_secret_manager_twice_is_once_and_it_is_exported_from_there() {
    let cloud = Cloud::new().await;
    let dry_run = cloud.import(&cloud.store, &["--dry-run"]);
    let told = cloud.done(&borrowed(&dry_run));
    assert!(told.contains("create db-password") && told.contains("nothing was changed"), "{told}");
    assert_eq!(cloud.fake.write_requests(), 0);

    let import = cloud.import(&cloud.store, &[]);
    cloud.done(&borrowed(&import));
    let writes = cloud.fake.write_requests();
    let told = cloud.done(&borrowed(&import));
    assert!(told.contains("took 0 steps") && told.contains("3 secrets as in the export"), "{told}");
    assert_eq!(cloud.fake.write_requests(), writes, "a second import changed something");

    let told = cloud.done(&borrowed(&cloud.export(&cloud.store)));
    assert!(told.contains("3 secrets, 6 versions of gsm://road-trips of the emulator"), "{told}");
    let place = &cloud.vault.place;
    std::fs::rename(place.work().join("new.age"), place.work().join("secrets.age")).unwrap();
    let restored = cloud.vault.another("restored");
    let apart = place.folder.path().join("restored");
    std::fs::rename(&restored, &apart).unwrap();
    cloud.done(&borrowed(&cloud.import("../restored", &[])));
    assert_eq!(content(&apart).await, content(&place.folder.path().join("store")).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_wrong_there_is_told_with_a_hint_and_no_value() {
    let cloud = Cloud::new().await;
    cloud.done(&borrowed(&cloud.import(&cloud.store, &[])));
    let (export, import) = (cloud.export(&cloud.store), cloud.import(&cloud.store, &[]));
    let elsewhere = cloud.import("gsm://nowhere", &[]);
    let writes = cloud.fake.write_requests();
    for (fault, args, code, sentence) in [
        (None, &elsewhere, 2, "there is no project nowhere"),
        (Some(Fault::Denied("secretmanager.secrets.list")), &export, 3, "PERMISSION_DENIED"),
        (Some(Fault::Denied("secretmanager.versions.access")), &export, 3, "PERMISSION_DENIED"),
        (Some(Fault::Denied("secretmanager.versions.access")), &import, 3, "PERMISSION_DENIED"),
        (Some(Fault::Unauthenticated), &import, 3, "UNAUTHENTICATED"),
        (Some(Fault::WrongCrc32c), &export, 3, "not what its CRC32C says"),
        (Some(Fault::MissingCrc32c), &export, 3, "without the CRC32C"),
        (Some(Fault::MisplacedValue), &export, 3, "not as Secret Manager writes it"),
        (Some(Fault::Unavailable(u32::MAX)), &export, 3, "UNAVAILABLE"),
        (Some(Fault::LosesAVersion), &export, 3, "not version 1"),
    ] {
        cloud.fake.set_fault(fault);
        let output = cloud.run(&borrowed(args));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{fault:?}: {told}");
        assert!(told.contains(sentence) && told.contains("\nhint: "), "{fault:?}: {told}");
        assert!(!cloud.vault.place.work().join("new.age").exists(), "{fault:?} was exported");
    }
    assert_eq!(cloud.fake.write_requests(), writes, "something was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_that_repeats_the_request_is_not_repeated() {
    let cloud = Cloud::new().await;
    cloud.fake.set_fault(Fault::RepeatsTheRequest);
    let import = cloud.import(&cloud.store, &[]);
    let output = cloud.run(&borrowed(&import));
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("after 1 of 9 steps") && told.contains("INVALID_ARGUMENT"), "{told}");
    cloud.fake.set_fault(None);
    assert!(cloud.done(&borrowed(&import)).contains("all of the export is there"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_and_emulators_that_are_none_are_told() {
    let cloud = Cloud::new().await;
    let import = cloud.import(&cloud.store, &[]);
    let file = cloud.vault.place.folder.path().join("credentials.json");
    std::fs::write(&file, r#"{"type": "service_account", "private_key": ["hunter2"]}"#).unwrap();
    let file = file.display().to_string();
    for (variable, content, code, sentence) in [
        ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json", 3, "/nowhere/key.json"),
        ("GOOGLE_APPLICATION_CREDENTIALS", &file, 3, "is not as Google writes it"),
        ("SECRET_MANAGER_EMULATOR_HOST", "localhost", 2, "`localhost` is no emulator"),
    ] {
        let output = cloud.run_with(&[(variable, content)], &borrowed(&import));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{content}: {told}");
        assert!(told.contains(sentence) && told.contains("\nhint: "), "{content}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}
