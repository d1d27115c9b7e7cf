//! Whole files, built by hand.

use comeback_error::{ErrorKind, Result};

use super::listpack::tests::{build, text};
use super::packed::tests::ziplist;
use super::*;
use crate::keyspace::{KeyRecord, ValueKind};

/// A file of a version with a right checksum.
pub(super) fn file(version: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("REDIS{version:04}").into_bytes();
    bytes.extend(body);
    bytes.push(0xFF);
    if version >= 5 {
        let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&bytes);
        bytes.extend(crc.to_le_bytes());
    }
    bytes
}

fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[0x40 | length[0], length[1]], bytes].concat()
}

fn entries(bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut reader = RdbReader::open(bytes)?;
    let mut entries = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        entries.push(entry);
    }
    assert_eq!(reader.finish()?, Checksum::Valid);
    Ok(entries)
}

/// The one key of a file.
fn one(type_code: u8, value: &[u8]) -> KeyRecord {
    let body = [&[type_code], &string(b"k")[..], value].concat();
    match entries(&file(12, &body)).unwrap().remove(0) {
        Entry::Key(record) => record,
        other => panic!("{other:?}"),
    }
}

fn listpack(elements: &[&[u8]]) -> Vec<u8> {
    string(&build(&elements.iter().map(|element| text(element)).collect::<Vec<_>>()))
}

fn packed(elements: &[&[u8]]) -> Vec<u8> {
    let short = |element: &&[u8]| [&[u8::try_from(element.len()).unwrap()], *element].concat();
    string(&ziplist(&elements.iter().map(short).collect::<Vec<_>>()))
}

fn counted(parts: &[Vec<u8>], count: u8) -> Vec<u8> {
    [vec![count], parts.concat()].concat()
}

#[test]
fn a_list_is_the_same_in_every_encoding() {
    let plain = one(1, &counted(&[string(b"1"), string(b"b"), string(b"c")], 3));
    assert_eq!(plain.kind, ValueKind::List);
    let node = |kind: u8, content: Vec<u8>| [vec![kind], content].concat();
    let ways = [
        one(10, &packed(&[b"1", b"b", b"c"])),
        one(14, &counted(&[packed(&[b"1", b"b"]), packed(&[b"c"])], 2)),
        one(18, &counted(&[node(2, listpack(&[b"1", b"b"])), node(1, string(b"c"))], 2)),
        one(18, &counted(&[node(1, vec![0xC0, 1]), node(2, listpack(&[b"b", b"c"]))], 2)),
    ];
    for way in ways {
        assert_eq!(way, plain);
    }
    assert_ne!(one(10, &packed(&[b"b", b"1", b"c"])), plain);
}

#[test]
fn a_set_is_the_same_in_every_encoding_and_order() {
    let plain = one(2, &counted(&[string(b"1"), string(b"2")], 2));
    let intset = string(&[&[2, 0, 0, 0, 2, 0, 0, 0][..], &[1, 0, 2, 0]].concat());
    for way in [one(11, &intset), one(20, &listpack(&[b"2", b"1"]))] {
        assert_eq!(way, plain);
    }
    assert_ne!(one(20, &listpack(&[b"2", b"1", b"3"])), plain);
}

#[test]
fn a_sorted_set_is_the_same_in_every_encoding_and_order() {
    let binary = |member: &[u8], score: f64| [string(member), score.to_le_bytes().to_vec()].concat();
    let plain = one(5, &counted(&[binary(b"a", 1.5), binary(b"b", f64::INFINITY), binary(b"c", -0.0)], 3));
    let old = [string(b"a"), b"\x031.5".to_vec(), string(b"c"), b"\x010".to_vec(), string(b"b"), vec![254]];
    let ways = [
        one(3, &counted(&old, 3)),
        one(12, &packed(&[b"c", b"0", b"a", b"1.5", b"b", b"inf"])),
        one(17, &listpack(&[b"c", b"-0", b"a", b"1.5", b"b", b"inf"])),
    ];
    for way in ways {
        assert_eq!(way, plain);
    }
    assert_ne!(one(17, &listpack(&[b"c", b"0", b"a", b"1.5000000000000002", b"b", b"inf"])), plain);
}

