//! The requests of S3 that a bucket uses, and what their refusals mean.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use comeback_error::{Context as _, Error, Result};
use comeback_model::{ObjectAttributes, ObjectVersion};
use http::request::Builder;
use http::{HeaderMap, Method, Request, StatusCode};

use super::signer::Signature;
use super::xml::Element;
use crate::cloud::{Answer, Requests, moment, part, path, told};
use crate::{no_permission, no_such_bucket};

const METADATA: &str = "x-amz-meta-";

/// Requests to one bucket.
pub(super) struct Api {
    requests: Requests,
    endpoint: String,
    pub(super) bucket: String,
}

impl Api {
    pub(super) fn new(bucket: &str, endpoint: &str, signature: Signature) -> Result<Self> {
        let endpoint = endpoint.trim_end_matches('/').to_owned();
        Ok(Self { requests: Requests::new(signature)?, endpoint, bucket: bucket.to_owned() })
    }

    pub(super) fn location(&self) -> String {
        format!("s3://{}", self.bucket)
    }

    /// A request to the bucket itself.
    pub(super) fn bucket(&self, method: Method, query: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}/{}?{query}", self.endpoint, self.bucket))
    }

    /// A request to one key, or to one version of it.
    pub(super) fn object(&self, method: Method, key: &str, version: Option<&str>) -> Builder {
        let query = version.map(|version| format!("?versionId={}", part(version))).unwrap_or_default();
        Request::builder().method(method).uri(format!(
            "{}/{}/{}{query}",
            self.endpoint,
            self.bucket,
            path(key)
        ))
    }

    /// A request about an upload in several parts.
    pub(super) fn upload(&self, method: Method, key: &str, upload: &str) -> Builder {
        self.query(method, key, &format!("uploadId={}", part(upload)))
    }

    /// A request to one key, with a query.
    pub(super) fn query(&self, method: Method, key: &str, query: &str) -> Builder {
        let uri = format!("{}/{}/{}?{query}", self.endpoint, self.bucket, path(key));
        Request::builder().method(method).uri(uri)
    }

    /// The source of a copy.
    pub(super) fn source(&self, version: &ObjectVersion) -> String {
        format!("{}/{}?versionId={}", self.bucket, path(&version.key), part(&version.version))
    }

    pub(super) async fn send(&self, doing: &str, request: Builder, body: impl Into<Bytes>) -> Result<Answer> {
        self.requests.send(doing, request.body(body.into()).context(doing)?).await
    }

    /// Sends a request that may arrive twice.
    pub(super) async fn send_repeatable(
        &self,
        doing: &str,
        request: Builder,
        body: impl Into<Bytes>,
    ) -> Result<Answer> {
        self.requests.send_repeatable(doing, request.body(body.into()).context(doing)?).await
    }

    /// The message of a successful request. Some requests fail after the store has begun with a success
    /// status.
    pub(super) async fn message(&self, doing: &str, answer: Answer) -> Result<Bytes> {
        let (status, region) = (answer.status, answer.header("x-amz-bucket-region").map(str::to_owned));
        let message = answer.message(doing).await?;
        match refusal(&message) {
            None if status.is_success() => Ok(message),
            refusal => Err(self.refused(doing, status, region.as_deref(), &refusal.unwrap_or_default())),
        }
    }

    /// The error for a failed request.
    fn refused(&self, doing: &str, status: StatusCode, region: Option<&str>, refusal: &Refusal) -> Error {
        let Refusal { code, message } = refusal;
        let why = if code.is_empty() { status.to_string() } else { format!("{code}: {message}") };
        if code == "NoSuchBucket" || code == "InvalidBucketName" {
            return no_such_bucket(&self.location());
        }
        match (status, region) {
            (StatusCode::MOVED_PERMANENTLY | StatusCode::BAD_REQUEST, Some(region)) => {
                Error::usage(format!("{doing}: {} is in the region {region}: {why}", self.location()))
                    .hint(format!("set AWS_REGION={region}"))
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => no_permission(doing, why),
            _ => Error::could_not_verify(format!("{doing}: {why}")).hint(
                "look at the status page of the store, and run it again: what is finished is not done twice",
            ),
        }
    }

    /// The attributes of a key or of a version; `None` if there is none, or only a delete marker.
    pub(super) async fn head(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<Option<(ObjectVersion, HeaderMap)>> {
        let doing = format!("looking for {key}");
        let request = self.object(Method::HEAD, key, version).header("x-amz-checksum-mode", "ENABLED");
        let answer = self.send(&doing, request, Bytes::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
                if answer.header("x-amz-delete-marker") != Some("true") {
                    // A missing bucket gives the same answer.
                    let answer =
                        self.send(&doing, self.bucket(Method::GET, "versioning"), Bytes::new()).await?;
                    self.message(&doing, answer).await?;
                }
                Ok(None)
            }
            status if status.is_success() => described(key, version, answer.headers).map(Some),
            status => {
                Err(self.refused(&doing, status, answer.header("x-amz-bucket-region"), &Refusal::default()))
            }
        }
    }
}

