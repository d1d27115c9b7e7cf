//! A position in PostgreSQL's write-ahead log.

use serde::{Deserialize, Serialize};

/// A log sequence number: a byte position in the write-ahead log, written `16/B374D848`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lsn(pub u64);

impl std::fmt::Display for Lsn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

impl std::str::FromStr for Lsn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `from_str_radix` accepts a sign, PostgreSQL does not.
        let is_hex = |hex: &str| (1..=8).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let part = |hex: &str| is_hex(hex).then(|| u32::from_str_radix(hex, 16).ok()).flatten();
        text.split_once('/')
            .and_then(|(high, low)| Some(Self(u64::from(part(high)?) << 32 | u64::from(part(low)?))))
            .ok_or_else(|| format!("`{text}` is not a log sequence number such as 16/B374D848"))
    }
}

impl TryFrom<String> for Lsn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_position_survives_its_text(position: u64) {
            prop_assert_eq!(Lsn(position).to_string().parse::<Lsn>(), Ok(Lsn(position)));
        }
    }

    #[test]
    fn what_is_no_position_is_refused() {
        for text in ["", "/", "1/", "/1", "1/2/3", "g/1", "123456789/0", "+1/2"] {
            assert!(text.parse::<Lsn>().is_err(), "{text}");
        }
    }
}
