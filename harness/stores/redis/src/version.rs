//! Which program and version a server is, and which files it can read.

use std::fmt;

use comeback_error::{Error, Result};

/// A server program and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisVersion {
    /// `redis` or `valkey`.
    pub product: &'static str,
    /// The major version.
    pub major: u32,
    /// The minor version.
    pub minor: u32,
    /// The full version, such as `7.0.15`.
    pub number: String,
}

impl RedisVersion {
    /// Parses the output of `redis-server --version`: `Redis server v=7.0.15 sha=…`.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let product = if text.starts_with("Valkey") { "valkey" } else { "redis" };
        let number = text.split_whitespace().find_map(|word| word.strip_prefix("v="));
        number.and_then(|number| Self::new(product, number)).ok_or_else(|| {
            let text = text.trim();
            Error::could_not_verify(format!("`{text}` does not say which version of Redis or Valkey it is"))
        })
    }

    /// A program and its version; `None` if the number is not a version.
    pub(super) fn new(product: &'static str, number: &str) -> Option<Self> {
        let mut numbers = number.split('.').map(|part| part.parse().ok());
        let (major, minor) = (numbers.next()??, numbers.next().flatten().unwrap_or(0));
        Some(Self { product, major, minor, number: number.to_owned() })
    }

    /// The newest RDB version that it can load, if known. Every server loads older files, except that Valkey
    /// refuses those of Redis Community Edition 7.4 and later.
    pub(super) fn newest_rdb(&self) -> Option<u32> {
        match (self.product, self.major, self.minor) {
            ("redis", 5 | 6, _) => Some(9),
            ("redis", 7, 0) => Some(10),
            ("redis", 7, 2) | ("valkey", 7 | 8, _) => Some(11),
            ("redis", 7, 4) | ("redis", 8, 0) => Some(12),
            ("valkey", 9, 0 | 1) => Some(80),
            _ => None,
        }
    }

    /// Refuses a file that is too new for the server. For an unknown version, the server itself decides when
    /// it loads the file.
    pub(super) fn check_rdb(&self, id: &str, rdb_version: u32) -> Result<()> {
        match self.newest_rdb() {
            Some(newest) if newest < rdb_version => Err(Error::could_not_verify(format!(
                "backup {id} is an RDB file of version {rdb_version}, and {self} reads them up to version {newest}"
            ))
            .hint("restore it onto the version of the server that it was taken from, or a newer one")),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for RedisVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.product, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, printed, rdb) in [
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae",
                "redis 7.0.15",
                Some(10),
            ),
            ("Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc", "valkey 8.1.1", Some(11)),
            ("Redis server v=255.255.255 sha=0", "redis 255.255.255", None),
        ] {
            let version = RedisVersion::parse(text).unwrap();
            assert_eq!((version.to_string().as_str(), version.newest_rdb()), (printed, rdb));
        }
        assert!(RedisVersion::parse("redis").is_err());
    }

    #[test]
    fn a_file_newer_than_the_server_is_refused() {
        let seven = RedisVersion::new("redis", "7.0.15").unwrap();
        assert!(seven.check_rdb("a", 10).is_ok());
        let error = seven.check_rdb("a", 11).unwrap_err();
        assert_eq!(
            error.message(),
            "backup a is an RDB file of version 11, and redis 7.0.15 reads them up to version 10"
        );
    }
}
