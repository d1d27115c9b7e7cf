//! Secrets through the binary: damages, exports, imports, refusals. Every run here is searched for leaks.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use comeback_engine::damage::DamageSpec;
use comeback_engine::runner::Scenario as _;
use comeback_engine::secret::SecretBytes;
use comeback_secrets::{FolderStore, SecretStore as _, make_identity};

use super::selftest::{every_one_is_caught, is_noticed_and_named};
use crate::kit::leaks::{Learnt, watched};
use crate::kit::place::{Place, copy_program, text, took_the_steps_of};
use crate::kit::require::{self, is_root, local_is_here, redis_is_here};
use crate::kit::vault::{Vault, content};

const RUN_RESTORE: [&str; 5] = ["run", "secrets/restore", "--scale", "ci", "--substrate"];
/// Secrets that a drill must use at least: two stores with the versions of five secrets each, and two private keys.
pub(super) const LEARNT_IN_A_DRILL: usize = 13;

/// A self-test counts a damage as caught only if its judge names what was hit.
#[test]
fn every_damage_to_secrets_fails_for_its_own_reason() {
    if local_is_here() && redis_is_here() {
        every_one_is_caught(damages().len(), 1, &["secrets/restore"]);
    }
}

/// One damage for each judge: each has a report of its own.
#[test]
fn no_judge_of_secrets_tells_a_value() {
    if !(local_is_here() && redis_is_here()) {
        return;
    }
    let by_judge: BTreeMap<_, _> = damages().into_iter().map(|damage| (damage.judge, damage)).collect();
    for (seed, damage) in (100_u64..).zip(by_judge.into_values()) {
        let place = Place::new();
        let (name, seed) = (damage.name, seed.to_string());
        let (output, learnt) =
            watched(&place, &[&RUN_RESTORE[..], &["local", "--damage", name, "--seed", &seed]].concat());
        is_noticed_and_named(&place, damage, &output);
        learnt.assert_kept(LEARNT_IN_A_DRILL, &place, &output);
    }
}

fn damages() -> Vec<&'static DamageSpec> {
    let scenario = comeback_scenarios::secrets::Restore.spec();
    let damages: Vec<_> = scenario.damages.iter().flat_map(|table| table.specs()).collect();
    assert!(damages.len() >= 14, "{damages:?}");
    damages
}

#[tokio::test]
async fn an_export_comes_back_whole_with_the_break_glass_key_and_twice_is_once() {
    let vault = Vault::new().await;
    let told = vault.export("secrets.age");
    assert!(told.contains("3 secrets, 6 versions") && told.contains("2 recipients"), "{told}");
    let file = vault.place.work().join("secrets.age");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let restored = vault.another("restored");
    let key = vault.key("break-glass");
    let args = ["secrets", "import", "secrets.age", "--identity", &key, "--store", "restored"];
    let told = vault.done(&[&args[..], &["--dry-run"]].concat());
    assert!(told.contains("create db-password") && told.contains("nothing was changed"), "{told}");
    assert!(content(&restored).await.0.is_empty(), "a dry run changed something");
    vault.done(&args);
    assert_eq!(content(&restored).await, content(&vault.store()).await);
    let told = vault.done(&args);
    assert!(told.contains("took 0 steps") && told.contains("3 secrets as in the export"), "{told}");
    assert_eq!(content(&restored).await, content(&vault.store()).await);
    // The stores are secrets themselves; nothing else in the place is.
    for store in ["store", "restored"] {
        std::fs::remove_dir_all(vault.place.work().join(store)).unwrap();
    }
    let silent =
        Output { status: Command::new("true").status().unwrap(), stdout: Vec::new(), stderr: Vec::new() };
    Learnt::of(vault.values.clone()).assert_kept(6, &vault.place, &silent);
}

/// An import takes the steps of the drill that reported this, and leaves evidence.
pub(super) async fn an_import_takes_its_steps(drill: &serde_json::Value) {
    let vault = Vault::new().await;
    vault.export("secrets.age");
    vault.another("restored");
    let key = vault.key("daily");
    let told = vault.done(&["secrets", "import", "secrets.age", "--identity", &key, "--store", "restored"]);
    assert!(told.contains("imported-secrets: compared 3 secrets, 6 versions"), "{told}");
    let imported = vault.place.report();
    assert_eq!(imported["verdict"], "verified");
    took_the_steps_of(&imported, drill);
}

