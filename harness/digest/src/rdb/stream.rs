//! Streams: entries in listpacks, and the groups that consume them.

use comeback_error::Result;

use super::canon::{Elements, pair};
use super::distinct::Distinct;
use super::listpack::{Invalid, Listpack};
use super::strings::Strings;
use crate::keyspace::FIRST_EDITION;

/// The value of the counter of entries read if it is not known.
const UNKNOWN_READ: u64 = u64::MAX;
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// The identifier of an entry, ordered as the server orders them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Id {
    ms: u64,
    seq: u64,
}

/// As in commands: `5-1`.
impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl Id {
    fn digest(self) -> u128 {
        pair(u128::from(self.ms), u128::from(self.seq))
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (ms, seq) = bytes.split_first_chunk()?;
        Some(Self { ms: u64::from_be_bytes(*ms), seq: u64::from_be_bytes(seq.try_into().ok()?) })
    }

    fn read(strings: &mut Strings) -> Result<Self> {
        Ok(Self { ms: strings.length()?, seq: strings.length()? })
    }
}

#[derive(Default)]
struct Entries {
    digests: Elements,
    first: Option<Id>,
    last: Option<Id>,
}

/// The counters of a stream besides its entries.
struct Counters {
    length: u64,
    last: Id,
    first: Id,
    max_deleted: Id,
    added: u64,
}

/// Reads a stream of the first, second or third form.
pub(super) fn read_stream(strings: &mut Strings, form: u8) -> Result<u128> {
    let mut entries = Entries::default();
    for _ in 0..strings.length()? {
        let Some(master) = Id::from_bytes(strings.bytes()?) else {
            return Err(strings.damaged("a node of a stream has no valid identifier"));
        };
        if read_node(strings.bytes()?, master, &mut entries).is_err() {
            return Err(strings.damaged("a node of a stream is not valid"));
        }
    }
    let counters = read_counters(strings, form, &entries)?;
    check_counters(strings, &counters, &entries)?;
    let (mut groups, mut names) = (Elements::default(), Distinct::default());
    for _ in 0..strings.length()? {
        let name = strings.digest()?;
        names.insert(name);
        groups.insert(read_group(strings, form, &counters, name)?);
    }
    refuse_twice(strings, &mut names, "two groups of a stream have the same name")?;
    let parts = [
        entries.digests.digest(),
        counters.last.digest(),
        counters.max_deleted.digest(),
        u128::from(counters.added),
        groups.digest(),
    ];
    let content = parts.into_iter().fold(0, pair);
    Ok(if strings.edition == FIRST_EDITION { content } else { pair(content, counters.first.digest()) })
}

fn check_counters(strings: &Strings, counters: &Counters, entries: &Entries) -> Result<()> {
    let Counters { length, last, .. } = *counters;
    if length != entries.digests.count {
        let found = entries.digests.count;
        return Err(strings.damaged(&format!("a stream says that it has {length} entries, and has {found}")));
    }
    match entries.last {
        Some(found) if found > last => Err(strings
            .damaged(&format!("a stream says that its last entry is {last}, and has one with {found}"))),
        _ => Ok(()),
    }
}

fn refuse_twice(strings: &Strings, distinct: &mut Distinct, what: &str) -> Result<()> {
    if distinct.has_twice() { Err(strings.damaged(what)) } else { Ok(()) }
}

fn read_counters(strings: &mut Strings, form: u8, entries: &Entries) -> Result<Counters> {
    let (length, last) = (strings.length()?, Id::read(strings)?);
    // The first form ends here; a server that reads it assumes these values. Source: streamGetEdgeID in Redis'
    // t_stream.c.
    if form == 1 {
        let first = entries.first.unwrap_or(Id { ms: u64::MAX, seq: u64::MAX });
        return Ok(Counters { length, last, first, max_deleted: Id::default(), added: length });
    }
    let first = Id::read(strings)?;
    Ok(Counters { length, last, first, max_deleted: Id::read(strings)?, added: strings.length()? })
}

