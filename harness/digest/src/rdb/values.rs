//! Reads values of every type and encoding and digests them.

use comeback_error::{Error, Result};

use super::canon::{self, Elements, field, scored};
use super::distinct::Distinct;
use super::listpack::{Invalid, Listpack, Next};
use super::packed::{Ziplist, intset, zipmap};
use super::strings::Strings;
use super::{module, stream};
use crate::keyspace::ValueKind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    pub(super) digest: u128,
    /// When the first field of a hash expires.
    pub(super) fields_expire_at_ms: Option<u64>,
    /// An empty collection: a server does not keep the key.
    pub(super) is_empty: bool,
}

impl Value {
    fn new(kind: ValueKind, content: u128) -> Self {
        let digest = canon::value(kind, content);
        Self { kind, digest, fields_expire_at_ms: None, is_empty: false }
    }

    fn of(kind: ValueKind, elements: Elements) -> Self {
        Self { is_empty: elements.count == 0, ..Self::new(kind, elements.digest()) }
    }

    fn of_hash(fields: Fields) -> Self {
        Self { fields_expire_at_ms: fields.first_expires_at_ms, ..Self::of(ValueKind::Hash, fields.elements) }
    }
}

#[derive(Clone, Copy, Default)]
struct Fields {
    elements: Elements,
    first_expires_at_ms: Option<u64>,
}

impl Fields {
    fn insert(&mut self, name: u128, value: u128, expires_at_ms: Option<u64>) {
        self.elements.insert(field(name, value, expires_at_ms));
        self.first_expires_at_ms = self.first_expires_at_ms.into_iter().chain(expires_at_ms).min();
    }
}

/// Redis keeps the expiry of a field in 48 bits.
const LATEST_FIELD_EXPIRY_MS: u64 = (1 << 48) - 1;
/// From this version on, a file is of Valkey 9 or later, and a type code may differ from Redis.
const FIRST_OF_VALKEY: u32 = 80;

/// Whether values of this type can be read, in a file of this version.
#[inline]
pub(super) fn is_known(type_code: u8, version: u32) -> bool {
    match type_code {
        0..=5 | 7 | 9..=21 => true,
        22 => version >= FIRST_OF_VALKEY,
        24 | 25 => version < FIRST_OF_VALKEY,
        _ => false,
    }
}

/// Reads the value of a type that is [known](is_known).
pub(super) fn read_value(strings: &mut Strings, distinct: &mut Distinct, type_code: u8) -> Result<Value> {
    distinct.clear();
    let value = read_any(strings, distinct, type_code)?;
    if distinct.has_twice() {
        return Err(strings.damaged("one of its members or fields stands in it twice"));
    }
    Ok(value)
}

fn read_any(strings: &mut Strings, distinct: &mut Distinct, type_code: u8) -> Result<Value> {
    let mut member_digest = |strings: &mut Strings| {
        let digest = strings.digest()?;
        distinct.insert(digest);
        Ok(digest)
    };
    let value = match type_code {
        0 => Value::new(ValueKind::String, strings.digest()?),
        1 => Value::of(ValueKind::List, each(strings, Strings::digest, Elements::push)?),
        2 => Value::of(ValueKind::Set, each(strings, member_digest, Elements::insert)?),
        3 => {
            let read = |strings: &mut Strings| Ok(scored(member_digest(strings)?, text_score(strings)?));
            Value::of(ValueKind::SortedSet, each(strings, read, Elements::insert)?)
        }
        4 => {
            let read = |strings: &mut Strings| Ok(field(member_digest(strings)?, strings.digest()?, None));
            Value::of(ValueKind::Hash, each(strings, read, Elements::insert)?)
        }
        5 => {
            let read = |strings: &mut Strings| Ok(scored(member_digest(strings)?, binary_score(strings)?));
            Value::of(ValueKind::SortedSet, each(strings, read, Elements::insert)?)
        }
        7 => Value::new(ValueKind::Module, module::read_value(strings)?),
        9..=13 | 16 | 17 | 20 => read_packed(strings, distinct, type_code)?,
        14 => Value::of(ValueKind::List, quicklist(strings)?),
        18 => Value::of(ValueKind::List, quicklist2(strings)?),
        15 => Value::new(ValueKind::Stream, stream::read_stream(strings, 1)?),
        19 => Value::new(ValueKind::Stream, stream::read_stream(strings, 2)?),
        21 => Value::new(ValueKind::Stream, stream::read_stream(strings, 3)?),
        22 => Value::of_hash(hash_of_valkey(strings, member_digest)?),
        24 => Value::of_hash(hash_with_expiries(strings, member_digest)?),
        25 => Value::of_hash(packed_hash_with_expiries(strings, distinct)?),
        _ => return Err(unknown_type(strings, type_code)),
    };
    Ok(value)
}

