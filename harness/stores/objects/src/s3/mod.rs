//! A bucket of S3, by requests that are signed in the same way as by opendal.
//!
//! opendal itself is not used: it changes keys (`a//b` becomes `a/b`; blanks and slashes at the ends are
//! dropped), and it lists deletions apart from versions, so that their order is lost. A restore must act on
//! the key that was listed.

mod api;
mod blobs;
mod listing;
mod live;
mod multipart;
mod signer;
mod xml;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_engine::secret::Secret;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use http::{Method, StatusCode, header};
use jiff::SignedDuration;

use self::api::{Api, encoded, refusal_code, with_attributes};
use self::listing::{Entry, Marker, noncurrent_days};
use self::signer::Signature;
use self::xml::Element;
use super::cloud::{Page, histories, part};
use super::content::crc32c;
use super::{BucketState, ObjectStore, overtaken};

/// The store's largest page.
const PAGE: u32 = 1000;
/// The resolution of versions' times: a second.
const TICK: SignedDuration = SignedDuration::from_secs(1);
/// The largest object that S3 copies in one request.
const LARGEST_COPY_BYTES: u64 = 5 << 30;

/// A bucket of S3, or of a store with the same interface.
pub struct S3Bucket {
    api: Api,
    page: u32,
}

impl S3Bucket {
    /// A bucket that is reached as the environment says, with the variables of all AWS tools: `AWS_REGION`,
    /// `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL`, and keys, a profile or a role.
    pub fn new(name: &str) -> Result<Self> {
        let set = |names: [&str; 2]| {
            names.into_iter().filter_map(|name| std::env::var(name).ok()).find(|value| !value.is_empty())
        };
        let endpoint = set(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        let region = match set(["AWS_REGION", "AWS_DEFAULT_REGION"]) {
            Some(region) => region,
            // Other implementations of S3 accept any region.
            None if endpoint.is_some() => "us-east-1".to_owned(),
            None => {
                return Err(Error::usage(format!("the region of s3://{name} is not known"))
                    .hint("set AWS_REGION, such as AWS_REGION=eu-central-1"));
            }
        };
        let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let api = Api::new(name, &endpoint, Signature::of_the_environment(&region)?)?;
        Ok(Self { api, page: PAGE })
    }

    /// A bucket at an endpoint, with the caller's keys.
    pub fn with_keys(name: &str, endpoint: &str, region: &str, id: &str, secret: &Secret) -> Result<Self> {
        let signature = Signature::with_keys(id, secret.expose(), region);
        Ok(Self { api: Api::new(name, endpoint, signature)?, page: PAGE })
    }

    /// The same bucket, with pages of this many versions.
    #[must_use]
    pub fn paged(self, page: u32) -> Self {
        Self { page, ..self }
    }

    async fn lifecycle_days(&self, doing: &str) -> Result<Option<u32>> {
        let answer = self.api.send(doing, self.api.bucket(Method::GET, "lifecycle"), Bytes::new()).await?;
        if answer.status == StatusCode::NOT_FOUND {
            let message = answer.message(doing).await?;
            return match refusal_code(&message).as_deref() {
                Some("NoSuchLifecycleConfiguration") => Ok(None),
                code => Err(Error::could_not_verify(format!("{doing}: {}", code.unwrap_or("404 Not Found")))),
            };
        }
        noncurrent_days(&self.api.message(doing, answer).await?)
    }

    async fn page(&self, prefix: &str, marker: Option<Marker>) -> Result<Page<Entry, Marker>> {
        let doing = format!("listing the versions in {}", self.location());
        let mut query = format!("versions=&encoding-type=url&max-keys={}&prefix={}", self.page, part(prefix));
        if let Some(Marker { key, version }) = marker {
            query = format!("{query}&key-marker={}", part(&key));
            if !version.is_empty() {
                query = format!("{query}&version-id-marker={}", part(&version));
            }
        }
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, &query), Bytes::new()).await?;
        listing::page(&self.api.message(&doing, answer).await?)
    }

    async fn head(&self, version: &ObjectVersion) -> Result<ObjectVersion> {
        let found = self.api.head(&version.key, Some(&version.version)).await?;
        let (found, _) = found.ok_or_else(|| gone(version))?;
        Ok(ObjectVersion { created_at: version.created_at, ended_at: version.ended_at, ..found })
    }

    /// Writes an object in one request, and compares it with what the store then has: the version that was written if
    /// `by_version`, which takes the right to read versions, or else the live one. `None` if it should be new and is there
    /// already.
    async fn write(
        &self,
        key: &str,
        bytes: Bytes,
        attributes: &ObjectAttributes,
        is_new: bool,
        by_version: bool,
    ) -> Result<Option<ObjectVersion>> {
        let doing = format!("writing {key}");
        let mut sum = crc32c();
        sum.update(&bytes);
        let (length, sum) = (bytes.len() as u64, sum.finalize());
        // S3 refuses bytes that do not match the checksum.
        let mut request = with_attributes(self.api.object(Method::PUT, key, None), attributes)?
            .header("x-amz-sdk-checksum-algorithm", "CRC32C")
            .header("x-amz-checksum-crc32c", encoded(sum));
        if is_new {
            request = request.header(header::IF_NONE_MATCH, "*");
        }
        let answer = self.api.send(&doing, request, bytes).await?;
        if is_new && answer.status == StatusCode::PRECONDITION_FAILED {
            return Ok(None);
        }
        let version = answer.header("x-amz-version-id").filter(|_| by_version).map(str::to_owned);
        self.api.message(&doing, answer).await?;
        let written = self.written(key, version.as_deref()).await?;
        if written.bytes != length || written.crc32c.is_some_and(|found| found != sum) {
            return Err(Error::could_not_verify(format!(
                "{doing}: sent {length} bytes with CRC32C {sum:08x}, and the store has {} other ones",
                written.bytes
            )));
        }
        Ok(Some(written))
    }

    /// The version that a write created, as the store reports it.
    async fn written(&self, key: &str, version: Option<&str>) -> Result<ObjectVersion> {
        let found = self.api.head(key, version).await?;
        found.map(|(found, _)| found).ok_or_else(|| {
            Error::could_not_verify(format!("{key} vanished as it was written"))
                .hint("look who else writes there, and run it again: what is finished is not done twice")
        })
    }
}

