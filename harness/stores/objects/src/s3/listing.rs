//! S3's answers about buckets and versions, without the connection.

use comeback_error::{Context as _, Error, Result};
use comeback_model::{KeyHistory, ObjectEvent, ObjectVersion};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;

use super::xml::Element;
use crate::cloud::Page;

/// The start of the next page: after this version of this key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marker {
    pub(super) key: String,
    pub(super) version: String,
}

/// One event of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// The name of the version; a deletion has one too.
    version: String,
    at: Timestamp,
    is_latest: bool,
    /// Its size; `None` for a deletion.
    bytes: Option<u64>,
}

/// Parses a page. The entries of a key are listed with the newest first.
pub(super) fn page(document: &[u8]) -> Result<Page<Entry, Marker>> {
    let list = Element::parse(document)?;
    if list.name != "ListVersionsResult" && list.name != "ListObjectVersionsOutput" {
        return Err(Error::could_not_verify(format!("S3 answered with {} in place of a listing", list.name)));
    }
    let escaped = list.text_of("EncodingType") == Some("url");
    let mut entries = Vec::new();
    for element in &list.children {
        let bytes = match element.name.as_str() {
            "Version" => Some(element.demand("Size")?.parse().context("reading the size of a version")?),
            "DeleteMarker" => None,
            _ => continue,
        };
        let entry = Entry {
            version: element.demand("VersionId")?.to_owned(),
            at: element.demand("LastModified")?.parse().context("reading the time of a version")?,
            is_latest: element.text_of("IsLatest") == Some("true"),
            bytes,
        };
        entries.push((unescaped(element.demand("Key")?, escaped)?, entry));
    }
    let next = match list.text_of("IsTruncated") {
        Some("true") => Some(Marker {
            key: unescaped(list.demand("NextKeyMarker")?, escaped)?,
            version: list.text_of("NextVersionIdMarker").unwrap_or_default().to_owned(),
        }),
        _ => None,
    };
    Ok(Page { entries: in_order(entries), next })
}

/// A text of a listing as it was before the store escaped it.
pub(super) fn unescaped(text: &str, escaped: bool) -> Result<String> {
    if !escaped {
        return Ok(text.to_owned());
    }
    let text = text.replace('+', " ");
    Ok(percent_decode_str(&text).decode_utf8().context("reading a key")?.into_owned())
}

/// S3 lists the versions and deletions of a key in one order, the newest first; other stores list all
/// deletions after all versions. In that case they are merged by their times, without changing the order
/// within each.
fn in_order(entries: Vec<(String, Entry)>) -> Vec<(String, Entry)> {
    let first_deletion = entries.iter().position(|(_, entry)| entry.bytes.is_none());
    let is_mixed =
        first_deletion.is_none_or(|at| entries[at..].iter().any(|(_, entry)| entry.bytes.is_some()));
    if is_mixed {
        return entries;
    }
    let mut versions = entries;
    let deletions = versions.split_off(first_deletion.unwrap_or(versions.len()));
    for (key, deletion) in deletions {
        let older = |(other, version): &(String, Entry)| {
            *other == key && (deletion.is_latest || version.at < deletion.at && !version.is_latest)
        };
        let of_this_key =
            versions.iter().rposition(|(other, _)| *other == key).map_or(versions.len(), |at| at + 1);
        let at = versions.iter().position(older).unwrap_or(of_this_key);
        versions.insert(at, (key, deletion));
    }
    versions
}

/// The history from entries that are listed with the newest first.
pub(super) fn history(key: String, mut entries: Vec<Entry>) -> KeyHistory {
    // What was written during the listing may appear twice.
    entries.dedup_by(|one, other| one.version == other.version);
    entries.reverse();
    let events = entries.into_iter().map(|entry| match entry.bytes {
        Some(bytes) => ObjectEvent::Written(ObjectVersion {
            key: key.clone(),
            version: entry.version,
            created_at: entry.at,
            ended_at: None,
            bytes,
            crc32c: None,
            attributes: None,
        }),
        None => ObjectEvent::Deleted(entry.at),
    });
    let events = events.collect();
    KeyHistory::from_events(key, events)
}

