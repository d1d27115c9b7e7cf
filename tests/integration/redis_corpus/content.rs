//! A second implementation of a key's content and digest, written only from the description in `rdb/canon.rs`, for
//! comparison with the reader.

use std::collections::{BTreeMap, BTreeSet};

use comeback_model::{KeyRecord, KeyspaceFingerprint, ValueKind};
use xxhash_rust::xxh3::{xxh3_128, xxh3_128_with_seed};

/// A value, in the terms of commands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    SortedSet(BTreeMap<Vec<u8>, f64>),
    /// Field → value, and its expiry.
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Option<u64>)>),
    Stream(Stream),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Stream {
    pub(crate) entries: Vec<(Id, EntryFields)>,
    pub(crate) last: Id,
    /// The server's record.
    pub(crate) first: Id,
    pub(crate) max_deleted: Id,
    pub(crate) added: u64,
    pub(crate) groups: BTreeMap<Vec<u8>, Group>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Group {
    pub(crate) last: Id,
    /// `None` if the server does not know it.
    pub(crate) read: Option<u64>,
    pub(crate) pending: BTreeMap<Id, Pending>,
    pub(crate) consumers: BTreeSet<Vec<u8>>,
}

/// A delivery that was not acknowledged.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Pending {
    pub(crate) consumer: Vec<u8>,
    pub(crate) deliveries: u64,
    pub(crate) delivered_at_ms: u64,
}

pub(crate) type Id = (u64, u64);

/// Names and values, in order.
pub(crate) type EntryFields = Vec<(Vec<u8>, Vec<u8>)>;

/// Database and name → expiry and value.
pub(crate) type Keyspace = BTreeMap<(u32, Vec<u8>), (Option<u64>, Content)>;

fn pair(first: u128, second: u128) -> u128 {
    xxh3_128(&[first.to_le_bytes(), second.to_le_bytes()].concat())
}

fn ordered(digests: impl IntoIterator<Item = u128>) -> u128 {
    let (digest, count) = digests.into_iter().fold((0, 0), |(sum, count), one| (pair(sum, one), count + 1));
    pair(digest, count)
}

fn unordered(digests: impl IntoIterator<Item = u128>) -> u128 {
    let add = |(sum, count): (u128, u128), one: u128| (sum.wrapping_add(one), count + 1);
    let (digest, count) = digests.into_iter().fold((0, 0), add);
    pair(digest, count)
}

fn id((ms, seq): Id) -> u128 {
    pair(u128::from(ms), u128::from(seq))
}

impl Stream {
    fn digest(&self) -> u128 {
        let entry = |fields: &[(Vec<u8>, Vec<u8>)]| {
            ordered(fields.iter().map(|(name, value)| pair(xxh3_128(name), xxh3_128(value))))
        };
        let parts = [
            ordered(self.entries.iter().map(|(at, fields)| pair(id(*at), entry(fields)))),
            id(self.last),
            id(self.max_deleted),
            u128::from(self.added),
            unordered(self.groups.iter().map(|(name, group)| group.digest(name))),
        ];
        pair(parts.into_iter().fold(0, pair), id(self.first))
    }
}

impl Group {
    fn digest(&self, name: &[u8]) -> u128 {
        let delivery = |(at, one): (&Id, &Pending)| {
            pair(pair(id(*at), u128::from(one.deliveries)), u128::from(one.delivered_at_ms))
        };
        let pending = self.pending.iter().map(delivery);
        let consumer = |consumer: &Vec<u8>| {
            let own = self.pending.iter().filter(|(_, one)| one.consumer == *consumer);
            pair(xxh3_128(consumer), unordered(own.map(|(at, _)| id(*at))))
        };
        let parts = [
            xxh3_128(name),
            id(self.last),
            u128::from(self.read.unwrap_or(u64::MAX)),
            unordered(pending),
            unordered(self.consumers.iter().map(consumer)),
        ];
        parts.into_iter().fold(0, pair)
    }
}

impl Content {
    fn kind(&self) -> ValueKind {
        match self {
            Self::String(_) => ValueKind::String,
            Self::List(_) => ValueKind::List,
            Self::Set(_) => ValueKind::Set,
            Self::SortedSet(_) => ValueKind::SortedSet,
            Self::Hash(_) => ValueKind::Hash,
            Self::Stream(_) => ValueKind::Stream,
        }
    }

    fn digest(&self) -> u128 {
        let (seed, content) = match self {
            Self::String(bytes) => (0, xxh3_128(bytes)),
            Self::List(items) => (1, ordered(items.iter().map(|item| xxh3_128(item)))),
            Self::Set(items) => (2, unordered(items.iter().map(|item| xxh3_128(item)))),
            Self::SortedSet(items) => {
                let bits = |score: f64| u128::from(if score == 0.0 { 0 } else { score.to_bits() });
                (3, unordered(items.iter().map(|(item, score)| pair(xxh3_128(item), bits(*score)))))
            }
            Self::Hash(fields) => {
                let field = |(name, (value, expiry)): (&Vec<u8>, &(Vec<u8>, Option<u64>))| {
                    let digest = pair(xxh3_128(name), xxh3_128(value));
                    expiry.map_or(digest, |at| pair(digest, u128::from(at)))
                };
                (4, unordered(fields.iter().map(field)))
            }
            Self::Stream(stream) => (5, stream.digest()),
        };
        xxh3_128_with_seed(&content.to_le_bytes(), seed)
    }
}

/// The fingerprint of a keyspace and of function libraries, as name and code.
pub(crate) fn fingerprint(keyspace: &Keyspace, functions: &[(String, String)]) -> KeyspaceFingerprint {
    let mut builder = KeyspaceFingerprint::builder();
    for ((database, key), (expires_at_ms, content)) in keyspace {
        let fields_expire_at_ms = match content {
            Content::Hash(fields) => fields.values().filter_map(|(_, expiry)| *expiry).min(),
            _ => None,
        };
        builder.add(&KeyRecord {
            database: *database,
            key: key.clone(),
            kind: content.kind(),
            expires_at_ms: *expires_at_ms,
            fields_expire_at_ms,
            digest: content.digest(),
        });
    }
    for (name, code) in functions {
        builder.add_function(name, xxh3_128(code.as_bytes()));
    }
    builder.finish()
}
