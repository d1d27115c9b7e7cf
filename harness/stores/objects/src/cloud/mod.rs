//! What the buckets of every cloud share: requests, listings that come in pages, keys in addresses.

mod http;
mod pages;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

#[cfg(feature = "s3")]
pub(super) use http::moment;
pub(super) use http::{Answer, Authorize, Requests, told};
pub(super) use pages::{Page, histories};

/// What stands for itself in an address, and in what is signed of it.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
#[cfg(feature = "s3")]
const ESCAPED_IN_PATHS: &AsciiSet = &ESCAPED.remove(b'/');

/// Text as one part of an address: a slash in it is no separator.
pub(super) fn part(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED)
}

/// Text as the end of a path, with its slashes.
#[cfg(feature = "s3")]
pub(super) fn path(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, ESCAPED_IN_PATHS)
}
