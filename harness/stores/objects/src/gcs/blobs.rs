//! A bucket of Google Cloud Storage as the place of a repository: conditional writes, and resumable uploads.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Error, Result};
use comeback_model::ObjectAttributes;
use crc::{Digest, Table};
use http::{Method, Request, StatusCode, header};

use super::api::{Item, Listing};
use super::{GcsBucket, ensure_as_sent};
use crate::blobs::{Blobs, FolderPage, Look, Parts, folder_names};
use crate::cloud::{Answer, part};
use crate::content::crc32c;
use crate::{ObjectStore as _, no_such_bucket};

/// Only if there is no live object with this key.
const IF_NEW: &str = "&ifGenerationMatch=0";
/// The answer to a part that is not the last one.
const RESUME: StatusCode = StatusCode::PERMANENT_REDIRECT;

#[async_trait]
impl Blobs for GcsBucket {
    async fn look(&self, prefix: &str) -> Result<Look> {
        let doing = format!("listing {}", self.location());
        let url = self.url(&format!("/o?prefix={}&maxResults=1", part(prefix)));
        let answer = self.send(&doing, Method::GET, &url).await?;
        if answer.status == StatusCode::NOT_FOUND || answer.status == StatusCode::BAD_REQUEST {
            return Err(no_such_bucket(&self.location()));
        }
        let now = answer.date();
        let listing: Listing = self.parsed(&doing, answer).await?;
        Ok(Look { now: now?, is_empty: listing.items.is_empty() })
    }

    async fn folders(&self, prefix: &str, from: Option<&str>) -> Result<FolderPage> {
        let doing = format!("listing {}", self.location());
        let (page, prefix_part) = (self.page, part(prefix));
        let mut url = self.url(&format!("/o?delimiter=%2F&prefix={prefix_part}&maxResults={page}"));
        if let Some(token) = from {
            url = format!("{url}&pageToken={}", part(token));
        }
        let answer = self.send(&doing, Method::GET, &url).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(no_such_bucket(&self.location()));
        }
        let Listing { prefixes, next_page_token, .. } = self.parsed(&doing, answer).await?;
        let folders = folder_names(prefix, prefixes.iter().map(String::as_str));
        Ok(FolderPage { folders, next: next_page_token.filter(|token| !token.is_empty()) })
    }

    async fn read(&self, key: &str) -> Result<Option<Reader>> {
        let doing = format!("reading {key}");
        // Accept gzip: an object that was stored compressed is then sent as it is stored, not decompressed.
        let request = Request::get(format!("{}?alt=media", self.object(key)));
        let request = request.header(header::ACCEPT_ENCODING, "gzip").body(Bytes::new()).context(&doing)?;
        let answer = self.requests.send(&doing, request).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer.reader())),
            _ => Err(self.refused(&doing, answer).await),
        }
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool> {
        Ok(self.write(key, &bytes, &ObjectAttributes::default(), IF_NEW).await?.is_some())
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.write(key, &bytes, &ObjectAttributes::default(), "").await.map(drop)
    }

    async fn begin(self: Arc<Self>, key: &str) -> Result<Box<dyn Parts>> {
        let doing = format!("writing {key}");
        let url = self.upload_url(&format!("uploadType=resumable&name={}{IF_NEW}", part(key)));
        let request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        let body = Bytes::from_static(b"{}");
        let answer = self.requests.send(&doing, request.body(body).context(&doing)?).await?;
        match answer.status {
            StatusCode::NOT_FOUND => return Err(no_such_bucket(&self.location())),
            StatusCode::PRECONDITION_FAILED => return Err(exists(key)),
            status if !status.is_success() => return Err(self.refused(&doing, answer).await),
            _ => {}
        }
        let session = answer.header(header::LOCATION.as_str()).map(str::to_owned);
        let session = session.ok_or_else(|| {
            Error::could_not_verify(format!("{doing}: the store does not say where the parts go"))
        })?;
        Ok(Box::new(Resumable { bucket: self, doing, key: key.to_owned(), session, sent: 0, sum: crc32c() }))
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        let doing = format!("deleting {key}");
        let answer = self.send(&doing, Method::DELETE, &self.object(key)).await?;
        match answer.status {
            StatusCode::FORBIDDEN => Ok(false),
            StatusCode::NOT_FOUND => Ok(true),
            status if status.is_success() => Ok(true),
            _ => Err(self.refused(&doing, answer).await),
        }
    }
}

fn exists(key: &str) -> Error {
    Error::could_not_verify(format!("{key} exists already, and is not overwritten"))
}

/// An upload in parts.
struct Resumable {
    bucket: Arc<GcsBucket>,
    doing: String,
    key: String,
    /// The address of the upload. Anybody who has it can write the object: it is never shown.
    session: String,
    sent: u64,
    sum: Digest<'static, u32, Table<16>>,
}

impl Resumable {
    async fn send(&self, range: String, body: Bytes) -> Result<Answer> {
        let request = Request::put(&self.session).header(header::CONTENT_RANGE, range);
        // Bytes that the store has already are ignored, so a part may arrive twice.
        self.bucket.requests.send_repeatable(&self.doing, request.body(body).context(&self.doing)?).await
    }
}

#[async_trait]
impl Parts for Resumable {
    async fn put(&mut self, mut part: Bytes) -> Result<()> {
        self.sum.update(&part);
        while !part.is_empty() {
            let last = self.sent + part.len() as u64 - 1;
            let answer = self.send(format!("bytes {}-{last}/*", self.sent), part.clone()).await?;
            if answer.status != RESUME {
                return Err(self.bucket.refused(&self.doing, answer).await);
            }
            let kept = answer.header(header::RANGE.as_str()).and_then(kept_bytes).unwrap_or(0);
            let taken = kept.checked_sub(self.sent).filter(|taken| (1..=part.len() as u64).contains(taken));
            let taken = taken.and_then(|taken| usize::try_from(taken).ok()).ok_or_else(|| {
                Error::could_not_verify(format!("{}: the store kept nothing of a part", self.doing))
            })?;
            self.sent = kept;
            part = part.split_off(taken);
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, last: Bytes) -> Result<()> {
        self.sum.update(&last);
        let total = self.sent + last.len() as u64;
        let range = format!("bytes {}-{}/{total}", self.sent, total.saturating_sub(1));
        let sent = self.send(range, last).await;
        let answer = match sent {
            Ok(answer) if answer.status == StatusCode::PRECONDITION_FAILED => return Err(exists(&self.key)),
            Ok(answer) => answer,
            Err(error) => {
                self.abandon().await;
                return Err(error);
            }
        };
        let written = self.bucket.parsed::<Item>(&self.doing, answer).await?.into();
        ensure_as_sent(&self.doing, &written, total, self.sum.finalize())
    }

    async fn abandon(self: Box<Self>) {
        let request = Request::delete(&self.session).body(Bytes::new());
        if let Ok(request) = request {
            // The store forgets it after a week by itself.
            drop(self.bucket.requests.send(&self.doing, request).await);
        }
    }
}

/// How many bytes the store has, from the header `Range: bytes=0-524287`.
fn kept_bytes(range: &str) -> Option<u64> {
    range.strip_prefix("bytes=0-")?.parse::<u64>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_store_kept_is_read_from_its_range() {
        assert_eq!(kept_bytes("bytes=0-524287"), Some(524_288));
        for range in ["", "bytes=1-5", "bytes=0-", "bytes=0-18446744073709551615"] {
            assert_eq!(kept_bytes(range), None, "{range}");
        }
    }
}