/// The complaints of a command, without its steps, their times, and the name of its evidence.
fn complaint(output: &Output) -> String {
    let told = text(&output.stderr);
    let is_progress = |line: &str| {
        let word = line.trim_start().split(' ').nth(1);
        line.starts_with("evidence: ") || (line.starts_with(' ') && matches!(word, Some("ms" | "s")))
    };
    told.lines().filter(|line| !is_progress(line)).flat_map(|line| [line, "\n"]).collect()
}

#[tokio::test]
async fn a_newer_version_is_not_overwritten_unless_told() {
    let vault = Vault::new().await;
    vault.export("secrets.age");
    let store = FolderStore::open(vault.store()).unwrap();
    let exported = content(&vault.store()).await;
    store.add_version("db-password", &SecretBytes::random_password().unwrap()).await.unwrap();
    let newer = content(&vault.store()).await;
    let key = vault.key("daily");
    let args = ["secrets", "import", "secrets.age", "--identity", &key, "--store", "store"];
    let output = vault.run(&args);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(told.contains("db-password has version 4") && told.contains("hint: --overwrite"), "{told}");
    assert_eq!(content(&vault.store()).await, newer);
    vault.done(&[&args[..], &["--overwrite"]].concat());
    let now = content(&vault.store()).await;
    let (was, is) = (exported.0["db-password"].current().unwrap(), now.0["db-password"].current().unwrap());
    assert!(was.1 == is.1 && is.0 == 5, "version {} is current", is.0);
    let versions = &newer.0["db-password"].versions;
    assert!(versions.iter().all(|(number, one)| now.0["db-password"].versions.get(number) == Some(one)));
}

