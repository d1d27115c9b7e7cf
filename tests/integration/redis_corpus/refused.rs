//! A file that the reader refuses is also refused by the server, or kept with its fault unnoticed: both are tested.

use comeback_error::ErrorKind;
use comeback_redis::rdb::fingerprint_rdb;

use crate::kit::rdb_bench::{MAKES, RdbBench};

/// A file of version 10 with a right checksum.
fn file(body: &[u8]) -> Vec<u8> {
    let mut bytes = [b"REDIS0010", body, &[0xFF]].concat();
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes
}

/// One key of a type.
fn key(type_code: u8, value: &[u8]) -> Vec<u8> {
    [&[type_code], &b"\x01k"[..], value].concat()
}

fn score(member: &[u8], score: f64) -> Vec<u8> {
    [&[1], member, &score.to_le_bytes()[..]].concat()
}

#[tokio::test]
async fn what_the_reader_refuses_the_server_refuses() {
    let Some(bench) = RdbBench::new(MAKES[0]).await else { return };
    let twice = [key(0, b"\x01x"), key(0, b"\x01y")].concat();
    for (what, body, is_refused) in [
        ("nothing wrong", key(2, b"\x02\x01a\x01b"), false),
        ("a key twice", twice, true),
        ("a member of a set twice", key(2, b"\x02\x01a\x01a"), true),
        ("a field of a zipmap twice", key(9, b"\x0D\x02\x01f\x01\x001\x01f\x01\x00x\xFF"), true),
        ("a zipmap of nothing", key(9, b"\x02\x00\xFF"), true),
        ("a zipmap with count 255", key(9, b"\x07\xFF\x01f\x01\x001\xFF"), true),
        ("a zipmap that does not count", key(9, b"\x07\xFE\x01f\x01\x001\xFF"), false),
        ("a score that is no number", key(5, &[&[1][..], &score(b"a", f64::NAN)].concat()), true),
        ("a score that is no number, as text", key(3, b"\x01\x01a\xFD"), true),
        (
            "a member of a sorted set twice",
            key(5, &[&[2][..], &score(b"a", 1.0), &score(b"a", 2.0)].concat()),
            true,
        ),
        ("a node of a list without a byte", key(18, b"\x01\x01\x00"), true),
        ("an unknown opcode", b"\x6B\x3Fabc".to_vec(), true),
    ] {
        let file = file(&body);
        let (read, started) = (fingerprint_rdb(&file[..]), bench.accepts(&file).await);
        assert_eq!((read.is_err(), !started), (is_refused, is_refused), "{what}: {read:?}");
        if let Err(error) = read {
            let expected =
                if what.contains("opcode") { ErrorKind::CouldNotVerify } else { ErrorKind::Failed };
            assert_eq!(error.kind(), expected, "{what}: {error}");
        }
    }
    bench.clear().await;
}
