//! What the application is told: addresses, and secrets in files.

use std::collections::BTreeMap;

use comeback_engine::judge::{Search, Trace, named_in};
use comeback_engine::secret::SecretBytes;
use percent_encoding::percent_decode_str;

/// The values of a key, by version. The newest is in force.
pub type KeyVersions = BTreeMap<u64, SecretBytes>;

/// The secrets of the application.
#[derive(Debug, Clone)]
pub struct AppSecrets {
    /// The password of its role in PostgreSQL.
    pub postgres_password: SecretBytes,
    /// The password of its user in Redis.
    pub redis_password: SecretBytes,
    /// The key that opens the stored API keys.
    pub vault_keys: KeyVersions,
    /// The key that signs sessions.
    pub session_keys: KeyVersions,
}

/// The configuration of the application.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The region, as its users see it.
    pub region: String,
    /// Where its node reaches PostgreSQL, without the password.
    pub database_url: String,
    /// Where its node reaches Redis, without the password.
    pub cache_url: String,
    /// Its secrets.
    pub secrets: AppSecrets,
    /// Whether its background job runs.
    pub runs_jobs: bool,
    /// Whether it fills a Redis that came back empty.
    pub fills_cache: bool,
}

/// A file with a secret in it, and the variables that tell the application of it.
pub(crate) struct SecretFile<'a> {
    /// The name of the file.
    pub(crate) name: String,
    /// The variable that names the file.
    pub(crate) variable: String,
    /// The value.
    pub(crate) value: &'a SecretBytes,
}

impl Configuration {
    /// Searches what the application is told, without its secrets, for addresses.
    pub fn find_addresses(&self, addresses: &[String]) -> Search {
        let told = [("region", &self.region), ("database", &self.database_url), ("cache", &self.cache_url)];
        let traces = told.into_iter().flat_map(|(name, value)| {
            // A folder of sockets is encoded in a URL.
            let value = percent_decode_str(value).collect::<Vec<_>>();
            let found = named_in(&value, addresses).cloned().collect::<Vec<_>>();
            found.into_iter().map(move |address| Trace {
                subject: "configuration of the application".to_owned(),
                key: Some(name.to_owned()),
                address,
            })
        });
        Search {
            searched: "the configuration of the application".to_owned(),
            traces: traces.collect(),
            ..Search::default()
        }
    }
}

impl AppSecrets {
    /// Every secret as a file.
    pub(crate) fn files(&self) -> Vec<SecretFile<'_>> {
        let file = |variable: String, value| SecretFile { name: variable.to_lowercase(), variable, value };
        let mut files = vec![
            file("POSTGRES_PASSWORD_FILE".to_owned(), &self.postgres_password),
            file("REDIS_PASSWORD_FILE".to_owned(), &self.redis_password),
        ];
        for (name, versions) in self.keys() {
            let newest = versions.last_key_value().map(|(version, _)| *version);
            files.extend(versions.iter().map(|(version, value)| {
                let older = if newest == Some(*version) { String::new() } else { format!("_{version}") };
                file(format!("{name}_FILE{older}"), value)
            }));
        }
        files
    }

    /// The versions of the keys in force, as variables.
    pub(crate) fn versions_in_force(&self) -> Vec<(String, String)> {
        let newest = |(name, versions): (&str, &KeyVersions)| {
            Some((format!("{name}_VERSION"), versions.last_key_value()?.0.to_string()))
        };
        self.keys().into_iter().filter_map(newest).collect()
    }

    fn keys(&self) -> [(&'static str, &KeyVersions); 2] {
        [("VAULT_KEY", &self.vault_keys), ("SESSION_KEY", &self.session_keys)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_secret_has_a_file_and_the_newest_version_is_in_force() {
        let value = |text: &str| SecretBytes::from(text.as_bytes().to_vec());
        let secrets = AppSecrets {
            postgres_password: value("p"),
            redis_password: value("r"),
            vault_keys: [(2, value("old")), (3, value("new"))].into(),
            session_keys: [(1, value("s"))].into(),
        };
        let files: Vec<_> = secrets
            .files()
            .iter()
            .map(|file| format!("{}={}", file.variable, String::from_utf8_lossy(file.value.expose())))
            .collect();
        let expected = [
            "POSTGRES_PASSWORD_FILE=p",
            "REDIS_PASSWORD_FILE=r",
            "VAULT_KEY_FILE_2=old",
            "VAULT_KEY_FILE=new",
            "SESSION_KEY_FILE=s",
        ];
        assert_eq!(files, expected);
        let versions = secrets.versions_in_force();
        assert_eq!(
            versions,
            [("VAULT_KEY_VERSION", "3"), ("SESSION_KEY_VERSION", "1")]
                .map(|(name, value)| { (name.to_owned(), value.to_owned()) })
        );
        assert!(!format!("{secrets:?}").contains("old"));

        let configuration = Configuration {
            region: "b".to_owned(),
            database_url: "postgresql:///roadtrip?host=%2Frun%2Fdatabase%2Da&user=app".to_owned(),
            cache_url: "redis://app@cache-b:6379".to_owned(),
            secrets,
            runs_jobs: false,
            fills_cache: false,
        };
        let found =
            configuration.find_addresses(&["/run/database-a".to_owned(), "cache-a".to_owned()]).traces;
        let found: Vec<_> = found.into_iter().map(|one| (one.key.unwrap(), one.address)).collect();
        assert_eq!(found, [("database".to_owned(), "/run/database-a".to_owned())]);
    }
}
