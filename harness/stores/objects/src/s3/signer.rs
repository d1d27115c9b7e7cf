//! Authorisation: the credentials that AWS tools find in the environment, and the signatures made with them.

use async_trait::async_trait;
use bytes::Bytes;
use comeback_error::{Error, Result};
use http::request::Parts;
use http::{Request, Response};
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context as Surroundings, HttpSend, OsEnv, ProvideCredential, Signer};
use reqsign_file_read_tokio::TokioFileRead;

use crate::cloud::{Authorize, Requests};

const HINT: &str =
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or log in with `aws sso login`";

/// Signs requests.
pub(super) struct Signature(Signer<Credential>);

impl Signature {
    /// Signs with the keys of the environment, a profile, a role, or the machine.
    pub(super) fn of_the_environment(region: &str) -> Result<Self> {
        let requests = Unsigned(Requests::new(Nobody)?);
        let surroundings =
            Surroundings::new().with_env(OsEnv).with_file_read(TokioFileRead).with_http_send(requests);
        Ok(Self::new(surroundings, DefaultCredentialProvider::new(), region))
    }

    pub(super) fn with_keys(id: &str, secret: &str, region: &str) -> Self {
        Self::new(Surroundings::new(), StaticCredentialProvider::new(id, secret), region)
    }

    fn new(
        surroundings: Surroundings,
        credentials: impl ProvideCredential<Credential = Credential>,
        region: &str,
    ) -> Self {
        Self(Signer::new(surroundings, credentials, RequestSigner::new("s3", region)))
    }
}

#[async_trait]
impl Authorize for Signature {
    async fn authorize(&self, head: &mut Parts) -> Result<()> {
        let signed = self.0.sign(head, None).await;
        // Only the message: its causes may contain what a server answered about credentials.
        signed.map_err(|error| {
            Error::could_not_verify(format!("signing a request to S3: {}: {error}", error.kind())).hint(HINT)
        })
    }
}

/// Requests to the sources of role and machine keys are not signed.
struct Nobody;

#[async_trait]
impl Authorize for Nobody {
    async fn authorize(&self, _: &mut Parts) -> Result<()> {
        Ok(())
    }
}

struct Unsigned(Requests);

impl std::fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Unsigned")
    }
}

impl HttpSend for Unsigned {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        let fail = |error: Error| reqsign_core::Error::unexpected(error.message().to_owned());
        let doing = "asking for the keys of S3";
        let answer = self.0.send(doing, request).await.map_err(fail)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status;
        response.headers_mut().clone_from(&answer.headers);
        *response.body_mut() = answer.message(doing).await.map_err(fail)?;
        Ok(response)
    }
}
