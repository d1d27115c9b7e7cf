//! For `serde(with)`: 128 bits as 32 hexadecimal digits, because JSON numbers are exact only up to 2⁵³.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// Writes the digits.
pub fn serialize<S: Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:032x}"))
}

/// Reads the digits.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
    let text = String::deserialize(from)?;
    u128::from_str_radix(&text, 16).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}
