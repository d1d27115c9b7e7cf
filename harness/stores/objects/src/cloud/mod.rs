//! What the buckets of all clouds share: requests, listings in pages, keys in addresses.

mod http;
mod pages;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

#[cfg(feature = "s3")]
pub(super) use http::moment;
pub(super) use http::{Answer, Authorize, Requests, told};
pub(super) use pages::{Page, histories};

/// Characters that are not escaped in an address, or in the part of it that is signed.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
#[cfg(feature = "s3")]
const ESCAPED_IN_PATHS: &AsciiSet = &ESCAPED.remove(b'/');

/// A text as one segment of an address: its slashes are escaped.
pub(super) fn part(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED)
}

/// A text as the end of a path: its slashes are kept.
#[cfg(feature = "s3")]
pub(super) fn path(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED_IN_PATHS)
}
