//! Files that servers refuse are refused, with the key at fault named. Also values that servers read in an
//! unexpected way.

use super::*;
use crate::keyspace::{EDITION, FIRST_EDITION, KeyspaceFingerprint};

/// The error for a file in which one key is wrong.
fn refusal(type_code: u8, value: &[u8]) -> String {
    let body = [&b"\xFE\x03"[..], &[type_code], &string(b"cart:17"), value].concat();
    let (kind, message) = error_of(&file(12, &body));
    assert_eq!(kind, ErrorKind::Failed, "{message}");
    let start = "key cart:17 of database 3: the RDB file is damaged before byte ";
    assert!(message.starts_with(start), "{message}");
    message
}

fn scored(member: &[u8], score: f64) -> Vec<u8> {
    [string(member), score.to_le_bytes().to_vec()].concat()
}

#[test]
fn what_stands_twice_is_refused() {
    let (one, two) = (string(b"1"), string(b"2"));
    let numbers: Vec<_> = (0_u8..40).map(|number| string(&[b'n', number])).collect();
    for (type_code, value) in [
        (2, counted(&[one.clone(), two.clone(), one.clone()], 3)),
        (2, counted(&[numbers.clone(), vec![numbers[7].clone()]].concat(), 41)),
        (3, counted(&[one.clone(), b"\x031.5".to_vec(), one.clone(), b"\x031.6".to_vec()], 2)),
        (4, counted(&[one.clone(), two.clone(), one.clone(), one.clone()], 2)),
        (5, counted(&[scored(b"a", 1.0), scored(b"a", 2.0)], 2)),
        (9, string(b"\x02\x01f\x01\x001\x01f\x01\x00x\xFF")),
        (12, packed(&[b"a", b"1", b"a", b"2"])),
        (13, packed(&[b"f", b"1", b"f", b"2"])),
        (16, listpack(&[b"f", b"1", b"f", b"2"])),
        (17, listpack(&[b"a", b"1", b"a", b"2"])),
        (20, listpack(&[b"2", b"1", b"2"])),
        (25, [vec![0; 8], listpack(&[b"f", b"1", b"0", b"f", b"2", b"0"])].concat()),
    ] {
        let message = refusal(type_code, &value);
        assert!(message.ends_with("stands in it twice"), "{type_code}: {message}");
    }
    let key = b"\x00\x01a\x01x";
    let twice = [&key[..], b"\x00\x01b\x01x", key].concat();
    assert!(error_of(&file(11, &twice)).1.contains("a key stands in it twice"));
    // The same name in another database is another key.
    let apart = [&b"\xFE\x00"[..], key, b"\xFE\x01", key].concat();
    assert_eq!(fingerprint_rdb(&file(11, &apart)[..]).unwrap().keys, 2);
}

#[test]
fn values_that_no_server_keeps_are_refused() {
    let first = 1_700_000_000_000_u64.to_le_bytes().to_vec();
    let expiring = |after: Vec<u8>| [first.clone(), vec![1], after, string(b"f"), string(b"1")].concat();
    let far = |at: u64| [vec![0x81], at.to_be_bytes().to_vec()].concat();
    let packed_fields = |elements: &[&[u8]]| [vec![0; 8], listpack(elements)].concat();
    for (type_code, value, what) in [
        (3, counted(&[string(b"a"), vec![253]], 1), "no number"),
        (3, counted(&[string(b"a"), b"\x03nan".to_vec()], 1), "no number"),
        (5, counted(&[scored(b"a", f64::NAN)], 1), "no number"),
        (12, packed(&[b"a", b"nan"]), "packed collection of type 12"),
        (17, listpack(&[b"a", b"nan"]), "packed collection of type 17"),
        (9, string(b"\x00\xFF"), "packed collection of type 9"),
        (9, string(b"\xFF\x01f\x01\x001\xFF"), "packed collection of type 9"),
        (18, counted(&[vec![1], string(b"")], 1), "length 0"),
        (18, counted(&[vec![2], string(b"")], 1), "no valid listpack"),
        (24, expiring(far((1 << 48) - 1_700_000_000_000 + 1)), "out of range"),
        (24, [u64::MAX.to_le_bytes().to_vec(), vec![0]].concat(), "out of range"),
        (25, packed_fields(&[b"f", b"1", b"9", b"g", b"1", b"8"]), "expiring fields"),
        (25, packed_fields(&[b"f", b"1", b"0", b"g", b"1", b"8"]), "expiring fields"),
        (25, packed_fields(&[b"f", b"1", b"281474976710656"]), "expiring fields"),
    ] {
        let message = refusal(type_code, &value);
        assert!(message.contains(what), "{type_code}: {message}");
    }
    // The latest possible time.
    let latest = far((1 << 48) - 1_700_000_000_000);
    assert_eq!(one(24, &expiring(latest)).fields_expire_at_ms, Some((1 << 48) - 1));
    one(9, &string(b"\xFE\x01f\x01\x001\xFF"));
}

