//! An object of S3 that is written in parts.

use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_error::{Context as _, Error, Result};
use http::{Method, StatusCode, header};
use jiff::Timestamp;

use super::S3Bucket;
use super::api::encoded;
use super::listing::unescaped;
use super::xml::Element;
use crate::blobs::Parts;
use crate::cloud::part;
use crate::content::crc32c;

/// An upload in parts.
pub(super) struct Multipart {
    bucket: Arc<S3Bucket>,
    doing: String,
    key: String,
    upload: String,
    /// The entity tag and the CRC32C of each part.
    parts: Vec<(String, u32)>,
    bytes: u64,
}

impl Multipart {
    pub(super) async fn begin(bucket: Arc<S3Bucket>, key: &str) -> Result<Self> {
        let doing = format!("writing {key}");
        let request =
            bucket.api.query(Method::POST, key, "uploads=").header("x-amz-checksum-algorithm", "CRC32C");
        let answer = bucket.api.send(&doing, request, Bytes::new()).await?;
        let message = Element::parse(&bucket.api.message(&doing, answer).await?)?;
        let upload = message.demand("UploadId")?.to_owned();
        Ok(Self { bucket, doing, key: key.to_owned(), upload, parts: Vec::new(), bytes: 0 })
    }

    async fn add(&mut self, bytes: Bytes) -> Result<()> {
        let mut sum = crc32c();
        sum.update(&bytes);
        let (sum, length) = (sum.finalize(), bytes.len() as u64);
        let query = format!("partNumber={}&uploadId={}", self.parts.len() + 1, part(&self.upload));
        let request = self.bucket.api.query(Method::PUT, &self.key, &query);
        let request = request
            .header("x-amz-sdk-checksum-algorithm", "CRC32C")
            .header("x-amz-checksum-crc32c", encoded(sum));
        // A part that arrives twice replaces itself.
        let answer = self.bucket.api.send_repeatable(&self.doing, request, bytes).await?;
        let tag = answer.header(header::ETAG.as_str()).map(str::to_owned);
        self.bucket.api.message(&self.doing, answer).await?;
        let tag = tag.ok_or_else(|| {
            Error::could_not_verify(format!("{}: S3 gave no entity tag of a part", self.doing))
        })?;
        self.parts.push((tag, sum));
        self.bytes += length;
        Ok(())
    }

    async fn complete(&self) -> Result<()> {
        let request = self.bucket.api.upload(Method::POST, &self.key, &self.upload);
        let request = request.header(header::CONTENT_TYPE, "text/xml").header(header::IF_NONE_MATCH, "*");
        let answer = self.bucket.api.send(&self.doing, request, list_of(&self.parts)).await?;
        if answer.status == StatusCode::PRECONDITION_FAILED {
            return Err(Error::could_not_verify(format!(
                "{} exists already, and is not overwritten",
                self.key
            )));
        }
        self.bucket.api.message(&self.doing, answer).await.map(drop)
    }

    /// Compares what the store says that it stored with what was sent.
    async fn compare(&self) -> Result<()> {
        let found = self.bucket.api.head(&self.key, None).await?;
        let (found, headers) = found.ok_or_else(|| {
            Error::could_not_verify(format!("{}: S3 said that it is stored, and it is not there", self.doing))
        })?;
        let sum = headers.get("x-amz-checksum-crc32c").and_then(|sum| sum.to_str().ok());
        let expected = composite(&self.parts);
        // A store may sum the object as a whole, or not at all.
        let is_same = sum.is_none_or(|sum| !sum.contains('-') || sum == expected);
        if found.bytes == self.bytes && is_same {
            return Ok(());
        }
        Err(Error::could_not_verify(format!(
            "{}: sent {} bytes with CRC32C {expected}, and the store has {} with {}",
            self.doing,
            self.bytes,
            found.bytes,
            sum.unwrap_or("none")
        )))
    }
}

#[async_trait]
impl Parts for Multipart {
    async fn put(&mut self, part: Bytes) -> Result<()> {
        self.add(part).await
    }

    async fn finish(mut self: Box<Self>, last: Bytes) -> Result<()> {
        let completed = match self.add(last).await {
            Ok(()) => self.complete().await,
            failed => failed,
        };
        if let Err(error) = completed {
            self.abandon().await;
            return Err(error);
        }
        self.compare().await
    }

    async fn abandon(self: Box<Self>) {
        let request = self.bucket.api.upload(Method::DELETE, &self.key, &self.upload);
        // What stays is ended by a later sweep.
        drop(self.bucket.api.send(&self.doing, request, Bytes::new()).await);
    }
}

/// The message that completes an upload.
fn list_of(parts: &[(String, u32)]) -> String {
    let mut list = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for (number, (tag, sum)) in (1..).zip(parts) {
        let (tag, sum) = (tag.replace('&', "&amp;").replace('<', "&lt;"), encoded(*sum));
        let _ = write!(
            list,
            "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag><ChecksumCRC32C>{sum}</ChecksumCRC32C></Part>"
        );
    }
    list + "</CompleteMultipartUpload>"
}

/// The checksum of an object in parts: the CRC32C of those of its parts, and their number.
fn composite(parts: &[(String, u32)]) -> String {
    let mut sum = crc32c();
    for (_, part) in parts {
        sum.update(&part.to_be_bytes());
    }
    format!("{}-{}", encoded(sum.finalize()), parts.len())
}

/// The keys and names of the uploads in a listing that began before a moment.
pub(super) fn unfinished(document: &[u8], before: Timestamp) -> Result<Vec<(String, String)>> {
    let list = Element::parse(document)?;
    let escaped = list.text_of("EncodingType") == Some("url");
    let mut found = Vec::new();
    for element in list.children.iter().filter(|element| element.name == "Upload") {
        let began: Timestamp =
            element.demand("Initiated")?.parse().context("reading the time of an upload")?;
        if began < before {
            found.push((unescaped(element.demand("Key")?, escaped)?, element.demand("UploadId")?.to_owned()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_uploads_are_ended() {
        let upload = |key: &str, at: &str| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>u-{key}</UploadId><Initiated>{at}</Initiated></Upload>"
            )
        };
        let document = format!(
            "<ListMultipartUploadsResult>{}{}</ListMultipartUploadsResult>",
            upload("old", "2026-11-22T05:41:00.000Z"),
            upload("new", "2026-11-23T05:41:00.000Z")
        );
        let before = "2026-11-23T00:00:00Z".parse().unwrap();
        assert_eq!(
            unfinished(document.as_bytes(), before).unwrap(),
            [("old".to_owned(), "u-old".to_owned())]
        );
    }

    #[test]
    fn the_parts_are_told_with_their_tags_and_sums() {
        let list = list_of(&[("\"a\"".to_owned(), 0xe306_9283)]);
        assert!(
            list.contains("<PartNumber>1</PartNumber><ETag>\"a\"</ETag><ChecksumCRC32C>4waSgw==<"),
            "{list}"
        );
        assert!(composite(&[("a".to_owned(), 1), ("b".to_owned(), 2)]).ends_with("==-2"));
    }
}
