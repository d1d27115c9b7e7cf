//! Prints row keys for people, from the bytes of a binary `COPY`.

use comeback_engine::hex::hex;
use comeback_model::{KEY_BYTES, TableFingerprint, decode_key};
use jiff::{SignedDuration, Timestamp, civil};

/// The key of a row, such as `id=17`. `None` if the table has no key, or only the key's hash is known.
pub(super) fn key_text(table: &TableFingerprint, key: &[u8; KEY_BYTES]) -> Option<String> {
    let fields = decode_key(key, table.key_columns)?;
    let columns = table.columns.iter().zip(fields);
    let texts =
        columns.map(|(column, bytes)| format!("{}={}", column.name, value_text(&column.type_name, bytes)));
    Some(texts.collect::<Vec<_>>().join(", "))
}

/// A value as the server would print it, for the types of keys. For other types, readable bytes are shown as
/// text, and others as hexadecimal digits.
fn value_text(type_name: &str, bytes: &[u8]) -> String {
    known_value(type_name, bytes).or_else(|| readable(bytes)).unwrap_or_else(|| format!("0x{}", hex(bytes)))
}

/// The bytes as text, if they are text without control characters.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    (!text.contains(char::is_control)).then(|| text.to_owned())
}

fn known_value(type_name: &str, bytes: &[u8]) -> Option<String> {
    let text = match type_name {
        "int2" => i16::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int4" => i32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "int8" => i64::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "oid" => u32::from_be_bytes(bytes.try_into().ok()?).to_string(),
        "bool" => if bytes == [1] { "t" } else { "f" }.to_owned(),
        "uuid" => uuid_text(bytes.try_into().ok()?),
        "date" => {
            let days = i64::from(i32::from_be_bytes(bytes.try_into().ok()?));
            let epoch = civil::date(2000, 1, 1);
            epoch.checked_add(SignedDuration::from_hours(days.checked_mul(24)?)).ok()?.to_string()
        }
        "timestamptz" => {
            // Microseconds since 2000-01-01 00:00 UTC. Source: PostgreSQL's src/include/datatype/timestamp.h.
            let micros = i64::from_be_bytes(bytes.try_into().ok()?);
            Timestamp::from_microsecond(micros.checked_add(946_684_800_000_000)?).ok()?.to_string()
        }
        // Types that are sent as their text: text, varchar, name, enums, domains over them.
        "text" | "varchar" | "bpchar" | "name" | "citext" => std::str::from_utf8(bytes).ok()?.to_owned(),
        _ => return None,
    };
    Some(text)
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let digits = hex(&bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_the_server_prints_them() {
        for (type_name, bytes, text) in [
            ("int4", &17_i32.to_be_bytes()[..], "17"),
            ("int8", &(-1_i64).to_be_bytes(), "-1"),
            ("text", "zoë".as_bytes(), "zoë"),
            ("date", &(-1_i32).to_be_bytes(), "1999-12-31"),
            ("timestamptz", &1_000_000_i64.to_be_bytes(), "2000-01-01T00:00:01Z"),
            ("uuid", &[0xab; 16], "abababab-abab-abab-abab-abababababab"),
            ("int4", &[1, 2], "0x0102"),
            ("point", &[1], "0x01"),
            ("mood", "fröhlich".as_bytes(), "fröhlich"),
            ("mood", &[0xff, b'a'], "0xff61"),
        ] {
            assert_eq!(value_text(type_name, bytes), text);
        }
    }
}
