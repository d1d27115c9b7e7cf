//! An RDB file of plain encodings: strings with and without an expiry, hashes, sets, sorted sets.

use comeback_redis::rdb::fingerprint_rdb;
use comeback_error::{Error, Result};
use criterion::{Criterion, Throughput};

const KEYS: u32 = 200_000;

pub(crate) fn measure(criterion: &mut Criterion) -> Result<()> {
    let file = file();
    let summary = fingerprint_rdb(&file[..])?;
    if summary.keys != u64::from(KEYS) {
        return Err(Error::could_not_verify(format!("{} keys were read of {KEYS}", summary.keys)));
    }
    let mut group = criterion.benchmark_group("rdb");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("read and fingerprinted", |bencher| bencher.iter(|| fingerprint_rdb(&file[..])));
    group.finish();
    Ok(())
}

/// Source of the layout: `rdb.h` and `rdb.c` of Redis 7.
fn file() -> Vec<u8> {
    let mut file = b"REDIS0011\xFE\x00".to_vec();
    for number in 0..KEYS {
        let (key, text) =
            (format!("key:{number}"), format!("{:032x}", u128::from(number) * 0x9E37_79B9_7F4A_7C15));
        if number % 5 == 0 {
            file.push(0xFC);
            file.extend((4_102_444_800_000 + u64::from(number)).to_le_bytes());
        }
        let (code, items) = [(0, 0), (0, 0), (4, 4), (2, 4), (5, 6)][number as usize % 5];
        file.push(code);
        string(&mut file, key.as_bytes());
        match code {
            0 => string(&mut file, text.as_bytes()),
            _ => file.push(items),
        }
        for item in 0..items {
            string(&mut file, format!("{item}{}", &text[16..]).as_bytes());
            match code {
                4 => string(&mut file, text.as_bytes()),
                5 => file.extend(f64::from(item).to_le_bytes()),
                _ => {}
            }
        }
    }
    file.push(0xFF);
    let checksum = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&file);
    file.extend(checksum.to_le_bytes());
    file
}

/// A text of fewer than 64 bytes, with its length before it.
fn string(file: &mut Vec<u8>, text: &[u8]) {
    file.push(u8::try_from(text.len()).unwrap_or(u8::MAX) & 0x3F);
    file.extend(text);
}
