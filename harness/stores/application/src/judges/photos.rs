//! Judge of photos: each row has its object, in the version that it names.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use comeback_engine::judge::{Judge, MOST_REPAIRS, Opinion};
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, KeptVersion};

use crate::photos::PhotoRow;

/// Compares what the rows of photos say of their objects with every version that the bucket keeps, by size and SHA-256: a
/// copy in another region has versions of other names. The newest row of a key needs the live version, an older row any.
pub struct PhotosJudge<'a> {
    /// The rows of the recovered database.
    pub rows: &'a [PhotoRow],
    /// The versions of the recovered bucket, those of a key in the order in which they were written.
    pub versions: &'a [KeptVersion],
}

#[async_trait]
impl Judge for PhotosJudge<'_> {
    fn name(&self) -> &'static str {
        "photos"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { rows, versions } = self;
        if rows.is_empty() {
            return Err(Error::could_not_verify("no row of a photo came back: there is nothing to look up"));
        }
        let mut kept = BTreeMap::<&str, Vec<&KeptVersion>>::new();
        for version in *versions {
            kept.entry(&version.key).or_default().push(version);
        }
        let of_key = |row: &PhotoRow| kept.get(row.key.as_str()).map_or(&[][..], Vec::as_slice);
        let findings = rows.iter().filter_map(|row| misfit(row, of_key(row)));
        let named: BTreeSet<_> = rows.iter().map(|row| row.key.as_str()).collect();
        let unnamed = kept.keys().filter(|key| !named.contains(*key)).count();
        let summary = format!(
            "photos have objects: compared {} rows with {} versions of {} objects by size and SHA-256; \
             no row names {unnamed} of the objects",
            rows.len(),
            versions.len(),
            kept.len()
        );
        Ok(Opinion::new(summary, findings).at_most(MOST_REPAIRS))
    }
}

fn misfit(row: &PhotoRow, kept: &[&KeptVersion]) -> Option<Finding> {
    let fits = |version: &&&KeptVersion| (version.bytes, &version.sha256) == (row.bytes, &row.sha256);
    let (fitting, live) = (kept.iter().rev().find(fits), kept.iter().find(|version| version.is_live));
    let (actual, remedy) = match (fitting, live) {
        (Some(version), _) if version.is_live || !row.is_newest => return None,
        (Some(version), Some(live)) => (
            format!(
                "version {} is live with other bytes, and version {} has these",
                live.version, version.version
            ),
            "make the version with these bytes live again",
        ),
        (Some(version), None) => (
            format!("it is deleted, and version {} has these bytes", version.version),
            "make the version with these bytes live again",
        ),
        (None, Some(live)) => (
            format!("{} bytes with SHA-256 {}, in version {}", live.bytes, live.sha256, live.version),
            "fetch these bytes from another copy of the bucket, or ask the owner for the photo again",
        ),
        (None, None) => (
            "no such object".to_owned(),
            "fetch the object from another copy of the bucket, or ask the owner for the photo again",
        ),
    };
    let expected = format!("an object of {} bytes with SHA-256 {}", row.bytes, row.sha256);
    let subject = format!("photo {}", row.id);
    Some(Finding::new(FindingCode::ReferenceBroken, subject, expected, actual).key(&row.key).remedy(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, key: &str, content: &str, is_newest: bool) -> PhotoRow {
        PhotoRow { id, key: key.to_owned(), bytes: 7, sha256: content.to_owned(), is_newest }
    }

    fn version(key: &str, number: u64, content: &str, is_live: bool) -> KeptVersion {
        KeptVersion {
            key: key.to_owned(),
            version: number.to_string(),
            bytes: 7,
            sha256: content.to_owned(),
            content_type: None,
            is_live,
        }
    }

    async fn judged(rows: &[PhotoRow], versions: &[KeptVersion]) -> Opinion {
        PhotosJudge { rows, versions }.judge().await.unwrap()
    }

    #[tokio::test]
    async fn a_row_needs_its_own_bytes_and_the_newest_of_a_key_needs_them_live() {
        let rows = [row(1, "a", "first", false), row(2, "a", "second", true), row(3, "b", "b", true)];
        let versions = [
            version("a", 10, "first", false),
            version("a", 11, "second", true),
            version("b", 12, "b", true),
            version("c", 13, "c", true),
        ];
        let good = judged(&rows, &versions).await;
        assert_eq!(good.findings, []);
        assert!(good.summary.contains("3 rows with 4 versions of 3 objects"), "{}", good.summary);
        assert!(good.summary.ends_with("no row names 1 of the objects"), "{}", good.summary);

        let broken =
            [version("a", 11, "second", false), version("a", 14, "other", true), version("c", 13, "c", true)];
        let told = |opinion: Opinion| -> Vec<_> {
            let told = |one: &Finding| {
                format!("{} {}: {}", one.subject, one.key.as_deref().unwrap_or(""), one.actual)
            };
            opinion.findings.iter().map(told).collect()
        };
        assert_eq!(
            told(judged(&rows, &broken).await),
            [
                "photo 1 a: 7 bytes with SHA-256 other, in version 14",
                "photo 2 a: version 14 is live with other bytes, and version 11 has these",
                "photo 3 b: no such object",
            ]
        );
        let deleted = [version("b", 12, "b", false)];
        assert_eq!(
            told(judged(&rows[2..], &deleted).await),
            ["photo 3 b: it is deleted, and version 12 has these bytes"]
        );
        assert!(PhotosJudge { rows: &[], versions: &versions }.judge().await.is_err());
    }
}