/// After how many days the strictest rule of a bucket removes a version that is no longer live.
pub(super) fn noncurrent_days(document: &[u8]) -> Result<Option<u32>> {
    let rules = Element::parse(document)?;
    let enabled =
        rules.children.iter().filter(|rule| rule.name == "Rule" && rule.text_of("Status") == Some("Enabled"));
    let days =
        enabled.filter_map(|rule| rule.child("NoncurrentVersionExpiration")?.text_of("NoncurrentDays"));
    let days = days.map(|days| days.parse().context("reading a lifecycle rule"));
    Ok(days.collect::<Result<Vec<u32>>>()?.into_iter().min())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::*;

    fn event(kind: &str, key: &str, version: &str, second: u32, latest: bool) -> String {
        format!(
            "<{kind}><Key>{key}</Key><VersionId>{version}</VersionId><IsLatest>{latest}</IsLatest>\
             <LastModified>2026-11-22T05:41:{second:02}.000Z</LastModified><Size>1</Size></{kind}>"
        )
    }

    fn listed(events: &[String]) -> Vec<(String, String)> {
        let document = format!("<ListVersionsResult>{}</ListVersionsResult>", events.concat());
        let entries = page(document.as_bytes()).unwrap().entries;
        entries.into_iter().map(|(key, entry)| (key, entry.version)).collect()
    }

    fn names(names: &[(&str, &str)]) -> Vec<(String, String)> {
        names.iter().map(|(key, version)| ((*key).to_owned(), (*version).to_owned())).collect()
    }

    #[test]
    fn the_order_of_the_store_counts_and_not_the_times() {
        let events = [
            event("Version", "a", "3", 7, true),
            event("DeleteMarker", "a", "2", 7, false),
            event("Version", "a", "1", 9, false),
            event("Version", "b", "1", 0, true),
        ];
        assert_eq!(listed(&events), names(&[("a", "3"), ("a", "2"), ("a", "1"), ("b", "1")]));
    }

    #[test]
    fn deletions_that_are_told_at_the_end_come_to_their_place() {
        let events = [
            event("Version", "a", "3", 7, false),
            event("Version", "a", "1", 3, false),
            event("Version", "b", "1", 1, true),
            event("DeleteMarker", "a", "4", 7, true),
            event("DeleteMarker", "a", "2", 5, false),
            event("DeleteMarker", "b", "0", 1, false),
            event("DeleteMarker", "c", "9", 1, true),
        ];
        let found = listed(&events);
        let of = |wanted: &str| {
            let of = found.iter().filter(|(key, _)| key == wanted);
            of.map(|(_, version)| version.as_str()).collect::<Vec<_>>()
        };
        assert_eq!((of("a"), of("b"), of("c")), (vec!["4", "3", "2", "1"], vec!["1", "0"], vec!["9"]));
    }

    #[test]
    fn escaped_keys_and_the_place_of_the_next_page_are_read() {
        let document = "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>\
            <NextKeyMarker>a%2Bb+c%01</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker></ListVersionsResult>";
        let marker = page(document.as_bytes()).unwrap().next.unwrap();
        assert_eq!(marker, Marker { key: "a+b c\u{1}".to_owned(), version: "v".to_owned() });
        assert!(page(b"<Error><Code>SlowDown</Code></Error>").is_err());
    }

    #[test]
    fn the_rule_that_removes_old_versions_first_counts() {
        let rule = |status: &str, days: &str| {
            let days = format!(
                "<NoncurrentVersionExpiration><NoncurrentDays>{days}</NoncurrentDays></NoncurrentVersionExpiration>"
            );
            format!("<Rule><Status>{status}</Status>{days}</Rule>")
        };
        let document =
            |rules: &[String]| format!("<LifecycleConfiguration>{}</LifecycleConfiguration>", rules.concat());
        let rules = document(&[rule("Enabled", "30"), rule("Disabled", "1"), rule("Enabled", "7")]);
        assert_eq!(noncurrent_days(rules.as_bytes()).unwrap(), Some(7));
        assert_eq!(noncurrent_days(document(&[]).as_bytes()).unwrap(), None);
        assert!(noncurrent_days(document(&[rule("Enabled", "many")]).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn hostile_listings_are_no_panic(size in any::<String>(), time in any::<String>(), key in "[%0-9a-f+]{0,8}") {
            let size = size.replace(['<', '&'], "");
            let time = time.replace(['<', '&'], "");
            let document = format!("<ListVersionsResult><EncodingType>url</EncodingType><Version><Key>{key}</Key>\
                <VersionId>1</VersionId><LastModified>{time}</LastModified><Size>{size}</Size></Version></ListVersionsResult>");
            let _ = page(document.as_bytes());
        }
    }
}
