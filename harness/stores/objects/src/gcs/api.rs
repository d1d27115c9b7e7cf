//! The messages of Google Cloud Storage's JSON API, without the connection.

use std::collections::BTreeMap;

use bytes::Bytes;
use comeback_error::{Context as _, Result};
use comeback_model::{KeyHistory, ObjectAttributes, ObjectVersion};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use super::{decoded, encoded};
use crate::cloud::told;

/// The settings of a bucket.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bucket {
    pub(super) versioning: Versioning,
    lifecycle: Lifecycle,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Versioning {
    pub(super) enabled: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    rule: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
struct Rule {
    action: Action,
    #[serde(default)]
    condition: Condition,
}

#[derive(Debug, Deserialize)]
struct Action {
    r#type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    days_since_noncurrent_time: Option<u32>,
}

impl Bucket {
    /// After how many days the strictest rule removes a version that is no longer live.
    pub(super) fn noncurrent_days(&self) -> Option<u32> {
        let deleting = self.lifecycle.rule.iter().filter(|rule| rule.action.r#type == "Delete");
        deleting.filter_map(|rule| rule.condition.days_since_noncurrent_time).min()
    }
}

/// The permissions, of those that were asked about, that the caller has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Permissions {
    pub(super) permissions: Vec<String>,
}

/// One page of a listing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) items: Vec<Item>,
    /// What the keys start with, up to the delimiter, where one was asked for.
    #[serde(default)]
    pub(super) prefixes: Vec<String>,
    pub(super) next_page_token: Option<String>,
}

/// One version.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) name: String,
    #[serde(deserialize_with = "number")]
    generation: u64,
    time_created: Timestamp,
    time_deleted: Option<Timestamp>,
    #[serde(deserialize_with = "number")]
    size: u64,
    crc32c: Option<String>,
    content_type: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
}

/// 64-bit numbers are sent as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no number")))
}

impl From<Item> for ObjectVersion {
    fn from(item: Item) -> Self {
        let attributes = ObjectAttributes { content_type: item.content_type, metadata: item.metadata };
        Self {
            key: item.name,
            version: item.generation.to_string(),
            created_at: item.time_created,
            ended_at: item.time_deleted,
            bytes: item.size,
            crc32c: item.crc32c.as_deref().and_then(decoded),
            attributes: Some(attributes),
        }
    }
}

/// The versions of a key, in the order of their generations. A version that was written during the listing
/// may appear twice, the second time in its later state.
pub(super) fn history(key: String, items: Vec<Item>) -> KeyHistory {
    let versions: BTreeMap<u64, Item> = items.into_iter().map(|item| (item.generation, item)).collect();
    KeyHistory { key, versions: versions.into_values().map(ObjectVersion::from).collect() }
}

/// The state of a copy. When it is complete, it contains the new version.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rewritten {
    pub(super) resource: Option<Item>,
    pub(super) rewrite_token: Option<String>,
}

/// The store's reason for refusing a request.
pub(super) fn refusal(status: StatusCode, message: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    match serde_json::from_slice::<Refusal>(message) {
        Ok(refusal) => format!("{status}: {}", told(&refusal.error.message)),
        Err(_) => status.to_string(),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Upload<'a> {
    name: &'a str,
    crc32c: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
}

/// The body of an upload and its content type: the attributes, then the bytes. The store refuses bytes that
/// do not match the checksum.
pub(super) fn upload(
    key: &str,
    bytes: &[u8],
    attributes: &ObjectAttributes,
    crc32c: u32,
) -> Result<(String, Bytes)> {
    let content_type = attributes.content_type.as_deref();
    let resource =
        Upload { name: key, crc32c: encoded(crc32c), content_type, metadata: &attributes.metadata };
    let resource = serde_json::to_vec(&resource).context("writing the attributes of an object")?;
    let mut random = [0; 16];
    getrandom::fill(&mut random).context("asking the system for random bytes")?;
    let boundary = comeback_engine::hex::hex(&random);
    let mut body = format!("--{boundary}\r\nContent-Type: application/json\r\n\r\n").into_bytes();
    body.extend_from_slice(&resource);
    body.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
    if let Some(kind) = content_type.filter(|kind| !kind.contains(char::is_control)) {
        body.extend_from_slice(format!("Content-Type: {kind}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body.extend_from_slice(bytes);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Ok((format!("multipart/related; boundary={boundary}"), body.into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    #[test]
    fn a_listing_is_read_with_all_that_it_tells() {
        let text = r#"{"kind": "storage#objects", "nextPageToken": "t", "items": [
            {"name": "a", "generation": "18", "timeCreated": "2026-11-22T05:41:02.5Z", "size": "0"},
            {"name": "a", "generation": "9", "timeCreated": "2026-11-22T05:41:00Z", "size": "9",
             "timeDeleted": "2026-11-22T05:41:02.5Z", "crc32c": "4waSgw==", "contentType": "image/heic",
             "metadata": {"owner": "17"}}]}"#;
        let listing: Listing = serde_json::from_str(text).unwrap();
        let history = history("a".to_owned(), listing.items);
        let [old, live] = &history.versions[..] else { panic!("{history:?}") };
        assert_eq!((old.version.as_str(), old.bytes, old.crc32c), ("9", 9, Some(0xe306_9283)));
        assert_eq!(old.ended_at, Some(live.created_at));
        assert_eq!(old.attributes.as_ref().unwrap().metadata["owner"], "17");
        assert_eq!((live.ended_at, live.crc32c, live.version.as_str()), (None, None, "18"));
    }

    #[test]
    fn the_rule_that_removes_old_versions_first_counts() {
        let text = r#"{"versioning": {"enabled": true}, "lifecycle": {"rule": [
            {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 30}},
            {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 7, "isLive": false}},
            {"action": {"type": "Delete"}, "condition": {"age": 3}},
            {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"},
             "condition": {"daysSinceNoncurrentTime": 1}}]}}"#;
        let bucket: Bucket = serde_json::from_str(text).unwrap();
        assert_eq!((bucket.versioning.enabled, bucket.noncurrent_days()), (true, Some(7)));
        let plain: Bucket = serde_json::from_str("{}").unwrap();
        assert_eq!((plain.versioning.enabled, plain.noncurrent_days()), (false, None));
    }

    #[test]
    fn a_refusal_is_told_on_one_line() {
        let body = br#"{"error": {"code": 403, "message": "she may\nnot", "errors": []}}"#;
        assert_eq!(refusal(StatusCode::FORBIDDEN, body), "403 Forbidden: she may not");
        assert_eq!(refusal(StatusCode::BAD_GATEWAY, b"<html>"), "502 Bad Gateway");
    }

    proptest! {
        #[test]
        fn hostile_answers_are_errors_and_no_panic(
            generation in any::<String>(), size in any::<String>(), time in any::<String>(), sum in any::<String>()
        ) {
            let item = serde_json::json!({"name": "a", "generation": generation, "size": size,
                "timeCreated": time, "crc32c": sum});
            assert!(serde_json::from_value::<Item>(item).is_err() || time.parse::<Timestamp>().is_ok());
            let item = serde_json::json!({"name": "a", "generation": "1", "size": "1",
                "timeCreated": "2026-11-22T05:41:00Z", "crc32c": sum});
            let version = ObjectVersion::from(serde_json::from_value::<Item>(item).unwrap());
            assert!(version.crc32c.is_none_or(|found| encoded(found) == sum));
            let _ = refusal(StatusCode::FORBIDDEN, sum.as_bytes());
        }
    }
}