#[test]
fn a_hash_is_the_same_in_every_encoding_and_order() {
    let plain = one(4, &counted(&[string(b"f"), string(b"1"), string(b"g"), string(b"x")], 2));
    let ways = [
        one(9, &string(b"\x02\x01f\x01\x001\x01g\x01\x00x\xFF")),
        one(13, &packed(&[b"g", b"x", b"f", b"1"])),
        one(16, &listpack(&[b"g", b"x", b"f", b"1"])),
    ];
    for way in ways {
        assert_eq!(way, plain);
    }
    assert_ne!(one(16, &listpack(&[b"x", b"g", b"f", b"1"])), plain);
}

#[test]
fn fields_of_hashes_expire_one_by_one() {
    let first = 1_700_000_000_000_u64;
    let fields = [vec![0], string(b"f"), string(b"1"), vec![6], string(b"g"), string(b"x")];
    let plain = one(24, &[first.to_le_bytes().to_vec(), counted(&fields, 2)].concat());
    assert_eq!(plain.fields_expire_at_ms, Some(first + 5));
    let packed = listpack(&[b"g", b"x", b"1700000000005", b"f", b"1", b"0"]);
    assert_eq!(one(25, &[first.to_le_bytes().to_vec(), packed].concat()), plain);
    let none = listpack(&[b"g", b"x", b"0", b"f", b"1", b"0"]);
    assert_eq!(one(25, &[vec![0; 8], none].concat()), one(16, &listpack(&[b"g", b"x", b"f", b"1"])));
}

#[test]
fn databases_expiries_and_what_is_no_content() {
    let body = [
        &b"\xFA\x09redis-ver\x067.0.15"[..],
        b"\xFE\x00\xFB\x02\x01",
        b"\xFD\x01\x00\x00\x00\x00\x01a\x01x",
        b"\xFC\xE8\x03\0\0\0\0\0\0\xF8\x05\xF9\x07\x00\x01b\x01x",
        b"\xFE\x09\xF4\x01\x02\x03\x00\x01c\x01x",
        b"\xF5\x40\x1B#!lua name=mylib\nreturn 123",
    ]
    .concat();
    let found = entries(&file(11, &body)).unwrap();
    let keys: Vec<_> = found
        .iter()
        .filter_map(|entry| match entry {
            Entry::Key(key) => Some((key.database, &key.key[..], key.expires_at_ms)),
            _ => None,
        })
        .collect();
    assert_eq!(keys, [(0, &b"a"[..], Some(1000)), (0, b"b", Some(1000)), (9, b"c", None)]);
    assert!(matches!(&found[3], Entry::Function { library, .. } if library == "mylib"));
    let summary = fingerprint_rdb(&file(11, &body)[..]).unwrap();
    assert_eq!((summary.keys, summary.server_version.as_deref()), (3, Some("7.0.15")));
    assert_eq!(summary.bytes, file(11, &body).len() as u64);
}

#[test]
fn an_empty_collection_is_no_key() {
    assert_eq!(entries(&file(11, b"\x02\x01k\x00")).unwrap(), []);
}

fn error_of(bytes: &[u8]) -> (ErrorKind, String) {
    let error = fingerprint_rdb(bytes).unwrap_err();
    (error.kind(), error.message().to_owned())
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let newer = error_of(b"REDIS0013\xFF");
    assert_eq!(
        newer,
        (
            ErrorKind::CouldNotVerify,
            "the RDB file of Redis has version 13, and 12 is the newest one of Redis known here".to_owned()
        )
    );
    assert_eq!(error_of(b"VALKEY081\xFF").0, ErrorKind::CouldNotVerify);
    // 107 is an opcode of Redis Enterprise: the bytes after it need not be a name.
    for type_code in [6, 8, 22, 23, 26, 99, 107, 243] {
        let (kind, message) = error_of(&file(12, &[&[type_code][..], b"\x3Fk\x01v"].concat()));
        assert_eq!(kind, ErrorKind::CouldNotVerify);
        assert!(
            message.starts_with(&format!("the RDB file holds a value of unknown type {type_code}")),
            "{message}"
        );
    }
    assert_eq!(error_of(&file(10, b"\xF6\x01k")).0, ErrorKind::CouldNotVerify);
}

