//! The client of Secret Manager: its endpoint, credentials and retries.

use std::time::Duration;

use comeback_error::{Context as _, Error, Result};
use google_cloud_auth::credentials::{Builder, Credentials, anonymous};
use google_cloud_gax::exponential_backoff::ExponentialBackoffBuilder;
use google_cloud_gax::retry_policy::{Aip194Strict, RetryPolicyExt as _};
use google_cloud_secretmanager_v1::client::SecretManagerService;

use super::errors::no_credentials;

/// The variable that names an emulator, as `HOST:PORT`.
pub(super) const EMULATOR_VARIABLE: &str = "SECRET_MANAGER_EMULATOR_HOST";
/// How long a call that may be repeated is retried: longer than the minute over which a project's quota is
/// counted.
const PATIENCE: Duration = Duration::from_secs(75);
/// The same for an emulator, which has no temporary faults.
const PATIENCE_WITH_EMULATOR: Duration = Duration::from_secs(3);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// The endpoint of the calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Google, with the application default credentials.
    Google,
    /// An emulator, without credentials.
    Emulator {
        /// Its address, as `HOST:PORT`.
        host: String,
    },
}

impl Endpoint {
    /// The endpoint that the environment names.
    pub(super) fn from_env() -> Result<Self> {
        match std::env::var(EMULATOR_VARIABLE) {
            Ok(host) if !host.is_empty() => Self::emulator(&host),
            _ => Ok(Self::Google),
        }
    }

    /// The emulator at `HOST:PORT`, with or without `http://`.
    pub(super) fn emulator(text: &str) -> Result<Self> {
        let host = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let (name, port) = host.rsplit_once(':').unwrap_or_default();
        if name.is_empty() || name.contains(['/', '@']) || port.parse::<u16>().is_err() {
            return Err(Error::usage(format!("`{text}` is no emulator of Secret Manager")).hint(format!(
                "{EMULATOR_VARIABLE} is HOST:PORT, such as 127.0.0.1:8080; unset it for Google's own"
            )));
        }
        Ok(Self::Emulator { host: host.to_owned() })
    }

    /// Creates a client. Nothing is sent yet.
    pub(super) async fn client(&self) -> Result<SecretManagerService> {
        // A TLS provider that was chosen earlier stays: it works as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let backoff = ExponentialBackoffBuilder::new()
            .with_initial_delay(Duration::from_millis(100))
            .with_maximum_delay(Duration::from_secs(15));
        let patience = match self {
            Self::Google => PATIENCE,
            Self::Emulator { .. } => PATIENCE_WITH_EMULATOR,
        };
        let mut client = SecretManagerService::builder()
            .with_credentials(self.credentials()?)
            .with_attempt_timeout(ANSWER)
            .with_backoff_policy(backoff.clamp())
            .with_retry_policy(Aip194Strict.continue_on_too_many_requests().with_time_limit(patience));
        if let Self::Emulator { host } = self {
            client = client.with_endpoint(format!("http://{host}"));
        }
        client.build().await.context("making the client of Secret Manager")
    }

    fn credentials(&self) -> Result<Credentials> {
        match self {
            Self::Emulator { .. } => Ok(anonymous::Builder::new().build()),
            Self::Google => Builder::default().build().map_err(|error| {
                // The parser's message may quote the file, which contains a private key.
                let reason = if error.is_parsing() {
                    "the file of the credentials is not as Google writes it".to_owned()
                } else {
                    error.to_string()
                };
                no_credentials("preparing the credentials for Secret Manager", &reason)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_is_a_host_and_a_port() {
        let host = |host: &str| Endpoint::Emulator { host: host.to_owned() };
        for (text, expected) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://localhost:80/", "localhost:80"),
            ("[::1]:9", "[::1]:9"),
        ] {
            assert_eq!(Endpoint::emulator(text), Ok(host(expected)));
        }
        for text in ["localhost", ":80", "localhost:port", "https://localhost:443", "a@b:1", "host/path:1"] {
            assert!(Endpoint::emulator(text).is_err(), "{text}");
        }
    }
}