#[test]
fn an_expiry_of_minus_one_is_none() {
    let body = |at_ms: i64| [&b"\xFC"[..], &at_ms.to_le_bytes(), b"\x00\x01a\x01x"].concat();
    let expiring = |at_ms, edition| {
        let found = fingerprint_rdb_in_edition(&file(11, &body(at_ms))[..], edition).unwrap();
        found.fingerprint.expiring()
    };
    assert_eq!(expiring(-1, EDITION), 0);
    assert_eq!(expiring(-2, EDITION), 1);
    // As older versions recorded it.
    assert_eq!(expiring(-1, FIRST_EDITION), 1);
}

#[test]
fn hashes_of_valkey_with_expiring_fields() {
    let valkey = |body: &[u8]| {
        let mut bytes = [b"VALKEY080", body, &[0xFF]].concat();
        let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes
    };
    let field = |name: &[u8], value: &[u8], at_ms: i64| {
        [string(name), string(value), at_ms.to_le_bytes().to_vec()].concat()
    };
    let hash = |fields: &[Vec<u8>]| [vec![22], string(b"k"), counted(fields, 2)].concat();
    let fields = [field(b"g", b"x", 1_700_000_000_005), field(b"f", b"1", -1)];
    let found = entries(&valkey(&hash(&fields))).unwrap().remove(0);
    // The same hash, as Redis writes it.
    let packed = listpack(&[b"g", b"x", b"1700000000005", b"f", b"1", b"0"]);
    let redis = [1_700_000_000_005_u64.to_le_bytes().to_vec(), packed].concat();
    assert_eq!(found, Entry::Key(one(25, &redis)));
    assert_eq!(fingerprint_rdb(&valkey(&hash(&fields))[..]).unwrap().version, 80);
    // Each product has types that the other does not know.
    let foreign = valkey(&[vec![25], string(b"k"), redis].concat());
    assert_eq!(error_of(&foreign).0, ErrorKind::CouldNotVerify);
    let twice = valkey(&hash(&[fields[0].clone(), fields[0].clone()]));
    assert!(error_of(&twice).1.contains("stands in it twice"));
    let early = valkey(&hash(&[field(b"g", b"x", -2)]));
    assert!(error_of(&early).1.contains("out of range"));
}

#[test]
fn an_older_edition_is_read_as_it_was_recorded() {
    let stream = |first: u8, delivered: u8| {
        let mut value = stream::tests::sample(3);
        let delivered_at = value.iter().position(|byte| *byte == 9).unwrap();
        value[delivered_at] = delivered;
        // The first identifier follows the length and the last identifier.
        let length = value.windows(5).rposition(|bytes| bytes == [2, 5, 3, 5, 1]).unwrap();
        value[length + 4] = first;
        [vec![21], string(b"s"), value].concat()
    };
    let of =
        |body: &[u8], edition| fingerprint_rdb_in_edition(&file(12, body)[..], edition).unwrap().fingerprint;
    let (same, first, delivered) = (stream(1, 9), stream(2, 9), stream(1, 10));
    for changed in [&first, &delivered] {
        assert!(!of(&same, EDITION).is_same(&of(changed, EDITION)));
        assert!(of(&same, FIRST_EDITION).is_same(&of(changed, FIRST_EDITION)));
    }
    // A fingerprint without an edition is of the first.
    let mut recorded = serde_json::to_value(of(&same, FIRST_EDITION)).unwrap();
    recorded.as_object_mut().unwrap().remove("edition");
    let recorded: KeyspaceFingerprint = serde_json::from_value(recorded).unwrap();
    assert_eq!(recorded, of(&same, FIRST_EDITION));
    // Fingerprints of different editions are not compared.
    let comparison = recorded.compare(&of(&same, EDITION), 0);
    assert!(!comparison.is_same() && !comparison.differs());
    let error = fingerprint_rdb_in_edition(&file(12, &same)[..], EDITION + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CouldNotVerify, "{error}");
}