#[test]
fn what_is_damaged_is_refused() {
    let good = file(11, b"\x00\x01a\x01x");
    assert_eq!(error_of(b"\x1F\x8B\x08\0\0\0\0\0\0\x03").0, ErrorKind::Failed);
    for length in 0..good.len() {
        assert_eq!(error_of(&good[..length]).0, ErrorKind::Failed, "cut at {length}");
    }
    let longer = [&good[..], b"x"].concat();
    assert!(error_of(&longer).1.starts_with("the RDB file goes on behind its end at byte 23"));
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        fingerprint_rdb(&bad[..]).unwrap_err();
    }
}

#[test]
fn a_checksum_may_be_switched_off() {
    let mut bytes = file(11, b"\x00\x01a\x01x");
    let end = bytes.len() - 8;
    bytes[end..].fill(0);
    assert_eq!(fingerprint_rdb(&bytes[..]).unwrap().checksum, Checksum::Absent);
    let old = file(4, b"\x00\x01a\x01x");
    assert_eq!(fingerprint_rdb(&old[..]).unwrap().checksum, Checksum::Absent);
}

/// A body for each type and encoding.
pub(super) fn samples() -> Vec<Vec<u8>> {
    let mut names = (0..).map(|number| string(format!("key{number}").as_bytes()));
    let mut key = |type_code: u8, value: Vec<u8>| [vec![type_code], names.next().unwrap(), value].concat();
    let scored = |member: &[u8]| [string(member), 1.5_f64.to_le_bytes().to_vec()].concat();
    let intset = string(&[&[2, 0, 0, 0, 2, 0, 0, 0][..], &[1, 0, 2, 0]].concat());
    let nodes = [[vec![2], listpack(&[b"1", b"b"])].concat(), [vec![1], string(b"c")].concat()];
    let expiring = [vec![0], string(b"f"), string(b"1"), vec![6], string(b"g"), string(b"x")];
    let packed_expiring = listpack(&[b"g", b"x", b"1700000000005", b"f", b"1", b"0"]);
    let module = b"\x81\x01\x02\x03\x04\x05\x06\x07\x08\x01\x07\x02\x08\x03\0\0\0\0\x04\0\0\0\0\0\0\0\0\x05\x03abc\x00";
    let mut samples = vec![
        key(0, string(b"value")),
        key(0, vec![0xC1, 7, 7]),
        key(0, b"\xC3\x04\x09\x00a\xC0\x00".to_vec()),
        key(1, counted(&[string(b"1"), string(b"b")], 2)),
        key(2, counted(&[string(b"1"), string(b"b")], 2)),
        key(3, counted(&[string(b"a"), b"\x031.5".to_vec(), string(b"b"), vec![254]], 2)),
        key(4, counted(&[string(b"f"), string(b"1")], 1)),
        key(5, counted(&[scored(b"a"), scored(b"b")], 2)),
        key(7, module.to_vec()),
        key(9, string(b"\x02\x01f\x01\x001\x01g\x01\x00x\xFF")),
        key(10, packed(&[b"1", b"b", b"c"])),
        key(11, intset),
        key(12, packed(&[b"c", b"0", b"a", b"1.5"])),
        key(13, packed(&[b"g", b"x"])),
        key(14, counted(&[packed(&[b"1", b"b"]), packed(&[b"c"])], 2)),
        key(16, listpack(&[b"g", b"x", &[b'y'; 200], &[b'z'; 5_000]])),
        key(17, listpack(&[b"c", b"-0", b"b", b"inf"])),
        key(18, counted(&nodes, 2)),
        key(20, listpack(&[b"2", b"1"])),
        key(24, [1_700_000_000_000_u64.to_le_bytes().to_vec(), counted(&expiring, 2)].concat()),
        key(25, [vec![0; 8], packed_expiring].concat()),
        [&b"\xF7"[..], module].concat(),
        b"\xFA\x09redis-ver\x067.0.15\xFE\x03\xFB\x02\x01\xF4\x01\x02\x03\xFC\xE8\x03\0\0\0\0\0\0\xF8\x05\x00\x01b\x01x"
            .to_vec(),
        b"\xFD\x01\0\0\0\xF9\x07\x00\x01a\x01x\xF5\x40\x1B#!lua name=mylib\nreturn 123".to_vec(),
    ];
    samples.extend((1..=3).zip([15, 19, 21]).map(|(form, code)| key(code, stream::tests::sample(form))));
    let all = samples.concat();
    samples.push(all);
    samples
}

