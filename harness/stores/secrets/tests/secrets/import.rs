//! Tests imports: the plan, the result, and that nothing is lost.

use comeback_engine::judge::Judge as _;
use comeback_model::FindingCode;
use comeback_model::VersionState::{Destroyed, Disabled, Enabled};
use comeback_secrets::judges::ImportedSecrets;
use comeback_secrets::{
    SecretContent, SecretSet, SecretStore, VersionContent, import, plan_import, read_secrets,
};
use proptest::prelude::*;

use crate::contract::{labels, value};
use crate::folder::store;
use crate::stores::every_store;

/// Parses the versions of a secret, such as `a b! -`: values, disabled ones with `!`, destroyed ones as `-`.
fn secret(text: &str) -> SecretContent {
    let version = |word: &str| match word.strip_suffix('!') {
        _ if word == "-" => VersionContent { state: Destroyed, value: None },
        Some("") => VersionContent { state: Disabled, value: None },
        Some(text) => VersionContent { state: Disabled, value: Some(value(text)) },
        None => VersionContent { state: Enabled, value: Some(value(word)) },
    };
    SecretContent { labels: labels(&[]), versions: (1..).zip(text.split(' ').map(version)).collect() }
}

pub(crate) fn set(secrets: &[(&str, &str)]) -> SecretSet {
    SecretSet(secrets.iter().map(|(name, text)| ((*name).to_owned(), secret(text))).collect())
}

pub(crate) async fn fill(store: &dyn SecretStore, secrets: &SecretSet) {
    for (name, secret) in &secrets.0 {
        store.create(name, &secret.labels).await.unwrap();
        for (number, version) in &secret.versions {
            let content = version.value.clone().unwrap_or(value("gone"));
            assert_eq!(store.add_version(name, &content).await.unwrap(), *number);
            if version.state != Enabled {
                store.set_state(name, *number, version.state).await.unwrap();
            }
        }
    }
}

/// What an import does to a store with one secret, as text: its steps, or the conflicts. Every kind of store
/// gives the same result.
async fn outcome(found: &str, wanted: &str, overwrite: bool) -> String {
    let mut outcomes = Vec::new();
    for held in every_store().await {
        outcomes.push(outcome_in(&*held.store, found, wanted, overwrite).await);
    }
    outcomes.dedup();
    assert_eq!(outcomes.len(), 1, "stores differ: {outcomes:?}");
    outcomes.remove(0)
}

async fn outcome_in(store: &dyn SecretStore, found: &str, wanted: &str, overwrite: bool) -> String {
    if !found.is_empty() {
        fill(store, &set(&[("s", found)])).await;
    }
    let (wanted, before) = (set(&[("s", wanted)]), read_secrets(store).await.unwrap());
    let plan = match plan_import(store, &wanted, overwrite).await {
        Ok(plan) => plan,
        Err(error) => {
            let after = read_secrets(store).await.unwrap();
            assert_eq!(after, before, "it was refused, and something was imported");
            return error.message().rsplit_once("imported: ").unwrap().1.to_owned();
        }
    };
    import(store, &wanted, &plan).await.unwrap();
    let after = read_secrets(store).await.unwrap();
    if let Some((_, value)) = wanted.0["s"].current() {
        assert_eq!(after.0["s"].current().unwrap().1, value);
    }
    let second = plan_import(store, &wanted, false).await.unwrap();
    assert!(second.steps.is_empty(), "a second import has work to do");
    let steps: Vec<_> = plan.steps.iter().map(ToString::to_string).collect();
    steps.join("; ")
}

#[tokio::test]
async fn each_case_is_decided_as_the_runbook_says() {
    for (found, wanted, decided) in [
        // The secret was deleted: every version returns under its number.
        ("", "a b", "create s; add version 1 of s; add version 2 of s"),
        ("", "- b", "create s; add version 1 of s; add version 2 of s"),
        // The secret is there.
        ("a b", "a b", ""),
        ("a", "a b", "add version 2 of s"),
        // A version was disabled or destroyed.
        ("a b!", "a b", "enable version 2 of s"),
        ("a -", "a b", "put the value of version 2 of s back as version 3"),
        ("-", "a b", "add version 2 of s"),
        ("- -", "a b", "put the value of version 2 of s back as version 3"),
        ("a - -", "a b", "put the value of version 2 of s back as version 4"),
        ("a -", "a b !", "add version 3 of s; put the value of version 2 of s back as version 4"),
        // It returned as a later version: nothing is left to do.
        ("a - b", "a b", ""),
        // Somebody wrote something newer, or something else.
        ("a b c", "a b", "s has version 3, and version 2 is current in the export"),
        ("a x", "a b", "s has another value as version 2"),
        ("x", "a b", "s has another value as version 1"),
    ] {
        assert_eq!(outcome(found, wanted, false).await, decided, "from `{found}` to `{wanted}`");
    }
    for (found, wanted, decided) in [
        ("a b c", "a b", "put the value of version 2 of s back as version 4"),
        ("a x", "a b", "put the value of version 2 of s back as version 3"),
        // Under its own number, which is free, and all later versions.
        ("x", "a b", "add version 2 of s"),
        ("x", "a b c", "add version 2 of s; add version 3 of s"),
        ("x y", "a b c -", "add version 3 of s; add version 4 of s"),
        ("a b", "a b", ""),
    ] {
        assert_eq!(outcome(found, wanted, true).await, decided, "from `{found}` to `{wanted}`, overwriting");
    }
}

