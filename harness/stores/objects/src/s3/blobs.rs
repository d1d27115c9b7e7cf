//! A bucket of S3 as the place of a repository: conditional writes, and uploads in parts.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::{Error, Result};
use comeback_model::ObjectAttributes;
use http::{Method, StatusCode};
use jiff::Timestamp;

use super::S3Bucket;
use super::api::refusal_code;
use super::listing::unescaped;
use super::multipart::{Multipart, unfinished};
use super::xml::Element;
use crate::ObjectStore as _;
use crate::blobs::{Blobs, FolderPage, Look, Parts, folder_names};
use crate::cloud::part;

#[async_trait]
impl Blobs for S3Bucket {
    async fn look(&self, prefix: &str) -> Result<Look> {
        let doing = format!("listing {}", self.location());
        let query = format!("list-type=2&max-keys=1&prefix={}", part(prefix));
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, &query), Bytes::new()).await?;
        // The date is used only after the check for a refusal, which has a reason but maybe no date.
        let now = answer.date();
        let list = Element::parse(&self.api.message(&doing, answer).await?)?;
        Ok(Look { now: now?, is_empty: list.child("Contents").is_none() })
    }

    async fn folders(&self, prefix: &str, from: Option<&str>) -> Result<FolderPage> {
        let doing = format!("listing {}", self.location());
        let (page, prefix_part) = (self.page, part(prefix));
        let mut query =
            format!("list-type=2&encoding-type=url&delimiter=%2F&max-keys={page}&prefix={prefix_part}");
        if let Some(token) = from {
            query = format!("{query}&continuation-token={}", part(token));
        }
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, &query), Bytes::new()).await?;
        folder_page(prefix, &self.api.message(&doing, answer).await?)
    }

    async fn read(&self, key: &str) -> Result<Option<Reader>> {
        let doing = format!("reading {key}");
        let request = self.api.object(Method::GET, key, None);
        let answer = self.api.send(&doing, request, Bytes::new()).await?;
        if answer.status.is_success() {
            return Ok(Some(answer.reader()));
        }
        if answer.status == StatusCode::NOT_FOUND {
            let message = answer.message(&doing).await?;
            return match refusal_code(&message).as_deref() {
                Some("NoSuchKey") => Ok(None),
                code => Err(Error::could_not_verify(format!("{doing}: {}", code.unwrap_or("404 Not Found")))),
            };
        }
        match self.api.message(&doing, answer).await {
            Err(error) => Err(error),
            Ok(_) => Err(Error::could_not_verify(format!("{doing}: S3 gave no bytes"))),
        }
    }

    async fn put_new(&self, key: &str, bytes: Bytes) -> Result<bool> {
        Ok(self.write(key, bytes, &ObjectAttributes::default(), true, false).await?.is_some())
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<()> {
        self.write(key, bytes, &ObjectAttributes::default(), false, false).await.map(drop)
    }

    async fn begin(self: Arc<Self>, key: &str) -> Result<Box<dyn Parts>> {
        Ok(Box::new(Multipart::begin(self, key).await?))
    }

    async fn remove(&self, key: &str) -> Result<bool> {
        let doing = format!("deleting {key}");
        let answer = self.api.send(&doing, self.api.object(Method::DELETE, key, None), Bytes::new()).await?;
        if answer.status == StatusCode::FORBIDDEN {
            return Ok(false);
        }
        self.api.message(&doing, answer).await.map(|_| true)
    }

    async fn end_uploads(&self, prefix: &str, before: Timestamp) -> Result<Vec<String>> {
        let doing = format!("listing unfinished uploads in {}", self.location());
        let query = format!("uploads=&encoding-type=url&prefix={}", part(prefix));
        let answer = self.api.send(&doing, self.api.bucket(Method::GET, &query), Bytes::new()).await?;
        if answer.status == StatusCode::FORBIDDEN {
            return Ok(Vec::new());
        }
        let mut ended = Vec::new();
        for (key, upload) in unfinished(&self.api.message(&doing, answer).await?, before)? {
            let request = self.api.upload(Method::DELETE, &key, &upload);
            let answer = self.api.send(&format!("ending the upload of {key}"), request, Bytes::new()).await?;
            if answer.status.is_success() {
                ended.push(key);
            }
        }
        Ok(ended)
    }
}

fn folder_page(prefix: &str, document: &[u8]) -> Result<FolderPage> {
    let list = Element::parse(document)?;
    let escaped = list.text_of("EncodingType") == Some("url");
    let mut listed = Vec::new();
    for element in list.children.iter().filter(|element| element.name == "CommonPrefixes") {
        listed.push(unescaped(element.demand("Prefix")?, escaped)?);
    }
    let next = match list.text_of("IsTruncated") {
        Some("true") => Some(list.demand("NextContinuationToken")?.to_owned()),
        _ => None,
    };
    Ok(FolderPage { folders: folder_names(prefix, listed.iter().map(String::as_str)), next })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_from_a_listing() {
        let document = b"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextContinuationToken>t</NextContinuationToken><Contents><Key>p/x</Key></Contents>\
            <CommonPrefixes><Prefix>p/a%2Bb/</Prefix></CommonPrefixes></ListBucketResult>";
        let expected = FolderPage { folders: vec!["a+b".to_owned()], next: Some("t".to_owned()) };
        assert_eq!(folder_page("p/", document).unwrap(), expected);
    }
}
