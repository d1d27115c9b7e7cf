//! Single bits flipped at random places of files, compressed and not: the checksum and the fingerprint each notice
//! every flip that changes content.

use std::io::Read as _;

use comeback_model::KeyspaceFingerprint;
use comeback_redis::rdb::fingerprint_rdb;
use flate2::Compression;
use flate2::read::{DeflateDecoder, GzDecoder, GzEncoder};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

use super::fill::{LARGE, SMALL, fill_little};
use super::live::{read_functions, read_keyspace};
use crate::kit::rdb_bench::{MAKES, RdbBench};
use crate::kit::require::note;

/// Number of bits flipped per kind of file, unless `COMEBACK_FLIPS` is set.
const FLIPS: usize = 250;

fn flips() -> usize {
    std::env::var("COMEBACK_FLIPS").map_or(FLIPS, |count| count.parse().unwrap())
}
/// The header of a gzip member without a file name.
const GZIP_HEADER_BYTES: usize = 10;

fn flipped(bytes: &[u8], random: &mut ChaCha8Rng) -> Vec<u8> {
    let bit = usize::try_from(random.next_u64()).unwrap() % (bytes.len() * 8);
    let mut flipped = bytes.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

/// Corrects the checksum of a file, or removes it.
fn with_checksum(mut file: Vec<u8>, checksum: bool) -> Vec<u8> {
    let end = file.len() - 8;
    let crc = crc::Crc::<u64>::new(&crc::CRC_64_REDIS).checksum(&file[..end]);
    file[end..].copy_from_slice(&if checksum { crc } else { 0 }.to_le_bytes());
    file
}

/// `Some` if the fingerprint is unchanged; `None` if the change was noticed.
fn unseen(file: &[u8], expected: &KeyspaceFingerprint) -> Option<()> {
    fingerprint_rdb(file).ok().filter(|summary| summary.fingerprint.is_same(expected)).map(drop)
}

#[tokio::test]
async fn flipped_bits_are_seen() {
    let Some(bench) = RdbBench::new(MAKES[0]).await else { return };
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for settings in [SMALL, LARGE] {
        let mut server = bench.start(settings, None).await;
        fill_little(&mut server).await;
        let file = server.save().await;
        let content = (read_keyspace(&mut server).await, read_functions(&mut server).await);
        server.stop().await;
        let expected = fingerprint_rdb(&file[..]).unwrap().fingerprint;
        let mut harmless = Vec::new();
        for _ in 0..flips() {
            let bad = flipped(&file, &mut random);
            fingerprint_rdb(&bad[..]).expect_err("the checksum sees every bit");
            let patched = with_checksum(bad, random.next_u32() % 2 == 0);
            harmless.extend(unseen(&patched, &expected).map(|()| patched));
        }
        let unseen_compressed = flips_of_compressed(&file, &expected, &mut random);
        let (plain, compressed) = (harmless.len(), unseen_compressed.len());
        note(&format!(
            "of {} flipped bits, {plain} were no content in a file and {compressed} in a compressed one",
            flips()
        ));
        assert!(plain + compressed < flips() / 10);
        harmless.extend(unseen_compressed);
        for file in harmless {
            let mut server = bench.start(settings, Some(&file)).await;
            let now = (read_keyspace(&mut server).await, read_functions(&mut server).await);
            assert!(now == content, "the server sees a change that the fingerprint does not");
            server.stop().await;
        }
    }
    bench.clear().await;
}

/// The unpacked files, after a bit flipped in the compressed form, whose fingerprint is unchanged.
fn flips_of_compressed(file: &[u8], expected: &KeyspaceFingerprint, random: &mut ChaCha8Rng) -> Vec<Vec<u8>> {
    // Nothing but the fingerprint has to see it: neither the checksum in the file nor that of gzip.
    let unchecked = with_checksum(file.to_vec(), false);
    let mut packed = Vec::new();
    GzEncoder::new(&unchecked[..], Compression::default()).read_to_end(&mut packed).unwrap();
    let mut harmless = Vec::new();
    for _ in 0..flips() {
        let bad = flipped(&packed, random);
        let (mut whole, mut body) = (Vec::new(), Vec::new());
        if GzDecoder::new(&bad[..]).read_to_end(&mut whole).is_ok() {
            assert!(whole == unchecked, "gzip does not see a change");
        }
        let unpacked = DeflateDecoder::new(&bad[GZIP_HEADER_BYTES..]).read_to_end(&mut body);
        if unpacked.is_ok() && body != unchecked {
            harmless.extend(unseen(&body, expected).map(|()| body));
        }
    }
    harmless
}
