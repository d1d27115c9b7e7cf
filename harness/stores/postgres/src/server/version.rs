//! The version of a program of PostgreSQL.

use crate::error::{Error, Result};

/// The major version in what a program prints for `--version`.
pub(super) fn parse_major(version: &str) -> Result<u32> {
    version.split_whitespace().find_map(|word| word.split(['.', 'b', 'r']).next()?.parse().ok()).ok_or_else(
        || Error::could_not_verify(format!("`{version}` does not say which version of PostgreSQL it is")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        for (text, major) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
            ("postgres (PostgreSQL) 17beta1", 17),
            ("postgres (PostgreSQL) 16.0", 16),
        ] {
            assert_eq!(parse_major(text).unwrap(), major);
        }
        assert!(parse_major("postgres").is_err());
    }
}
