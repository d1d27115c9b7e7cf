//! Searches the values of secrets for addresses.

use comeback_engine::judge::{Search, Trace, named_in};
use comeback_error::Result;
use comeback_model::{NotLookedAt, ScopeKind, VersionState};

use super::SecretStore;

/// Searches the readable versions of every secret, and the labels. A trace names the secret and the version, never the
/// value.
pub async fn find_addresses(store: &dyn SecretStore, addresses: &[String]) -> Result<Search> {
    let (mut traces, mut not_looked_at, mut searched) = (Vec::new(), Vec::new(), 0_u64);
    for name in store.list().await? {
        let described = store.describe(&name).await?.unwrap_or_default();
        let mut found = |text: &[u8], key: String| {
            traces.extend(named_in(text, addresses).map(|address| Trace {
                subject: format!("secret {name}"),
                key: Some(key.clone()),
                address: address.clone(),
            }));
        };
        for (label, value) in &described.labels {
            found(value.as_bytes(), format!("label={label}"));
        }
        for (version, state) in described.versions {
            match state {
                VersionState::Enabled => {
                    searched += 1;
                    found(store.access(&name, version).await?.expose(), format!("version={version}"));
                }
                VersionState::Disabled => not_looked_at.push(NotLookedAt::new(
                    ScopeKind::SecretValue,
                    format!("secret {name} version {version}"),
                    "it is disabled: its value was not searched for addresses",
                )),
                VersionState::Destroyed => {}
            }
        }
    }
    Ok(Search { searched: format!("{searched} values of secrets"), traces, not_looked_at })
}

#[cfg(test)]
mod tests {
    use comeback_engine::secret::SecretBytes;

    use super::*;
    use crate::FolderStore;

    #[tokio::test]
    async fn an_address_in_a_value_or_a_label_is_found_and_the_value_is_not_told() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::create(folder.path().join("secrets")).unwrap();
        let labels = [("replica".to_owned(), "db-a".to_owned())];
        store.create("database-url", &labels.into()).await.unwrap();
        for value in ["postgresql://app:hunter2@db-a/app", "postgresql://app:hunter2@db-b/app"] {
            let value = SecretBytes::from(value.as_bytes().to_vec());
            store.add_version("database-url", &value).await.unwrap();
        }
        let search = find_addresses(&store, &["db-a".to_owned()]).await.unwrap();
        let found: Vec<_> = search.traces.iter().filter_map(|trace| trace.key.as_deref()).collect();
        assert_eq!(found, ["label=replica", "version=1"]);
        assert_eq!(search.searched, "2 values of secrets");
        assert!(!format!("{search:?}").contains("hunter2"));
    }
}