fn gone(version: &ObjectVersion) -> Error {
    Error::failed(format!("{version} is kept no more"))
}

#[async_trait]
impl ObjectStore for S3Bucket {
    fn location(&self) -> String {
        self.api.location()
    }

    fn tells_ends(&self) -> bool {
        false
    }

    async fn state(&self) -> Result<BucketState> {
        let doing = format!("reading the settings of {}", self.location());
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, "versioning"), Bytes::new()).await?;
        // The date is used only after the check for a refusal, which has a reason but maybe no date.
        let date = answer.date();
        let settings = Element::parse(&self.api.message(&doing, answer).await?)?;
        Ok(BucketState {
            versioning: settings.text_of("Status") == Some("Enabled"),
            noncurrent_days: self.lifecycle_days(&doing).await?,
            now: date?.checked_sub(TICK).context("reading the store's clock")?,
        })
    }

    fn histories(&self, prefix: &str) -> BoxStream<'_, Result<KeyHistory>> {
        let prefix = prefix.to_owned();
        let fetch = move |marker| -> BoxFuture<'_, _> {
            let prefix = prefix.clone();
            Box::pin(async move { self.page(&prefix, marker).await })
        };
        histories(fetch, listing::history)
    }

    async fn current(&self, key: &str) -> Result<Option<ObjectVersion>> {
        Ok(self.api.head(key, None).await?.map(|(live, _)| live))
    }

    async fn describe(&self, version: &ObjectVersion) -> Result<ObjectVersion> {
        self.head(version).await
    }

    async fn read(&self, version: &ObjectVersion) -> Result<Reader> {
        let doing = format!("reading {version}");
        let request = self.api.object(Method::GET, &version.key, Some(&version.version));
        let answer = self.api.send(&doing, request, Bytes::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(gone(version)),
            status if status.is_success() => Ok(answer.reader()),
            _ => match self.api.message(&doing, answer).await {
                Err(error) => Err(error),
                Ok(_) => Err(Error::could_not_verify(format!("{doing}: S3 gave no bytes"))),
            },
        }
    }

    async fn put(&self, key: &str, bytes: &[u8], attributes: &ObjectAttributes) -> Result<ObjectVersion> {
        let written = self.write(key, bytes.to_vec().into(), attributes, false, true).await?;
        written.ok_or_else(|| Error::could_not_verify(format!("writing {key}: the store wanted a condition")))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let doing = format!("deleting {key}");
        let answer = self.api.send(&doing, self.api.object(Method::DELETE, key, None), Bytes::new()).await?;
        self.api.message(&doing, answer).await.map(drop)
    }

    async fn revive(&self, version: &ObjectVersion, over: Option<&ObjectVersion>) -> Result<ObjectVersion> {
        let key = &version.key;
        let doing = format!("copying {version}");
        if version.bytes > LARGEST_COPY_BYTES {
            return Err(Error::could_not_verify(format!(
                "{doing}: S3 copies no more than 5 GiB in one request"
            ))
            .hint("copy this one with `aws s3 cp`, which copies in parts; the others are restored"));
        }
        let live = self.api.head(key, None).await?;
        let found = live.as_ref().map(|(live, _)| live.version.as_str());
        let expected = over.map(|over| over.version.as_str());
        if found != expected {
            return Err(overtaken(key, expected, found));
        }
        // S3 checks this again at the moment of the write.
        let etag = live.as_ref().and_then(|(_, headers)| headers.get(header::ETAG));
        let request = self.api.object(Method::PUT, key, None);
        let request = match etag {
            Some(etag) => request.header(header::IF_MATCH, etag),
            None => request.header(header::IF_NONE_MATCH, "*"),
        };
        let request = request
            .header("x-amz-copy-source", self.api.source(version))
            .header("x-amz-checksum-algorithm", "CRC32C");
        let answer = self.api.send(&doing, request, Bytes::new()).await?;
        if [StatusCode::PRECONDITION_FAILED, StatusCode::CONFLICT].contains(&answer.status) {
            let live = self.current(key).await?;
            return Err(overtaken(key, expected, live.as_ref().map(|live| live.version.as_str())));
        }
        let is_gone = answer.status == StatusCode::NOT_FOUND;
        let copy = answer.header("x-amz-version-id").map(str::to_owned);
        let copied = self.api.message(&doing, answer).await;
        if is_gone && copied.as_ref().is_err_and(|error| error.message().contains("NoSuchVersion")) {
            return Err(gone(version));
        }
        copied?;
        self.written(key, copy.as_deref()).await
    }
}
