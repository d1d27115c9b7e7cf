//! Judges of secrets. Their findings contain no values.

use async_trait::async_trait;
use comeback_engine::judge::{Judge, Opinion};
use comeback_engine::secret::DigestKey;
use comeback_error::Result;
use comeback_model::{
    Finding, FindingCode, SecretFingerprint, SecretsFingerprint, VersionFingerprint, VersionState,
};

use crate::{ImportStep, SecretContent, SecretSet, SecretStore, VersionContent, plan_import, read_secrets};

/// Compares the content of an opened export with its manifest, before any of it is imported.
pub struct OpenedSecrets<'a> {
    /// The secrets of the opened export.
    pub opened: &'a SecretSet,
    /// The key of the digests.
    pub key: &'a DigestKey,
    /// What was recorded when the export was made.
    pub recorded: &'a SecretsFingerprint,
}

/// Compares every secret of a restored store with the manifest: names, labels, version numbers, states,
/// values.
pub struct SecretsJudge<'a> {
    /// The restored store.
    pub store: &'a dyn SecretStore,
    /// The key of the digests.
    pub key: &'a DigestKey,
    /// What was recorded when the export was made.
    pub recorded: &'a SecretsFingerprint,
}

/// Checks a store after an import: nothing of the export may be left to import. What else the store holds,
/// such as newer versions, is not judged.
pub struct ImportedSecrets<'a> {
    /// The store.
    pub store: &'a dyn SecretStore,
    /// The secrets of the opened export.
    pub opened: &'a SecretSet,
}

#[async_trait]
impl Judge for ImportedSecrets<'_> {
    fn name(&self) -> &'static str {
        "imported-secrets"
    }

    async fn judge(&self) -> Result<Opinion> {
        let left = plan_import(self.store, self.opened, true).await?;
        let (secrets, versions) = (self.opened.0.len(), self.opened.version_count());
        let summary = format!("compared {secrets} secrets, {versions} versions of the export with the store");
        Ok(Opinion::new(summary, left.steps.iter().map(not_imported)))
    }
}

/// The finding for a step that an import would still have to do.
fn not_imported(step: &ImportStep) -> Finding {
    let (code, name) = match step {
        ImportStep::Create { name } => (FindingCode::SecretMissing, name),
        ImportStep::SetLabels { name } => (FindingCode::LabelsChanged, name),
        ImportStep::Add { name, .. } | ImportStep::Enable { name, .. } | ImportStep::PutBack { name, .. } => {
            (FindingCode::SecretChanged, name)
        }
    };
    Finding::new(code, name, "nothing left to be imported", step.to_string())
        .remedy("find out who else writes to the store, and import once more")
}

#[async_trait]
impl Judge for OpenedSecrets<'_> {
    fn name(&self) -> &'static str {
        "opened-secrets"
    }

    async fn judge(&self) -> Result<Opinion> {
        let what = "before any of them is imported";
        Ok(opinion(what, compare(self.recorded, self.opened, self.key), self.recorded))
    }
}

#[async_trait]
impl Judge for SecretsJudge<'_> {
    fn name(&self) -> &'static str {
        "secrets"
    }

    async fn judge(&self) -> Result<Opinion> {
        let found = read_secrets(self.store).await?;
        Ok(opinion("with the manifest", compare(self.recorded, &found, self.key), self.recorded))
    }
}

fn opinion(what: &str, findings: Vec<Finding>, recorded: &SecretsFingerprint) -> Opinion {
    let versions: usize = recorded.values().map(|secret| secret.versions.len()).sum();
    let labels: usize = recorded.values().map(|secret| secret.labels.len()).sum();
    let secrets = recorded.len();
    Opinion::new(format!("compared {secrets} secrets, {versions} versions, {labels} labels {what}"), findings)
}

fn compare(recorded: &SecretsFingerprint, found: &SecretSet, key: &DigestKey) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, expected) in recorded {
        match found.0.get(name) {
            Some(secret) => findings.extend(compare_secret(name, expected, secret, key)),
            None => findings.push(
                Finding::new(
                    FindingCode::SecretMissing,
                    name,
                    versions_text(expected.versions.len()),
                    "nothing",
                )
                .remedy("restore it from an older export, or make it anew at its source"),
            ),
        }
    }
    let extra = found.0.iter().filter(|(name, _)| !recorded.contains_key(*name));
    findings.extend(extra.map(|(name, secret)| {
        Finding::new(FindingCode::SecretExtra, name, "nothing", versions_text(secret.versions.len()))
            .remedy("find out whose it is")
    }));
    findings
}

fn versions_text(count: usize) -> String {
    format!("{count} version{}", if count == 1 { "" } else { "s" })
}

fn compare_secret(
    name: &str,
    expected: &SecretFingerprint,
    found: &SecretContent,
    key: &DigestKey,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if expected.labels != found.labels {
        let text = |labels: &std::collections::BTreeMap<String, String>| {
            let labels: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            if labels.is_empty() { "no labels".to_owned() } else { labels.join(", ") }
        };
        findings.push(
            Finding::new(FindingCode::LabelsChanged, name, text(&expected.labels), text(&found.labels))
                .remedy("set the labels: what selects by them does not see the secret"),
        );
    }
    for (number, version) in &expected.versions {
        let changed = |code, expected: &str, actual: &str, remedy: &str| {
            Finding::new(code, name, expected, actual).key(format!("version={number}")).remedy(remedy)
        };
        let Some(own) = found.versions.get(number) else {
            let remedy = "restore it from an older export, or make it anew at its source";
            findings.push(changed(FindingCode::SecretChanged, "a value", "no such version", remedy));
            continue;
        };
        if !is_state_kept(version, own) {
            let (expected, actual) = (version.state.as_str(), own.state.as_str());
            let remedy = "set the state: whoever asks for the newest version gets the newest enabled one";
            findings.push(changed(FindingCode::VersionStateChanged, expected, actual, remedy));
        } else if let Some(actual) = difference(expected, version, own, key) {
            let remedy = "restore it from an older export, or make it anew at its source";
            findings.push(changed(FindingCode::SecretChanged, "the value of the manifest", &actual, remedy));
        }
    }
    let extra = found.versions.keys().filter(|number| !expected.versions.contains_key(number));
    findings.extend(extra.map(|number| {
        Finding::new(FindingCode::SecretChanged, name, "no such version", "a value")
            .key(format!("version={number}"))
            .remedy("find out who wrote it after the export")
    }));
    findings
}

/// A disabled version that was exported without its value is restored as a destroyed one: there is no value
/// that could be enabled again.
fn is_state_kept(expected: &VersionFingerprint, found: &VersionContent) -> bool {
    let is_without_value = expected.state == VersionState::Disabled && expected.digest.is_none();
    expected.state == found.state || (is_without_value && found.state == VersionState::Destroyed)
}

/// Describes how a value differs, without the value.
fn difference(
    secret: &SecretFingerprint,
    expected: &VersionFingerprint,
    found: &VersionContent,
    key: &DigestKey,
) -> Option<String> {
    // A store returns only the values of enabled versions.
    let (wanted, value) = (expected.digest.as_ref()?, found.value.as_ref()?.expose());
    let digest = key.digest(value);
    if digest == *wanted {
        return None;
    }
    let trimmed = value.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text));
    if trimmed.is_some_and(|text| key.digest(text) == *wanted) {
        return Some("it with a line end after it".to_owned());
    }
    let mut others = secret.versions.iter();
    let other = others.find(|(_, version)| version.digest.as_ref() == Some(&digest));
    Some(other.map_or("another one".to_owned(), |(number, _)| format!("the value of version {number}")))
}