/// Reads an object's description from the headers.
fn described(key: &str, version: Option<&str>, headers: HeaderMap) -> Result<(ObjectVersion, HeaderMap)> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let demand = |name: &str| {
        text(name).ok_or_else(|| Error::could_not_verify(format!("S3 does not tell the {name} of {key}")))
    };
    let metadata = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix(METADATA)?;
        Some((name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
    });
    let attributes = ObjectAttributes {
        content_type: text("content-type").map(str::to_owned),
        metadata: metadata.collect(),
    };
    // In this header S3 counts the metadata that it cannot return.
    let is_whole = text("x-amz-missing-meta").is_none();
    let described = ObjectVersion {
        key: key.to_owned(),
        // Without versioning there is only one version, and S3 calls it `null`.
        version: text("x-amz-version-id").or(version).unwrap_or("null").to_owned(),
        created_at: moment(demand("last-modified")?)?,
        ended_at: None,
        bytes: demand("content-length")?.parse().context(format_args!("reading the size of {key}"))?,
        // The checksum of a multipart upload is computed from those of its parts, and ends with their number.
        crc32c: text("x-amz-checksum-crc32c").and_then(decoded),
        attributes: is_whole.then_some(attributes),
    };
    Ok((described, headers))
}

/// Adds the headers that set attributes.
pub(super) fn with_attributes(mut request: Builder, attributes: &ObjectAttributes) -> Result<Builder> {
    if let Some(kind) = &attributes.content_type {
        request = request.header("content-type", kind);
    }
    for (name, value) in &attributes.metadata {
        if !value.is_ascii() {
            return Err(Error::usage(format!("S3 keeps metadata in ASCII, and `{name}` is not"))
                .hint("write the value in another form, such as percent-encoded"));
        }
        request = request.header(format!("{METADATA}{name}"), value);
    }
    Ok(request)
}

/// A CRC32C is sent as four bytes in Base64, the most significant first.
pub(super) fn encoded(crc32c: u32) -> String {
    BASE64_STANDARD.encode(crc32c.to_be_bytes())
}

fn decoded(text: &str) -> Option<u32> {
    Some(u32::from_be_bytes(BASE64_STANDARD.decode(text).ok()?.try_into().ok()?))
}

/// Why a request was refused. The rest of the answer is not shown: it repeats what was signed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: String,
    message: String,
}

fn refusal(message: &[u8]) -> Option<Refusal> {
    let element = Element::parse(message).ok().filter(|element| element.name == "Error")?;
    let text = |name| element.text_of(name).map(told).unwrap_or_default();
    Some(Refusal { code: text("Code"), message: text("Message") })
}

/// The code of a refusal, for callers that expect some refusals.
pub(super) fn refusal_code(message: &[u8]) -> Option<String> {
    refusal(message).map(|refusal| refusal.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_tells_its_reason_and_nothing_that_was_signed() {
        let message = b"<Error><Code>SignatureDoesNotMatch</Code><Message>no\nmatch</Message>\
            <AWSAccessKeyId>AKIA</AWSAccessKeyId><StringToSign>AWS4</StringToSign></Error>";
        let refusal = refusal(message).unwrap();
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), ("SignatureDoesNotMatch", "no match"));
        assert_eq!(refusal_code(b"<CopyObjectResult/>"), None);
    }

    #[test]
    fn metadata_that_cannot_be_told_is_not_told_as_none() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("last-modified", "Sun, 22 Nov 2026 05:41:00 GMT"),
            ("content-length", "9"),
            ("x-amz-meta-owner", "17"),
            ("x-amz-checksum-crc32c", "4waSgw=="),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let (found, _) = described("k", None, headers.clone()).unwrap();
        assert_eq!((found.crc32c, found.version.as_str()), (Some(0xe306_9283), "null"));
        assert_eq!(found.attributes.unwrap().metadata["owner"], "17");
        headers.insert("x-amz-missing-meta", "1".parse().unwrap());
        headers.insert("x-amz-checksum-crc32c", "4waSgw==-2".parse().unwrap());
        let (found, _) = described("k", None, headers.clone()).unwrap();
        assert_eq!((found.crc32c, found.attributes), (None, None));
        headers.remove("content-length");
        assert!(described("k", None, headers).is_err());
    }
}