#[tokio::test]
async fn wrong_input_is_refused_with_a_hint_and_nothing_half_imported() {
    let vault = Vault::new().await;
    vault.export("secrets.age");
    let work = vault.place.work();
    vault.another("empty");
    vault.another("open");
    std::fs::set_permissions(work.join("open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(work.join("with-key")).unwrap();
    make_identity(&work.join("with-key/key.txt")).unwrap();
    make_identity(&vault.place.folder.path().join("stranger")).unwrap();
    std::fs::write(work.join("no-key"), "# nothing\n").unwrap();
    std::fs::write(work.join("no-key-either"), "password: hunter2\n").unwrap();
    let whole = std::fs::read(work.join("secrets.age")).unwrap();
    std::fs::write(work.join("cut.age"), &whole[..whole.len() - 100]).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() - 10] ^= 1;
    std::fs::write(work.join("flipped.age"), &flipped).unwrap();
    std::fs::write(work.join("text.age"), "this is no export\n").unwrap();

    let [daily, break_glass] = vault.recipients.clone();
    let [key, stranger] = ["break-glass", "stranger"].map(|name| vault.key(name));
    let private = std::fs::read_to_string(vault.key("daily")).unwrap();
    let private = private.lines().last().unwrap();
    let two = ["--recipient", &daily, "--recipient", &break_glass];
    let export =
        |more: &[&str]| [&["secrets", "export"], more].concat().iter().map(ToString::to_string).collect();
    let import =
        |more: &[&str]| [&["secrets", "import"], more].concat().iter().map(ToString::to_string).collect();
    let cases: Vec<(i32, Vec<String>)> = vec![
        (2, export(&[&["--out", "new.age"][..], &two].concat())),
        (2, export(&[&["--out", "new.age", "--store", "nowhere"][..], &two].concat())),
        (2, export(&[&["--out", "new.age", "--store", "gs://nowhere"][..], &two].concat())),
        (2, export(&[&["--out", "new.age", "--store", "gsm://a/secrets/b"][..], &two].concat())),
        (2, export(&[&["--out", "new.age", "--store", "open"][..], &two].concat())),
        (2, export(&[&["--out", "new.age", "--store", "empty"][..], &two].concat())),
        (2, export(&[&["--out", "secrets.age", "--store", "store"][..], &two].concat())),
        (2, export(&[&["--out", "nowhere/new.age", "--store", "store"][..], &two].concat())),
        (2, export(&[&["--out", "with-key/new.age", "--store", "store"][..], &two].concat())),
        (2, export(&["--out", "new.age", "--store", "store"])),
        (2, export(&["--out", "new.age", "--store", "store", "--recipient", &daily])),
        (2, export(&["--out", "new.age", "--store", "store", "--recipient", &daily, "--recipient", &daily])),
        (2, export(&["--out", "new.age", "--store", "store", "--recipient", &daily, "--recipient", "age1x"])),
        (2, export(&["--out", "new.age", "--store", "store", "--recipient", &daily, "--recipient", private])),
        (2, import(&["secrets.age", "--identity", &key])),
        (2, import(&["secrets.age", "--identity", &key, "--store", "nowhere"])),
        (2, import(&["secrets.age", "--identity", "nowhere", "--store", "empty"])),
        (2, import(&["secrets.age", "--identity", "no-key", "--store", "empty"])),
        (2, import(&["secrets.age", "--identity", "no-key-either", "--store", "empty"])),
        (2, import(&["secrets.age", "--identity", &stranger, "--store", "empty"])),
        (2, import(&["nowhere.age", "--identity", &key, "--store", "empty"])),
        (1, import(&["cut.age", "--identity", &key, "--store", "empty"])),
        (1, import(&["flipped.age", "--identity", &key, "--store", "empty"])),
        (1, import(&["text.age", "--identity", &key, "--store", "empty"])),
    ];
    let mut told = Vec::new();
    for (code, args) in cases {
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let output = vault.run(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "", "{args:?}");
        assert!(text(&output.stderr).contains("\nhint: "), "{args:?}: {}", text(&output.stderr));
        told.push(format!("$ comeback {}\n{}", args.join(" "), complaint(&output)));
    }
    let folder = vault.place.folder.path().display().to_string();
    let told =
        told.join("\n").replace(&folder, "…").replace(&daily, "age1daily").replace(&break_glass, "age1glass");
    insta::assert_snapshot!(told.replace(private, "AGE-SECRET-KEY-…"));
    assert!(!work.join("new.age").exists() && !work.join("with-key/new.age").exists());
    assert!(content(&work.join("empty")).await.0.is_empty(), "something was imported");
    assert_eq!(std::fs::read(work.join("secrets.age")).unwrap(), whole);
}

#[tokio::test]
async fn a_store_of_somebody_else_is_refused() {
    if !is_root() {
        // Only root can be somebody else.
        return;
    }
    let vault = Vault::new().await;
    let binary = vault.place.work().join("comeback");
    copy_program(&binary);
    std::fs::set_permissions(&binary, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    vault.place.settle(&mut command);
    let [daily, break_glass] = &vault.recipients;
    let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--", binary.to_str().unwrap()];
    let args = ["secrets", "export", "--store", "store", "--out", "new.age"];
    let output = command
        .args(user)
        .args(args)
        .args(["--recipient", daily, "--recipient", break_glass])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("Permission denied") && text(&output.stderr).contains("hint: "));
    assert!(!vault.place.work().join("new.age").exists());
}

/// Debian's own `age`; reports it if it is not installed.
fn age_is_here() -> bool {
    let found = Command::new("age").arg("--version").output();
    require::or_skip("local", found.map_err(|error| format!("age: {error}"))).is_some()
}

/// Runs a program of Debian's package; returns its output.
fn age(program: &str, folder: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", text(&output.stderr));
    output.stdout
}

#[tokio::test]
async fn age_opens_our_exports_and_we_open_its_files() {
    if !age_is_here() {
        return;
    }
    let mut vault = Vault::new().await;
    let work = vault.place.work();
    // Keys of `age-keygen`, in place of ours.
    for (at, name) in ["daily", "break-glass"].iter().enumerate() {
        let key = vault.key(name);
        std::fs::remove_file(&key).unwrap();
        age("age-keygen", &work, &["-o", &key]);
        vault.recipients[at] = text(&age("age-keygen", &work, &["-y", &key])).trim().to_owned();
    }
    vault.export("ours.age");
    for name in ["daily", "break-glass"] {
        let inside = age("age", &work, &["--decrypt", "--identity", &vault.key(name), "ours.age"]);
        let inside: serde_json::Value = serde_json::from_slice(&inside).unwrap();
        assert_eq!(inside["secrets"].as_array().unwrap().len(), 3);
        std::fs::write(work.join("inside.json"), inside.to_string()).unwrap();
    }
    let [daily, break_glass] = &vault.recipients;
    for (out, form) in [("theirs.age", "--encrypt"), ("armored.age", "--armor")] {
        age("age", &work, &[form, "-r", daily, "-r", break_glass, "-o", out, "inside.json"]);
        let restored = vault.another(&format!("from-{out}"));
        let store = restored.display().to_string();
        vault.done(&["secrets", "import", out, "--identity", &vault.key("break-glass"), "--store", &store]);
        assert_eq!(content(&restored).await, content(&vault.store()).await);
    }
    // A key that our side made opens on theirs, too.
    let ours = vault.place.folder.path().join("ours");
    let public = make_identity(&ours).unwrap();
    let read = text(&age("age-keygen", &work, &["-y", ours.to_str().unwrap()]));
    assert_eq!(read.trim(), public);
}
