//! A bucket of Google Cloud Storage, through its JSON API: without gRPC, only that API shows and copies
//! generations.

mod api;
mod blobs;
mod live;
mod token;

use async_trait::async_trait;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use futures_util::stream::BoxStream;
use http::{Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;

use self::api::{Bucket, Item, Listing, Rewritten, refusal};
use self::token::Token;
use super::cloud::{Answer, Page, Requests, histories, part};
use super::content::crc32c;
use super::{BucketState, ObjectStore, no_permission, no_such_bucket, overtaken};

const HOST: &str = "https://storage.googleapis.com";
/// The store's largest page.
const PAGE: u32 = 1000;
/// The resolution of versions' times: a millisecond.
const TICK: SignedDuration = SignedDuration::from_millis(1);
/// The fields to request in a listing.
const FIELDS: &str =
    "nextPageToken,items(name,generation,timeCreated,timeDeleted,size,crc32c,contentType,metadata)";

/// A bucket of Google Cloud Storage.
pub struct GcsBucket {
    requests: Requests,
    host: String,
    name: String,
    page: u32,
}

impl GcsBucket {
    /// A bucket that is reached as the environment says: with the application default credentials, or without
    /// credentials at the emulator of `STORAGE_EMULATOR_HOST`.
    pub fn new(name: &str) -> Result<Self> {
        match std::env::var("STORAGE_EMULATOR_HOST") {
            Ok(host) if !host.is_empty() => Self::emulated(name, &host),
            _ => Self::at(name, HOST.to_owned(), Token::of_the_environment()?),
        }
    }

    /// A bucket of an emulator: `HOST:PORT`, or that as an address.
    pub fn emulated(name: &str, host: &str) -> Result<Self> {
        let host = host.trim_end_matches('/');
        let host = if host.contains("://") { host.to_owned() } else { format!("http://{host}") };
        Self::at(name, host, Token::none())
    }

    fn at(name: &str, host: String, token: Token) -> Result<Self> {
        Ok(Self { requests: Requests::new(token)?, host, name: name.to_owned(), page: PAGE })
    }

    /// The same bucket, with pages of this many versions.
    #[must_use]
    pub fn paged(self, page: u32) -> Self {
        Self { page, ..self }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/storage/v1/b/{}{path}", self.host, part(&self.name))
    }

    fn object(&self, key: &str) -> String {
        self.url(&format!("/o/{}", part(key)))
    }

    async fn send(&self, doing: &str, method: Method, url: &str) -> Result<Answer> {
        let request = Request::builder().method(method).uri(url).body(Bytes::new()).context(doing)?;
        self.requests.send(doing, request).await
    }

    /// Parses the answer to a successful request.
    async fn parsed<T: DeserializeOwned>(&self, doing: &str, answer: Answer) -> Result<T> {
        if !answer.status.is_success() {
            return Err(self.refused(doing, answer).await);
        }
        serde_json::from_slice(&answer.message(doing).await?).context(doing)
    }

    /// The error for a failed request.
    async fn refused(&self, doing: &str, answer: Answer) -> Error {
        let status = answer.status;
        let why = match answer.message(doing).await {
            Ok(message) => refusal(status, &message),
            Err(error) => return error,
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => no_permission(doing, why),
            _ => Error::could_not_verify(format!("{doing}: {why}")).hint(
                "look at the status page of the store, and run it again: what is finished is not done twice",
            ),
        }
    }

    async fn bucket(&self) -> Result<(Bucket, Timestamp)> {
        let doing = format!("reading the settings of {}", self.location());
        let answer = self.send(&doing, Method::GET, &self.url("?fields=versioning,lifecycle")).await?;
        if answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::BAD_REQUEST {
            return Err(no_such_bucket(&self.location()));
        }
        let date = answer.date()?;
        Ok((self.parsed(&doing, answer).await?, date))
    }

    async fn page(&self, prefix: &str, token: Option<String>) -> Result<Page<Item, String>> {
        let doing = format!("listing the versions in {}", self.location());
        let mut url = self.url(&format!(
            "/o?versions=true&prefix={}&maxResults={}&fields={}",
            part(prefix),
            self.page,
            part(FIELDS)
        ));
        if let Some(token) = token {
            url = format!("{url}&pageToken={}", part(&token));
        }
        let answer = self.send(&doing, Method::GET, &url).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(no_such_bucket(&self.location()));
        }
        let Listing { items, next_page_token, .. } = self.parsed(&doing, answer).await?;
        let entries = items.into_iter().map(|item| (item.name.clone(), item)).collect();
        Ok(Page { entries, next: next_page_token.filter(|token| !token.is_empty()) })
    }

    /// Writes an object in one request, under a condition. `None` if it does not hold.
    async fn write(
        &self,
        key: &str,
        bytes: &[u8],
        attributes: &ObjectAttributes,
        condition: &str,
    ) -> Result<Option<ObjectVersion>> {
        let doing = format!("writing {key}");
        let mut digest = crc32c();
        digest.update(bytes);
        let sum = digest.finalize();
        let (kind, body) = api::upload(key, bytes, attributes, sum)?;
        let url = self.upload_url(&format!("uploadType=multipart{condition}"));
        let request = Request::post(url).header(header::CONTENT_TYPE, kind).body(body).context(&doing)?;
        let answer = self.requests.send(&doing, request).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Err(no_such_bucket(&self.location())),
            StatusCode::PRECONDITION_FAILED => return Ok(None),
            _ => {}
        }
        let written = self.parsed::<Item>(&doing, answer).await?.into();
        ensure_as_sent(&doing, &written, bytes.len() as u64, sum)?;
        Ok(Some(written))
    }

    fn upload_url(&self, query: &str) -> String {
        format!("{}/upload/storage/v1/b/{}/o?{query}", self.host, part(&self.name))
    }

    /// The error for a write by somebody else, with the version that is live now.
    async fn overtaken(&self, key: &str, over: Option<&ObjectVersion>) -> Error {
        let name = |version: &ObjectVersion| version.version.clone();
        match self.current(key).await {
            Ok(live) => overtaken(key, over.map(name).as_deref(), live.as_ref().map(name).as_deref()),
            Err(error) => error,
        }
    }
}