pub(super) fn unknown_type(strings: &Strings, type_code: u8) -> Error {
    let offset = strings.input.offset();
    let what = match type_code {
        6 => " (a module's value before Redis 4.0 was final)",
        22 | 23 => " (a hash with expiring fields before Redis 7.4 was final, or of a newer server)",
        23.. => " (of a newer or another server)",
        _ => "",
    };
    Error::could_not_verify(format!(
        "the RDB file holds a value of unknown type {type_code}{what} before byte {offset}"
    ))
    .hint(
        "the file is damaged, or from a server newer than Redis 8.0 and Valkey 9.1, or from another product",
    )
}

/// Reads a count and that many elements.
fn each<'r>(
    strings: &mut Strings<'r>,
    mut read: impl FnMut(&mut Strings<'r>) -> Result<u128>,
    add: impl Fn(&mut Elements, u128),
) -> Result<Elements> {
    let mut elements = Elements::default();
    for _ in 0..strings.length()? {
        add(&mut elements, read(strings)?);
    }
    Ok(elements)
}

fn binary_score(strings: &mut Strings) -> Result<f64> {
    let score = f64::from_le_bytes(strings.input.array()?);
    if score.is_nan() { Err(strings.damaged("a score is no number")) } else { Ok(score) }
}

fn text_score(strings: &mut Strings) -> Result<f64> {
    let score = match strings.input.byte()? {
        253 => None,
        254 => Some(f64::INFINITY),
        255 => Some(f64::NEG_INFINITY),
        length => {
            let text = strings.input.slice(usize::from(length))?;
            canon::score(text)
        }
    };
    score.ok_or_else(|| strings.damaged("a score is no number"))
}

/// Reads a collection that is stored as one string.
fn read_packed(strings: &mut Strings, distinct: &mut Distinct, type_code: u8) -> Result<Value> {
    let bytes = strings.bytes()?;
    let value = match type_code {
        9 => zipmap_fields(bytes, distinct).map(Value::of_hash),
        10 => Ziplist::new(bytes).and_then(ordered).map(|found| Value::of(ValueKind::List, found)),
        11 => members_of_intset(bytes).map(|found| Value::of(ValueKind::Set, found)),
        12 => {
            let found = Ziplist::new(bytes).and_then(|found| scores(found, distinct));
            found.map(|found| Value::of(ValueKind::SortedSet, found))
        }
        13 => Ziplist::new(bytes).and_then(|found| fields(found, distinct)).map(Value::of_hash),
        16 => Listpack::new(bytes).and_then(|found| fields(found, distinct)).map(Value::of_hash),
        17 => {
            let found = Listpack::new(bytes).and_then(|found| scores(found, distinct));
            found.map(|found| Value::of(ValueKind::SortedSet, found))
        }
        _ => {
            let found = Listpack::new(bytes).and_then(|found| members(found, distinct));
            found.map(|found| Value::of(ValueKind::Set, found))
        }
    };
    value.map_err(|Invalid| strings.damaged(&format!("a packed collection of type {type_code} is not valid")))
}

fn ordered<'a>(
    found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    append(&mut elements, found)?;
    Ok(elements)
}

fn append<'a>(
    elements: &mut Elements,
    found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
) -> Result<(), Invalid> {
    for element in found {
        elements.push(element?.digest());
    }
    Ok(())
}

fn members<'a>(
    found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
    distinct: &mut Distinct,
) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    for element in found {
        let digest = element?.digest();
        distinct.insert(digest);
        elements.insert(digest);
    }
    Ok(elements)
}

fn members_of_intset(bytes: &[u8]) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    intset(bytes)?.for_each(|member| elements.insert(canon::integer(member)));
    Ok(elements)
}

/// The element that must follow: without it, the collection is damaged.
fn partner(next: Next<'_>) -> Result<canon::Element<'_>, Invalid> {
    next.ok_or(Invalid)?
}

fn scores<'a>(
    mut found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
    distinct: &mut Distinct,
) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    while let Some(member) = found.next() {
        let score = partner(found.next())?.score().ok_or(Invalid)?;
        let digest = member?.digest();
        distinct.insert(digest);
        elements.insert(scored(digest, score));
    }
    Ok(elements)
}

fn fields<'a>(
    mut found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
    distinct: &mut Distinct,
) -> Result<Fields, Invalid> {
    let mut all = Fields::default();
    while let Some(name) = found.next() {
        let value = partner(found.next())?.digest();
        let digest = name?.digest();
        distinct.insert(digest);
        all.insert(digest, value, None);
    }
    Ok(all)
}