/// A node: the numbers of live and deleted entries, the fields that entries share, then the entries. Each entry
/// ends with its number of elements, for reading backwards.
fn read_node(bytes: &[u8], master: Id, entries: &mut Entries) -> Result<(), Invalid> {
    let shared = Listpack::new(bytes)?;
    let mut node = Node { elements: shared };
    let (live, deleted, field_count) = (node.number()?, node.number()?, node.number()?);
    let field_count = usize::try_from(field_count).map_err(|_| Invalid)?;
    let shared = node.elements.clone();
    for _ in 0..field_count {
        node.elements.next().ok_or(Invalid)??;
    }
    if node.number()? != 0 {
        return Err(Invalid);
    }
    let (mut seen_live, mut seen_deleted) = (0, 0);
    while let Some(flags) = node.elements.next() {
        let flags = flags?.number().ok_or(Invalid)?;
        let id = Id { ms: node.offset(master.ms)?, seq: node.offset(master.seq)? };
        let digest = node.entry(flags, field_count, shared.clone())?;
        if flags & DELETED != 0 {
            seen_deleted += 1;
            continue;
        }
        seen_live += 1;
        if entries.last.is_some_and(|last| last >= id) {
            return Err(Invalid);
        }
        entries.first.get_or_insert(id);
        entries.last = Some(id);
        entries.digests.push(pair(id.digest(), digest));
    }
    if (live, deleted) == (seen_live, seen_deleted) { Ok(()) } else { Err(Invalid) }
}

/// The elements of a node that were not read yet.
struct Node<'a> {
    elements: Listpack<'a>,
}

impl Node<'_> {
    fn number(&mut self) -> Result<i64, Invalid> {
        self.elements.next().ok_or(Invalid)??.number().ok_or(Invalid)
    }

    /// A part of an identifier, stored as the difference from the node's.
    fn offset(&mut self, from: u64) -> Result<u64, Invalid> {
        Ok(from.wrapping_add_signed(self.number()?))
    }

    fn digest(&mut self) -> Result<u128, Invalid> {
        Ok(self.elements.next().ok_or(Invalid)??.digest())
    }

    /// The fields and values of an entry, and its number of elements.
    fn entry(&mut self, flags: i64, shared_count: usize, mut shared: Listpack) -> Result<u128, Invalid> {
        let mut digests = Elements::default();
        // Flags and the two parts of the identifier.
        let mut elements = 3;
        if flags & SAME_FIELDS != 0 {
            for _ in 0..shared_count {
                let name = shared.next().ok_or(Invalid)??.digest();
                digests.push(pair(name, self.digest()?));
            }
            elements += shared_count;
        } else {
            let count = usize::try_from(self.number()?).map_err(|_| Invalid)?;
            for _ in 0..count {
                let name = self.digest()?;
                digests.push(pair(name, self.digest()?));
            }
            elements += 1 + 2 * count;
        }
        let backwards = usize::try_from(self.number()?).map_err(|_| Invalid)?;
        if backwards == elements { Ok(digests.digest()) } else { Err(Invalid) }
    }
}

/// A group: its position, its pending entries, and their consumers.
fn read_group(strings: &mut Strings, form: u8, counters: &Counters, name: u128) -> Result<u128> {
    let last = Id::read(strings)?;
    let read = if form == 1 { estimate_read(counters, last) } else { strings.length()? };
    let (mut pending, mut owned, mut consumers) =
        (Elements::default(), Elements::default(), Elements::default());
    let (mut ids, mut distinct, mut names) = (Elements::default(), Distinct::default(), Distinct::default());
    for _ in 0..strings.length()? {
        let id = pending_id(strings)?;
        let delivered_at = u64::from_le_bytes(strings.input.array()?);
        let delivered = pair(id, u128::from(strings.length()?));
        pending.insert(match strings.edition {
            FIRST_EDITION => delivered,
            _ => pair(delivered, u128::from(delivered_at)),
        });
        ids.insert(id);
        distinct.insert(id);
    }
    refuse_twice(strings, &mut distinct, "an entry is pending twice in a group of a stream")?;
    for _ in 0..strings.length()? {
        let consumer = strings.digest()?;
        names.insert(consumer);
        let _seen_at: [u8; 8] = strings.input.array()?;
        if form == 3 {
            let _active_at: [u8; 8] = strings.input.array()?;
        }
        let mut own = Elements::default();
        for _ in 0..strings.length()? {
            let id = pending_id(strings)?;
            own.insert(id);
            owned.insert(id);
        }
        consumers.insert(pair(consumer, own.digest()));
    }
    refuse_twice(strings, &mut names, "two consumers of a group have the same name")?;
    if ids.digest() != owned.digest() {
        return Err(strings.damaged(&format!(
            "a group of a stream has {} pending entries, and its consumers have {}, which are not the same",
            ids.count, owned.count
        )));
    }
    let parts = [name, last.digest(), u128::from(read), pending.digest(), consumers.digest()];
    Ok(parts.into_iter().fold(0, pair))
}