#[async_trait]
impl ObjectStore for GcsBucket {
    fn location(&self) -> String {
        format!("gs://{}", self.name)
    }

    async fn state(&self) -> Result<BucketState> {
        let (bucket, date) = self.bucket().await?;
        let now = date.checked_sub(TICK).context("reading the store's clock")?;
        Ok(BucketState {
            versioning: bucket.versioning.enabled,
            noncurrent_days: bucket.noncurrent_days(),
            now,
        })
    }

    fn histories(&self, prefix: &str) -> BoxStream<'_, Result<KeyHistory>> {
        let prefix = prefix.to_owned();
        let fetch = move |token| -> futures_util::future::BoxFuture<'_, _> {
            let prefix = prefix.clone();
            Box::pin(async move { self.page(&prefix, token).await })
        };
        histories(fetch, api::history)
    }

    async fn current(&self, key: &str) -> Result<Option<ObjectVersion>> {
        let doing = format!("looking for {key}");
        let answer = self.send(&doing, Method::GET, &self.object(key)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            // A missing bucket gives the same answer.
            self.bucket().await?;
            return Ok(None);
        }
        let item: Item = self.parsed(&doing, answer).await?;
        Ok(Some(item.into()))
    }

    async fn describe(&self, version: &ObjectVersion) -> Result<ObjectVersion> {
        // A listing already contains everything.
        Ok(version.clone())
    }

    async fn read(&self, version: &ObjectVersion) -> Result<Reader> {
        let doing = format!("reading {version}");
        let url = format!("{}?alt=media&generation={}", self.object(&version.key), part(&version.version));
        // Accept gzip: an object that was stored compressed is then sent as it is stored, not decompressed.
        let request = Request::get(url).header(header::ACCEPT_ENCODING, "gzip").body(Bytes::new());
        let answer = self.requests.send(&doing, request.context(&doing)?).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(Error::failed(format!("{version} is kept no more"))),
            status if status.is_success() => Ok(answer.reader()),
            _ => Err(self.refused(&doing, answer).await),
        }
    }

    async fn put(&self, key: &str, bytes: &[u8], attributes: &ObjectAttributes) -> Result<ObjectVersion> {
        let written = self.write(key, bytes, attributes, "").await?;
        written.ok_or_else(|| Error::could_not_verify(format!("writing {key}: the store wanted a condition")))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let doing = format!("deleting {key}");
        let answer = self.send(&doing, Method::DELETE, &self.object(key)).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return self.bucket().await.map(drop);
        }
        if answer.status.is_success() { Ok(()) } else { Err(self.refused(&doing, answer).await) }
    }

    async fn revive(&self, version: &ObjectVersion, over: Option<&ObjectVersion>) -> Result<ObjectVersion> {
        let key = &version.key;
        let doing = format!("copying {version}");
        // The store checks this again at the moment of the write; its emulator does not.
        let live = self.current(key).await?;
        if live.map(|live| live.version) != over.map(|over| over.version.clone()) {
            return Err(self.overtaken(key, over).await);
        }
        let to = format!("/rewriteTo/b/{}/o/{}", part(&self.name), part(key));
        let start = format!(
            "{}{to}?sourceGeneration={}&ifGenerationMatch={}",
            self.object(key),
            part(&version.version),
            over.map_or("0", |over| over.version.as_str())
        );
        let mut url = start.clone();
        loop {
            let answer = self.send(&doing, Method::POST, &url).await?;
            match answer.status {
                StatusCode::PRECONDITION_FAILED => return Err(self.overtaken(key, over).await),
                StatusCode::NOT_FOUND => return Err(Error::failed(format!("{version} is kept no more"))),
                _ => {}
            }
            match self.parsed(&doing, answer).await? {
                Rewritten { resource: Some(item), .. } => return Ok(item.into()),
                // A large object is copied in several calls.
                Rewritten { rewrite_token: Some(token), .. } => {
                    url = format!("{start}&rewriteToken={}", part(&token));
                }
                Rewritten { .. } => {
                    return Err(Error::could_not_verify(format!(
                        "{doing}: the store does not say how to go on"
                    )));
                }
            }
        }
    }
}

/// Compares what the store says that it stored with what was sent.
fn ensure_as_sent(doing: &str, written: &ObjectVersion, bytes: u64, sum: u32) -> Result<()> {
    let is_same = written.bytes == bytes && written.crc32c.is_none_or(|found| found == sum);
    if is_same {
        return Ok(());
    }
    let found = written.crc32c.map(|found| format!(" with CRC32C {found:08x}")).unwrap_or_default();
    Err(Error::could_not_verify(format!(
        "{doing}: the bytes were changed on their way: sent {bytes} bytes with CRC32C {sum:08x}, the store has {} bytes{found}",
        written.bytes
    )))
}

/// A CRC32C is sent as four bytes in Base64, the most significant first.
fn encoded(crc32c: u32) -> String {
    BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

fn decoded(text: &str) -> Option<u32> {
    Some(u32::from_be_bytes(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}
