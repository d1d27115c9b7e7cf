//! A copy that reports success proves nothing: restored objects are read again, and compared with their
//! source.

use comeback_engine::RestoreFailure;
use comeback_error::Error;
use comeback_model::{Finding, FindingCode, ObjectAttributes, ObjectVersion, content_text};

use super::content::compare;
use super::{ObjectDigest, ObjectStore, overtaken};

/// Checks that a version that was made live is the live one, and equals the old version that it was made
/// from: every byte, the CRC32C as we compute it and as the store reports it, content type, metadata.
pub async fn prove(
    store: &dyn ObjectStore,
    old: &ObjectVersion,
    restored: &ObjectVersion,
) -> Result<ObjectDigest, RestoreFailure> {
    let key = &old.key;
    let live = match store.current(key).await? {
        Some(live) if live.version == restored.version => live,
        other => {
            let found = other.as_ref().map(|other| other.version.as_str());
            return Err(overtaken(key, Some(&restored.version), found).into());
        }
    };
    let old = store.describe(old).await?;
    let digest = match compare(key, store.read(&old).await?, store.read(&live).await?).await? {
        Ok(digest) => digest,
        Err((expected, found)) => {
            let finding =
                Finding::new(FindingCode::BytesDiffer, key, expected.to_string(), found.to_string());
            return Err(finding
                .remedy("do not trust this bucket's copies: restore from another region")
                .into());
        }
    };
    for claimed in [old.crc32c, live.crc32c].into_iter().flatten() {
        if claimed != digest.crc32c {
            let told = content_text(digest.bytes, claimed);
            return Err(Finding::new(FindingCode::BytesDiffer, key, told, digest.to_string())
                .remedy("the bytes of this version are not those that the store took: take another one")
                .into());
        }
    }
    match differing(&of(&old)?, &of(&live)?) {
        Some((expected, found)) => Err(metadata_differs(key, expected, found).into()),
        None => Ok(digest),
    }
}

/// The attributes of a described version.
fn of(version: &ObjectVersion) -> Result<ObjectAttributes, Error> {
    let told = version.attributes.clone();
    told.ok_or_else(|| Error::could_not_verify(format!("the store does not tell the metadata of {version}")))
}

/// The expected and the found attributes, if they differ.
pub(crate) fn differing(expected: &ObjectAttributes, found: &ObjectAttributes) -> Option<(String, String)> {
    (expected != found).then(|| (expected.to_string(), found.to_string()))
}

/// The finding for lost attributes.
pub(crate) fn metadata_differs(key: &str, expected: String, found: String) -> Finding {
    Finding::new(FindingCode::MetadataDiffers, key, expected, found)
        .remedy("write the object again, with the content type and the metadata of its version")
}