#[tokio::test]
async fn other_labels_are_not_overwritten_unless_told() {
    for held in every_store().await {
        let store = &*held.store;
        fill(store, &set(&[("s", "a")])).await;
        store.set_labels("s", &labels(&[("tier", "low")])).await.unwrap();
        let wanted = set(&[("s", "a")]);
        let error = plan_import(store, &wanted, false).await.unwrap_err();
        assert!(error.message().contains("s has other labels"), "{error}");
        let plan = plan_import(store, &wanted, true).await.unwrap();
        import(store, &wanted, &plan).await.unwrap();
        assert_eq!(read_secrets(store).await.unwrap(), wanted);
    }
}

#[tokio::test]
async fn older_versions_that_are_destroyed_are_told() {
    for held in every_store().await {
        fill(&*held.store, &set(&[("s", "- b")])).await;
        let plan = plan_import(&*held.store, &set(&[("s", "a b")]), false).await.unwrap();
        assert_eq!((plan.lost, plan.unchanged), (vec!["s version 1".to_owned()], 1));
    }
}

#[tokio::test]
async fn an_import_that_cannot_go_on_says_how_far_it_came() {
    let (_folder, root, store) = store();
    let wanted = set(&[("a", "x"), ("b", "y")]);
    let plan = plan_import(&store, &wanted, false).await.unwrap();
    // Somebody creates one of the secrets in between.
    store.create("b", &labels(&[])).await.unwrap();
    let error = import(&store, &wanted, &plan).await.unwrap_err();
    assert!(error.message().starts_with("after 2 of 4 steps, `create b`"), "{error}");
    // The import resumes there, and the leftover of a killed writer is harmless.
    std::fs::write(root.join(".unfinished-x"), "{").unwrap();
    let plan = plan_import(&store, &wanted, false).await.unwrap();
    assert_eq!(plan.steps.len(), 1);
    import(&store, &wanted, &plan).await.unwrap();
    assert_eq!(read_secrets(&store).await.unwrap(), wanted);
}

fn any_secret() -> impl Strategy<Value = SecretContent> {
    let version = prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "c"]).prop_map(|text| (Enabled, Some(text))),
        1 => Just((Disabled, None)),
        1 => Just((Destroyed, None)),
    ];
    let tier = prop::option::of(Just(("tier", "high")));
    (prop::collection::vec(version, 1..5), tier).prop_map(|(versions, tier)| {
        let versions =
            versions.into_iter().map(|(state, text)| VersionContent { state, value: text.map(value) });
        SecretContent {
            labels: labels(&tier.into_iter().collect::<Vec<_>>()),
            versions: (1..).zip(versions).collect(),
        }
    })
}

fn any_set() -> impl Strategy<Value = SecretSet> {
    prop::collection::btree_map(
        prop::sample::select(vec!["x", "y"]).prop_map(str::to_owned),
        any_secret(),
        0..3,
    )
    .prop_map(SecretSet)
}

/// What must never be lost: every value that the store returned is still returned, under the same number.
fn kept(before: &SecretSet, after: &SecretSet) -> bool {
    before.0.iter().all(|(name, secret)| {
        let enabled = secret.versions.iter().filter(|(_, version)| version.state == Enabled);
        enabled.clone().all(|(number, version)| after.0[name].versions.get(number) == Some(version))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// For any store and any export: an import is refused and changes nothing, or it makes the export's
    /// values current, loses nothing, and a second import finds nothing to do.
    #[test]
    fn nothing_is_lost_and_nothing_is_done_twice(found in any_set(), wanted in any_set(), overwrite: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for held in every_store().await {
                nothing_is_lost(&*held.store, &found, &wanted, overwrite).await;
            }
        });
    }
}

async fn nothing_is_lost(store: &dyn SecretStore, found: &SecretSet, wanted: &SecretSet, overwrite: bool) {
    fill(store, found).await;
    let before = read_secrets(store).await.unwrap();
    let plan = match plan_import(store, wanted, overwrite).await {
        Ok(plan) => plan,
        Err(error) => {
            assert!(!overwrite, "{error}");
            assert_eq!(read_secrets(store).await.unwrap(), before);
            return;
        }
    };
    import(store, wanted, &plan).await.unwrap();
    let after = read_secrets(store).await.unwrap();
    assert!(kept(&before, &after), "{plan:?}");
    for (name, secret) in &wanted.0 {
        if let Some((_, value)) = secret.current() {
            assert_eq!(after.0[name].current().map(|(_, value)| value), Some(value), "{plan:?}");
        }
        assert_eq!(after.0[name].labels, secret.labels);
    }
    assert!(plan_import(store, wanted, false).await.unwrap().steps.is_empty());
}

/// The judge of an import names a secret that is gone, one without its labels, and one without its value.
#[tokio::test]
async fn the_judge_of_an_import_names_what_the_store_lacks() {
    let wanted = set(&[("a", "one two"), ("b", "x")]);
    for (damage, expected) in [
        ("none", None),
        ("gone", Some((FindingCode::SecretMissing, "b"))),
        ("labels", Some((FindingCode::LabelsChanged, "a"))),
        ("disabled", Some((FindingCode::SecretChanged, "a"))),
    ] {
        let (_folder, _, store) = store();
        fill(&store, &if damage == "gone" { set(&[("a", "one two")]) } else { wanted.clone() }).await;
        match damage {
            "labels" => store.set_labels("a", &labels(&[("tier", "low")])).await.unwrap(),
            "disabled" => store.set_state("a", 2, Disabled).await.unwrap(),
            _ => {}
        }
        let opinion = ImportedSecrets { store: &store, opened: &wanted }.judge().await.unwrap();
        let named = opinion.findings.first().map(|one| (one.code, one.subject.as_str()));
        assert_eq!(named, expected, "{damage}: {:?}", opinion.findings);
    }
}