fn zipmap_fields(bytes: &[u8], distinct: &mut Distinct) -> Result<Fields, Invalid> {
    let mut all = Fields::default();
    let digest = |bytes| canon::Element::Bytes(bytes).digest();
    zipmap(bytes, |name, value| {
        let name = digest(name);
        distinct.insert(name);
        all.insert(name, digest(value), None);
    })?;
    Ok(all)
}

/// A list as a list of ziplists.
fn quicklist(strings: &mut Strings) -> Result<Elements> {
    let mut elements = Elements::default();
    for _ in 0..strings.length()? {
        let bytes = strings.bytes()?;
        if Ziplist::new(bytes).and_then(|found| append(&mut elements, found)).is_err() {
            return Err(strings.damaged("a node of a list is no valid ziplist"));
        }
    }
    Ok(elements)
}

/// A list as a list of listpacks and of single large elements.
fn quicklist2(strings: &mut Strings) -> Result<Elements> {
    let mut elements = Elements::default();
    for _ in 0..strings.length()? {
        match strings.length()? {
            1 => {
                let digest = strings.digest()?;
                if digest == canon::Element::Bytes(b"").digest() {
                    return Err(strings.damaged("a node of a list has the length 0"));
                }
                elements.push(digest);
            }
            2 => {
                let bytes = strings.bytes()?;
                if Listpack::new(bytes).and_then(|found| append(&mut elements, found)).is_err() {
                    return Err(strings.damaged("a node of a list is no valid listpack"));
                }
            }
            other => return Err(strings.damaged(&format!("a list has a node of unknown form {other}"))),
        }
    }
    Ok(elements)
}

/// A hash whose fields expire: the first expiry, then each field with its own expiry relative to the first.
fn hash_with_expiries(
    strings: &mut Strings,
    mut member_digest: impl FnMut(&mut Strings) -> Result<u128>,
) -> Result<Fields> {
    let first = u64::from_le_bytes(strings.input.array()?);
    // The latest value plus one means no expiry.
    if first > LATEST_FIELD_EXPIRY_MS + 1 {
        return Err(strings.damaged("the first expiry of its fields is out of range"));
    }
    let mut all = Fields::default();
    for _ in 0..strings.length()? {
        let expires_at_ms = match strings.length()? {
            0 => None,
            after => match first.checked_add(after - 1).filter(|at_ms| *at_ms <= LATEST_FIELD_EXPIRY_MS) {
                Some(at_ms) => Some(at_ms),
                None => return Err(strings.damaged("the expiry of a field is out of range")),
            },
        };
        let name = member_digest(strings)?;
        all.insert(name, strings.digest()?, expires_at_ms);
    }
    Ok(all)
}

/// The form that Valkey writes: field, value and expiry. −1 means no expiry, and lower values are refused. Source:
/// `rdbLoadObject` in Valkey's rdb.c.
fn hash_of_valkey(
    strings: &mut Strings,
    mut member_digest: impl FnMut(&mut Strings) -> Result<u128>,
) -> Result<Fields> {
    let mut all = Fields::default();
    for _ in 0..strings.length()? {
        let (name, value) = (member_digest(strings)?, strings.digest()?);
        let expires_at_ms = match i64::from_le_bytes(strings.input.array()?) {
            -1 => None,
            at_ms => match u64::try_from(at_ms) {
                Ok(at_ms) => Some(at_ms),
                Err(_) => return Err(strings.damaged("the expiry of a field is out of range")),
            },
        };
        all.insert(name, value, expires_at_ms);
    }
    Ok(all)
}

/// The form that Redis packs: field, value and expiry in turn, in the order of expiry; 0 means no expiry and comes
/// last.
fn packed_hash_with_expiries(strings: &mut Strings, distinct: &mut Distinct) -> Result<Fields> {
    let _first: [u8; 8] = strings.input.array()?;
    let mut read = |bytes| {
        let mut found = Listpack::new(bytes)?;
        let (mut all, mut before) = (Fields::default(), 0);
        while let Some(name) = found.next() {
            let (value, expiry) = (partner(found.next())?, partner(found.next())?);
            let at_ms = expiry.number().and_then(|at| u64::try_from(at).ok()).ok_or(Invalid)?;
            // Reading 0 as the latest time keeps the order.
            let in_order = if at_ms == 0 { u64::MAX } else { at_ms };
            if at_ms > LATEST_FIELD_EXPIRY_MS || in_order < before {
                return Err(Invalid);
            }
            before = in_order;
            let digest = name?.digest();
            distinct.insert(digest);
            all.insert(digest, value.digest(), (at_ms != 0).then_some(at_ms));
        }
        Ok(all)
    };
    let found: Result<Fields, Invalid> = read(strings.bytes()?);
    found.map_err(|Invalid| strings.damaged("a hash with expiring fields is not valid"))
}
