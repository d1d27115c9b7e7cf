//! What is live in a bucket of S3, with the rights `s3:ListBucket` and `s3:GetObject` alone.
//!
//! Naming a version would need `s3:GetObjectVersion`, even for the live one. The entity tag does not, and a request that
//! demands it never returns other bytes.

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Error, Result};
use http::{Method, StatusCode, header};

use super::S3Bucket;
use super::api::refusal_code;
use super::listing::unescaped;
use super::xml::Element;
use crate::ObjectStore as _;
use crate::cloud::part;
use crate::live::{LiveObject, LiveObjects, LivePage, changed};

#[async_trait]
impl LiveObjects for S3Bucket {
    fn name(&self) -> String {
        self.location()
    }

    async fn page(&self, prefix: &str, most: u32, from: Option<&str>) -> Result<LivePage> {
        let doing = format!("listing {}", self.location());
        let most = most.min(self.page);
        let mut query = format!("list-type=2&encoding-type=url&max-keys={most}&prefix={}", part(prefix));
        if let Some(token) = from {
            query = format!("{query}&continuation-token={}", part(token));
        }
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, &query), Bytes::new()).await?;
        page(&self.api.message(&doing, answer).await?)
    }

    async fn open(&self, object: &LiveObject) -> Result<Reader> {
        let doing = format!("reading {}", object.key);
        let request = self.api.object(Method::GET, &object.key, None).header(header::IF_MATCH, &object.mark);
        let answer = self.api.send(&doing, request, Bytes::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED => Err(changed(object)),
            status if status.is_success() => Ok(answer.reader()),
            _ => match self.api.message(&doing, answer).await {
                Err(error) => Err(error),
                Ok(_) => Err(Error::could_not_verify(format!("{doing}: S3 gave no bytes"))),
            },
        }
    }

    /// Asks to complete an upload that does not exist. A user who may write is told that there is no such upload, and
    /// others that access is denied. Nothing is written.
    async fn may_write(&self, key: &str) -> Result<Option<bool>> {
        const NO_UPLOAD: &str = "comeback-began-no-upload";
        const PARTS: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>none</ETag></Part>\
            </CompleteMultipartUpload>";
        let doing = format!("asking for permissions in {}", self.location());
        let request = self.api.upload(Method::POST, key, NO_UPLOAD).header("content-type", "text/xml");
        let answer = self.api.send(&doing, request, PARTS).await?;
        let status = answer.status;
        let code = refusal_code(&answer.message(&doing).await?);
        Ok(may_complete(status, code.as_deref()))
    }
}

/// Whether a store that refuses to complete an upload which was never begun would let this user complete one: it looks
/// at the permissions first.
fn may_complete(status: StatusCode, code: Option<&str>) -> Option<bool> {
    match (status, code) {
        (StatusCode::NOT_FOUND, Some("NoSuchUpload")) => Some(true),
        (StatusCode::FORBIDDEN, Some("AccessDenied")) => Some(false),
        _ => None,
    }
}

/// Parses a page.
fn page(document: &[u8]) -> Result<LivePage> {
    let list = Element::parse(document)?;
    if list.name != "ListBucketResult" && list.name != "ListObjectsV2Output" {
        return Err(Error::could_not_verify(format!("S3 answered with {} in place of a listing", list.name)));
    }
    let escaped = list.text_of("EncodingType") == Some("url");
    let mut objects = Vec::new();
    for element in list.children.iter().filter(|element| element.name == "Contents") {
        objects.push(LiveObject {
            key: unescaped(element.demand("Key")?, escaped)?,
            bytes: element.demand("Size")?.parse().context("reading the size of an object")?,
            modified_at: element.demand("LastModified")?.parse().context("reading the time of an object")?,
            mark: element.demand("ETag")?.to_owned(),
        });
    }
    let next = match list.text_of("IsTruncated") {
        Some("true") => Some(list.demand("NextContinuationToken")?.to_owned()),
        _ => None,
    };
    Ok(LivePage { objects, next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_hears_that_there_is_no_such_upload() {
        assert_eq!(may_complete(StatusCode::NOT_FOUND, Some("NoSuchUpload")), Some(true));
        assert_eq!(may_complete(StatusCode::FORBIDDEN, Some("AccessDenied")), Some(false));
        // A missing bucket, a wrong key, or a store that answers in its own way says nothing.
        for (status, code) in [(404, Some("NoSuchBucket")), (403, Some("SignatureDoesNotMatch")), (500, None)]
        {
            assert_eq!(may_complete(StatusCode::from_u16(status).unwrap(), code), None);
        }
    }

    #[test]
    fn a_page_is_read_and_something_else_is_refused() {
        let document = b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>t+1=</NextContinuationToken><Contents><Key>a%2Bb+c</Key><Size>7</Size>\
            <LastModified>2026-11-22T05:41:00.000Z</LastModified><ETag>&quot;4f&quot;</ETag></Contents></ListBucketResult>";
        let found = page(document).unwrap();
        let object = LiveObject {
            key: "a+b c".to_owned(),
            bytes: 7,
            modified_at: "2026-11-22T05:41:00Z".parse().unwrap(),
            mark: "\"4f\"".to_owned(),
        };
        assert_eq!(found, LivePage { objects: vec![object], next: Some("t+1=".to_owned()) });
        assert!(page(b"<Error><Code>SlowDown</Code></Error>").is_err());
    }
}
