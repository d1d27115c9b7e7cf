//! Figures of a keyspace by type and by the beginning of the names of keys: what two backups of one application,
//! taken on different days, have in common.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::record::{KeyRecord, ValueKind};

/// What separates the first part of a name from the rest.
const SEPARATORS: [u8; 5] = [b':', b'/', b'|', b'#', b'.'];
/// A longer first part is taken for content.
const LONGEST_PREFIX: usize = 48;
/// The first part of a name that begins with a number or an identifier.
const IDENTIFIER: &[u8] = b"*:";
/// If the names of one type begin in more ways, these are content, and are not told apart.
const MOST_PREFIXES: usize = 4096;

/// The keys of one type whose names begin in the same way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyGroup {
    /// How many there are.
    pub keys: u64,
    /// How many of them expire.
    pub expiring: u64,
    /// The bytes of names and values before compression. It depends a little on how the server encodes them.
    pub bytes: u64,
}

impl KeyGroup {
    /// Adds the figures of another group.
    pub fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.expiring += other.expiring;
        self.bytes += other.bytes;
    }
}

/// Groups of keys: number of a database → type → the beginning of the names, `session:`. Names without a separator
/// are in the group without a name; names that begin with an identifier are in `*:`.
pub type KeyGroups = BTreeMap<u32, BTreeMap<ValueKind, BTreeMap<String, KeyGroup>>>;

/// Counts keys by group.
#[derive(Debug, Clone, Default)]
pub struct KeyTally {
    kinds: HashMap<(u32, ValueKind), OneKind>,
}

/// The keys of one type in one database.
#[derive(Debug, Clone, Default)]
struct OneKind {
    prefixes: HashMap<Box<[u8]>, KeyGroup>,
    /// The keys that are in no group.
    others: KeyGroup,
    has_too_many: bool,
}

impl KeyTally {
    /// Adds a key. `bytes` is the size of its name and value.
    pub fn add(&mut self, name: &[u8], record: &KeyRecord, bytes: u64) {
        let expiring = u64::from(record.expires_at_ms.is_some());
        let group = KeyGroup { keys: 1, expiring, bytes };
        self.kinds.entry((record.database, record.kind)).or_default().add(prefix(name), &group);
    }

    /// The groups.
    pub fn finish(self) -> KeyGroups {
        let mut groups = KeyGroups::new();
        for ((database, kind), OneKind { prefixes, others, .. }) in self.kinds {
            let of_kind = groups.entry(database).or_default().entry(kind).or_default();
            for (prefix, group) in prefixes {
                of_kind.entry(prefix.escape_ascii().to_string()).or_default().add(&group);
            }
            if others.keys > 0 {
                of_kind.entry(String::new()).or_default().add(&others);
            }
        }
        groups
    }
}

impl OneKind {
    fn add(&mut self, prefix: &[u8], group: &KeyGroup) {
        if prefix.is_empty() || self.has_too_many {
            return self.others.add(group);
        }
        // Most keys have a prefix that is known: it is not copied for each.
        if let Some(known) = self.prefixes.get_mut(prefix) {
            return known.add(group);
        }
        self.prefixes.insert(prefix.into(), *group);
        if self.prefixes.len() > MOST_PREFIXES {
            self.has_too_many = true;
            for (_, group) in self.prefixes.drain() {
                self.others.add(&group);
            }
        }
    }
}

/// The first part of a name, with its separator; empty for a name without one.
fn prefix(name: &[u8]) -> &[u8] {
    let Some(at) = name.iter().take(LONGEST_PREFIX).position(|byte| SEPARATORS.contains(byte)) else {
        return &[];
    };
    let is_of_identifiers = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'{' | b'}');
    let (first, through) = (&name[..at], &name[..=at]);
    let has_digit = first.iter().any(u8::is_ascii_digit);
    if first.is_empty() || has_digit && first.iter().all(is_of_identifiers) { IDENTIFIER } else { through }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: ValueKind, expires_at_ms: Option<u64>) -> KeyRecord {
        KeyRecord { database: 0, key: Vec::new(), kind, expires_at_ms, fields_expire_at_ms: None, digest: 0 }
    }

    #[test]
    fn a_name_begins_with_words_and_not_with_identifiers() {
        for (name, wanted) in [
            ("session:17", "session:"),
            ("cache/page/1", "cache/"),
            ("17:cart", "*:"),
            ("{3f2a-77}:cart", "*:"),
            ("cafe:1", "cafe:"),
            ("v2:user:1", "v2:"),
            (":x", "*:"),
            ("counter", ""),
            ("", ""),
        ] {
            assert_eq!(prefix(name.as_bytes()), wanted.as_bytes(), "{name}");
        }
        assert_eq!(prefix(&[b'a'; 99]), b"");
    }

    #[test]
    fn keys_are_counted_by_type_and_beginning() {
        let mut tally = KeyTally::default();
        for number in 0..10_u64 {
            tally.add(format!("s:{number}").as_bytes(), &record(ValueKind::Hash, Some(number)), 10);
            tally.add(b"alone", &record(ValueKind::String, None), 7);
        }
        let groups = tally.finish();
        let group = |kind, prefix: &str| groups[&0][&kind][prefix];
        assert_eq!(group(ValueKind::Hash, "s:"), KeyGroup { keys: 10, expiring: 10, bytes: 100 });
        assert_eq!(group(ValueKind::String, ""), KeyGroup { keys: 10, expiring: 0, bytes: 70 });
    }

    #[test]
    fn beginnings_without_number_are_not_told_apart() {
        let mut tally = KeyTally::default();
        for number in 0..MOST_PREFIXES as u64 + 2 {
            tally.add(format!("user_{number}:x").as_bytes(), &record(ValueKind::Set, None), 1);
        }
        let groups = tally.finish();
        let of_sets: Vec<_> = groups[&0][&ValueKind::Set].iter().collect();
        assert_eq!(of_sets.len(), 1);
        assert_eq!((of_sets[0].0.as_str(), of_sets[0].1.keys), ("", MOST_PREFIXES as u64 + 2));
    }
}