fn pending_id(strings: &mut Strings) -> Result<u128> {
    let (ms, seq) = (strings.input.array()?, strings.input.array()?);
    Ok(Id { ms: u64::from_be_bytes(ms), seq: u64::from_be_bytes(seq) }.digest())
}

/// How many entries a group has read, as a server computes it when it reads the first form.
fn estimate_read(counters: &Counters, last: Id) -> u64 {
    let Counters { length, added, .. } = *counters;
    if added == 0 {
        0
    } else if (length == 0 && last <= counters.last) || last == counters.last {
        added
    } else if last > counters.last || last > counters.first {
        UNKNOWN_READ
    } else {
        added - length + u64::from(last == counters.first)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::listpack::tests::{build, small, text};
    use super::*;

    /// A stream of two entries with the same field, a third entry that is deleted, and one group.
    fn stream(form: u8, change: impl Fn(&mut Vec<Vec<u8>>)) -> Vec<u8> {
        let mut node = vec![small(2), small(1), small(1), text(b"f"), small(0)];
        for (seq, flags, value) in [(0, 2, &b"a"[..]), (1, 3, b"b"), (2, 2, b"c")] {
            node.extend([small(flags), small(0), small(seq), text(value), small(4)]);
        }
        change(&mut node);
        let node = build(&node);
        let mut bytes = vec![1, 16];
        bytes.extend(5_u64.to_be_bytes());
        bytes.extend(1_u64.to_be_bytes());
        bytes.extend([0x40, u8::try_from(node.len()).unwrap()]);
        bytes.extend(node);
        bytes.extend([2, 5, 3]);
        if form > 1 {
            bytes.extend([5, 1, 0, 0, 2]);
        }
        bytes.extend([1, 1, b'g', 5, 1]);
        if form > 1 {
            bytes.push(1);
        }
        let id = [5_u64.to_be_bytes(), 1_u64.to_be_bytes()].concat();
        bytes.push(1);
        bytes.extend(&id);
        bytes.extend([9; 8]);
        bytes.push(2);
        bytes.extend([1, 1, b'c']);
        bytes.extend([8; 8]);
        if form > 2 {
            bytes.extend([7; 8]);
        }
        bytes.push(1);
        bytes.extend(&id);
        bytes
    }

    pub(in crate::rdb) fn sample(form: u8) -> Vec<u8> {
        stream(form, |_| {})
    }

    fn digest(bytes: &[u8], form: u8) -> Result<u128> {
        let mut strings = Strings::new(bytes);
        let digest = read_stream(&mut strings, form)?;
        assert!(strings.input.is_finished()?);
        Ok(digest)
    }

    #[test]
    fn all_forms_are_the_same_stream() {
        let third = digest(&stream(3, |_| {}), 3).unwrap();
        assert_eq!(digest(&stream(2, |_| {}), 2).unwrap(), third);
        assert_eq!(digest(&stream(1, |_| {}), 1).unwrap(), third);
    }

    #[test]
    fn what_is_content_counts() {
        let good = digest(&stream(3, |_| {}), 3).unwrap();
        assert_ne!(digest(&stream(3, |node| node[8] = text(b"x")), 3).unwrap(), good);
        assert_ne!(digest(&stream(3, |node| node[3] = text(b"x")), 3).unwrap(), good);
        let mut other = stream(3, |_| {});
        let delivered_twice = other.iter().position(|byte| *byte == 9).unwrap() + 8;
        other[delivered_twice] += 1;
        assert_ne!(digest(&other, 3).unwrap(), good);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        digest(&stream(3, |node| node[0] = small(3)), 3).unwrap_err();
        digest(&stream(3, |node| node[9] = small(5)), 3).unwrap_err();
        digest(&stream(3, |node| node[7] = small(9)), 3).unwrap_err();
        let mut orphan = stream(3, |_| {});
        *orphan.last_mut().unwrap() ^= 1;
        digest(&orphan, 3).unwrap_err();
    }
}