mod refused;

mod exact {
    use std::fmt::Write as _;

    use super::super::exact::compare_holding;
    use super::*;
    use crate::keyspace::{KeyChange, KeyspaceComparison};

    const NOW: u64 = 1_700_000_000_000;

    /// A file of strings: name, value, expiry.
    fn of<'a>(keys: impl IntoIterator<Item = &'a (String, String, Option<u64>)>) -> Vec<u8> {
        let mut body = Vec::new();
        for (key, value, expires_at_ms) in keys {
            if let Some(at_ms) = expires_at_ms {
                body.push(0xFC);
                body.extend(at_ms.to_le_bytes());
            }
            body.extend([vec![0], string(key.as_bytes()), string(value.as_bytes())].concat());
        }
        file(11, &body)
    }

    fn compare(before: &[u8], after: &[u8], held: usize, named: usize) -> KeyspaceComparison {
        compare_holding(|| Ok(before), || Ok(after), (NOW, named), held).unwrap()
    }

    #[test]
    fn every_key_is_named_in_any_number_of_passes() {
        let keys: Vec<_> = (0..1_000_u64)
            .map(|n| {
                (format!("k{n}:{}", "long".repeat(30)), "v".to_owned(), (n % 2 == 0).then_some(NOW - 500 + n))
            })
            .collect();
        let mut after: Vec<_> =
            keys.iter().filter(|(_, _, at)| at.is_none_or(|at| at > NOW)).cloned().collect();
        let expired = keys.len() - after.len();
        let (before, same) = (of(&keys), of(&after));
        let lost = after.remove(10).0;
        write!(after[20].1, "!").unwrap();
        after.push(("new".to_owned(), String::new(), None));
        let damaged = of(&after);
        for held in [150, 2_000] {
            let comparison = compare(&before, &same, held, 10);
            assert!(comparison.is_same());
            assert_eq!(comparison.expired, expired as u64);
            let comparison = compare(&before, &damaged, held, 10);
            let found: Vec<_> =
                comparison.keys.iter().map(|one| (one.key.to_string(), one.change.clone())).collect();
            let mut expected = vec![
                (lost.clone(), KeyChange::Lost),
                (after[20].0.clone(), KeyChange::ValueChanged),
                ("new".to_owned(), KeyChange::Extra),
            ];
            expected.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(found, expected);
            assert!(comparison.databases.is_empty());
        }
    }

    #[test]
    fn more_than_can_be_named_are_counted() {
        let keys: Vec<_> = (0..1_000).map(|n| (n.to_string(), "v".to_owned(), None)).collect();
        let comparison = compare(&of(&keys), &of(&keys[..100]), 64, 10);
        assert_eq!(comparison.keys.len(), 10);
        let database = &comparison.databases[0];
        assert_eq!((database.expected_keys, database.actual_keys), (1_000, 100));
        assert_eq!(database.estimate, Some(900));
    }
}
