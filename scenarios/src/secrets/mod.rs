//! Drills of secrets.

mod restore;

pub use restore::Restore;

use std::collections::BTreeMap;
use std::sync::Arc;

use comeback_application::{AppSecrets, ApplicationServer, Configuration, KeyVersions};
use comeback_engine::LogIn;
use comeback_engine::secret::SecretBytes;
use comeback_error::Result;
use comeback_model::{Content, Manifest, VersionState};
use comeback_postgres as postgres;
use comeback_postgres::PostgresServer;
use comeback_redis as redis;
use comeback_redis::RedisServer;
use comeback_secrets::damages::SetPassword;
use comeback_secrets::{SecretStore, VALUE_BYTES, access_newest};

use crate::roadtrip::DATABASE;

/// The application's role in PostgreSQL, and the secret with its password.
pub(crate) const ROLE: &str = "roadtrip_app";
pub(crate) const POSTGRES_PASSWORD: &str = "postgres-app-password";
/// The application's user in Redis, and the secret with its password.
pub(crate) const USER: &str = "roadtrip-app";
pub(crate) const REDIS_PASSWORD: &str = "redis-app-password";
/// The secret that opens the stored API keys, and the one that signs sessions.
pub(crate) const VAULT_KEY: &str = "vault-key";
const SESSION_KEY: &str = "session-signing-key";

/// The form of a value. No value follows from the seed, because the seed is printed.
enum Form {
    /// Letters and digits.
    Password,
    /// Any bytes.
    Key,
    /// Text with a line end that is part of the value, as in a PEM file.
    Lines,
    /// The largest value that a store accepts.
    Largest,
}

/// Labels, as keys and values.
type Labels = &'static [(&'static str, &'static str)];

/// The application's secrets: name, form of the values, number of versions, labels.
const SECRETS: [(&str, Form, usize, Labels); 6] = [
    (POSTGRES_PASSWORD, Form::Password, 2, &[("tier", "critical"), ("owner", "platform")]),
    (REDIS_PASSWORD, Form::Password, 1, &[("tier", "high")]),
    (VAULT_KEY, Form::Key, 3, &[("tier", "critical"), ("purpose", "decrypts-vault-api_keys")]),
    (SESSION_KEY, Form::Lines, 2, &[("tier", "critical")]),
    ("payment-token", Form::Password, 2, &[]),
    ("map-tiles-bundle", Form::Largest, 1, &[("größe", "64k")]),
];

impl Form {
    fn value(&self) -> Result<SecretBytes> {
        match self {
            Self::Password => SecretBytes::random_password(),
            Self::Key => SecretBytes::random(32),
            Self::Lines => Ok(SecretBytes::from([SecretBytes::random_password()?.expose(), b"\n"].concat())),
            Self::Largest => SecretBytes::random(VALUE_BYTES),
        }
    }
}

/// Fills a store with the application's secrets. Destroys the oldest version of one, as a rotation does. Returns the
/// size of the values, in bytes.
pub(crate) async fn fill(store: &dyn SecretStore) -> Result<u64> {
    let mut bytes = 0;
    for (name, form, versions, labels) in SECRETS {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        store.create(name, &labels.collect::<BTreeMap<_, _>>()).await?;
        for _ in 0..versions {
            let value = form.value()?;
            bytes += value.expose().len() as u64;
            store.add_version(name, &value).await?;
        }
    }
    store.set_state(VAULT_KEY, 1, VersionState::Destroyed).await?;
    Ok(bytes)
}

/// Sets the passwords of the application on the servers to those in the store.
pub(crate) async fn admit_application(
    store: &dyn SecretStore,
    database: &PostgresServer,
    cache: &RedisServer,
) -> Result<()> {
    postgres::set_password(database.address(), ROLE, &access_newest(store, POSTGRES_PASSWORD).await?).await?;
    redis::set_password(cache, USER, &access_newest(store, REDIS_PASSWORD).await?).await
}

/// Returns the function that changes the password of a PostgreSQL role.
pub(crate) fn set_password<'a>(database: &'a PostgresServer, role: &'a str) -> Arc<SetPassword<'a>> {
    Arc::new(move |password| {
        Box::pin(async move { postgres::set_password(database.address(), role, &password).await })
    })
}

/// What the application of a region is told, with the secrets of a store.
pub(crate) async fn configuration(
    region: &str,
    store: &dyn SecretStore,
    database: &PostgresServer,
    cache: &RedisServer,
) -> Result<Configuration> {
    Ok(Configuration {
        region: region.to_owned(),
        database_url: database.peer_url(DATABASE, ROLE),
        cache_url: cache.peer_url(USER),
        secrets: AppSecrets {
            postgres_password: access_newest(store, POSTGRES_PASSWORD).await?,
            redis_password: access_newest(store, REDIS_PASSWORD).await?,
            vault_keys: versions(store, VAULT_KEY).await?,
            session_keys: versions(store, SESSION_KEY).await?,
        },
        // It would write into the database.
        runs_jobs: false,
        fills_cache: false,
    })
}

/// Every version of a key that can be read.
pub(crate) async fn versions(store: &dyn SecretStore, name: &str) -> Result<KeyVersions> {
    let mut values = KeyVersions::new();
    let known = store.describe(name).await?.unwrap_or_default().versions;
    for (version, _) in known.into_iter().filter(|(_, state)| *state == VersionState::Enabled) {
        values.insert(version, store.access(name, version).await?);
    }
    Ok(values)
}

/// The log-ins of the running application.
pub(crate) async fn log_ins(application: &ApplicationServer) -> Result<[(&'static str, LogIn); 2]> {
    let readiness = application.readiness().await?;
    Ok([(POSTGRES_PASSWORD, readiness.log_in("postgresql")?), (REDIS_PASSWORD, readiness.log_in("redis")?)])
}

pub(crate) fn is_export(manifest: &Manifest) -> bool {
    matches!(manifest.content, Content::Secrets { .. })
}
