//! Authorisation with the application default credentials of Google Cloud.

use async_trait::async_trait;
use comeback_error::{Error, Result};
use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};
use http::Extensions;
use http::request::Parts;

use crate::cloud::Authorize;

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";
const HINT: &str =
    "run `gcloud auth application-default login`, or name a key file in GOOGLE_APPLICATION_CREDENTIALS";

/// Adds a token to requests; none for an emulator.
pub(super) struct Token(Option<Credentials>);

impl Token {
    pub(super) fn none() -> Self {
        Self(None)
    }

    pub(super) fn of_the_environment() -> Result<Self> {
        // Chosen here because the token library needs a TLS provider before any client exists.
        drop(rustls::crypto::ring::default_provider().install_default());
        let built = Builder::default().with_scopes([SCOPE]).build();
        built.map(|credentials| Self(Some(credentials))).map_err(|error| {
            Error::could_not_verify(format!("looking for the credentials of Google Cloud: {error}"))
                .hint(HINT)
        })
    }
}

#[async_trait]
impl Authorize for Token {
    async fn authorize(&self, head: &mut Parts) -> Result<()> {
        let Some(credentials) = &self.0 else { return Ok(()) };
        match credentials.headers(Extensions::new()).await {
            Ok(CacheableResource::New { data, .. }) => {
                head.headers.extend(data);
                Ok(())
            }
            // Only returned for conditional requests.
            Ok(CacheableResource::NotModified) => Ok(()),
            Err(error) => {
                Err(Error::could_not_verify(format!("asking Google Cloud for a token: {error}")).hint(HINT))
            }
        }
    }
}
