//! Values of every type and encoding, brought to their digests.

use super::canon::{self, Elements, field, scored};
use super::listpack::{Invalid, Listpack, Next};
use super::packed::{Ziplist, intset, zipmap};
use super::strings::Strings;
use super::{module, stream};
use crate::error::{Error, Result};
use crate::keyspace::ValueKind;

/// A value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: ValueKind,
    pub(super) digest: u128,
    /// When the first field of a hash expires.
    pub(super) fields_expire_at_ms: Option<u64>,
    /// A collection of nothing: a server does not keep the key.
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

/// The fields of a hash.
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

/// Reads the value of a type.
pub(super) fn read_value(strings: &mut Strings, type_code: u8) -> Result<Value> {
    let value = match type_code {
        0 => Value::new(ValueKind::String, strings.digest()?),
        1 => Value::of(ValueKind::List, each(strings, Strings::digest, Elements::push)?),
        2 => Value::of(ValueKind::Set, each(strings, Strings::digest, Elements::insert)?),
        3 => Value::of(ValueKind::SortedSet, each(strings, |s| member(s, text_score), Elements::insert)?),
        4 => Value::of(ValueKind::Hash, each(strings, plain_field, Elements::insert)?),
        5 => Value::of(ValueKind::SortedSet, each(strings, |s| member(s, binary_score), Elements::insert)?),
        7 => Value::new(ValueKind::Module, module::read_value(strings)?),
        9..=13 | 16 | 17 | 20 => read_packed(strings, type_code)?,
        14 => Value::of(ValueKind::List, quicklist(strings)?),
        18 => Value::of(ValueKind::List, quicklist2(strings)?),
        15 => Value::new(ValueKind::Stream, stream::read_stream(strings, 1)?),
        19 => Value::new(ValueKind::Stream, stream::read_stream(strings, 2)?),
        21 => Value::new(ValueKind::Stream, stream::read_stream(strings, 3)?),
        24 => Value::of_hash(hash_with_expiries(strings)?),
        25 => Value::of_hash(packed_hash_with_expiries(strings)?),
        _ => return Err(unknown_type(strings, type_code)),
    };
    Ok(value)
}

fn unknown_type(strings: &Strings, type_code: u8) -> Error {
    let offset = strings.input.offset();
    let what = match type_code {
        6 => " (a module's value before Redis 4.0 was final)",
        22 | 23 => " (a hash with expiring fields before Redis 7.4 was final)",
        26.. => " (newer than this reader)",
        _ => "",
    };
    Error::could_not_verify(format!(
        "the RDB file holds a value of unknown type {type_code}{what} before byte {offset}"
    ))
    .hint("the file is damaged, or from a server that is newer than Redis 8.0 and Valkey 8")
}

/// Reads a count and so many elements.
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

fn plain_field(strings: &mut Strings) -> Result<u128> {
    Ok(field(strings.digest()?, strings.digest()?, None))
}

fn member(strings: &mut Strings, score: impl Fn(&mut Strings) -> Result<f64>) -> Result<u128> {
    Ok(scored(strings.digest()?, score(strings)?))
}

fn binary_score(strings: &mut Strings) -> Result<f64> {
    Ok(f64::from_le_bytes(strings.input.array()?))
}

fn text_score(strings: &mut Strings) -> Result<f64> {
    let score = match strings.input.byte()? {
        253 => Some(f64::NAN),
        254 => Some(f64::INFINITY),
        255 => Some(f64::NEG_INFINITY),
        length => {
            let text = strings.input.slice(usize::from(length))?;
            std::str::from_utf8(text).ok().and_then(|text| text.parse().ok())
        }
    };
    score.ok_or_else(|| strings.damaged("a score is no number"))
}

/// Reads a collection that is one string.
fn read_packed(strings: &mut Strings, type_code: u8) -> Result<Value> {
    let bytes = strings.bytes()?;
    let value = match type_code {
        9 => zipmap_fields(bytes).map(Value::of_hash),
        10 => Ziplist::new(bytes).and_then(ordered).map(|found| Value::of(ValueKind::List, found)),
        11 => members_of_intset(bytes).map(|found| Value::of(ValueKind::Set, found)),
        12 => Ziplist::new(bytes).and_then(scores).map(|found| Value::of(ValueKind::SortedSet, found)),
        13 => Ziplist::new(bytes).and_then(fields).map(Value::of_hash),
        16 => Listpack::new(bytes).and_then(fields).map(Value::of_hash),
        17 => Listpack::new(bytes).and_then(scores).map(|found| Value::of(ValueKind::SortedSet, found)),
        _ => Listpack::new(bytes).and_then(members).map(|found| Value::of(ValueKind::Set, found)),
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
) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    for element in found {
        elements.insert(element?.digest());
    }
    Ok(elements)
}

fn members_of_intset(bytes: &[u8]) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    intset(bytes)?.for_each(|member| elements.insert(canon::integer(member)));
    Ok(elements)
}

/// What belongs to the element before: without it, the collection is damaged.
fn partner(next: Next<'_>) -> Result<canon::Element<'_>, Invalid> {
    next.ok_or(Invalid)?
}

fn scores<'a>(
    mut found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
) -> Result<Elements, Invalid> {
    let mut elements = Elements::default();
    while let Some(member) = found.next() {
        let score = partner(found.next())?.score().ok_or(Invalid)?;
        elements.insert(scored(member?.digest(), score));
    }
    Ok(elements)
}

fn fields<'a>(
    mut found: impl Iterator<Item = Result<canon::Element<'a>, Invalid>>,
) -> Result<Fields, Invalid> {
    let mut all = Fields::default();
    while let Some(name) = found.next() {
        let value = partner(found.next())?.digest();
        all.insert(name?.digest(), value, None);
    }
    Ok(all)
}

fn zipmap_fields(bytes: &[u8]) -> Result<Fields, Invalid> {
    let mut all = Fields::default();
    let digest = |bytes| canon::Element::Bytes(bytes).digest();
    zipmap(bytes, |name, value| all.insert(digest(name), digest(value), None))?;
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
            1 => elements.push(strings.digest()?),
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

/// A hash whose fields expire: the first expiry, then each field with its own, counted from that one.
fn hash_with_expiries(strings: &mut Strings) -> Result<Fields> {
    let first = u64::from_le_bytes(strings.input.array()?);
    let mut all = Fields::default();
    for _ in 0..strings.length()? {
        let expires_at_ms = match strings.length()? {
            0 => None,
            after => {
                Some(first.checked_add(after - 1).ok_or_else(|| strings.damaged("a field expires never"))?)
            }
        };
        let name = strings.digest()?;
        all.insert(name, strings.digest()?, expires_at_ms);
    }
    Ok(all)
}

/// The same, packed: field, value and expiry in turns; 0 for none.
fn packed_hash_with_expiries(strings: &mut Strings) -> Result<Fields> {
    let _first: [u8; 8] = strings.input.array()?;
    let read = |bytes| {
        let mut found = Listpack::new(bytes)?;
        let mut all = Fields::default();
        while let Some(name) = found.next() {
            let (value, expiry) = (partner(found.next())?, partner(found.next())?);
            let at_ms = expiry.number().and_then(|at| u64::try_from(at).ok()).ok_or(Invalid)?;
            all.insert(name?.digest(), value.digest(), (at_ms != 0).then_some(at_ms));
        }
        Ok(all)
    };
    let found: Result<Fields, Invalid> = read(strings.bytes()?);
    found.map_err(|Invalid| strings.damaged("a hash with expiring fields is not valid"))
}
