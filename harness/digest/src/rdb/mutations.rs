//! Files of every type and encoding, damaged at random, a hundred thousand times: the reader answers or refuses,
//! and never panics.
//!
//! `COMEBACK_FUZZ_SECONDS` makes the test run for at least that many seconds. The target under `fuzz/` does the same
//! with coverage and starts with the same files: `COMEBACK_FUZZ_SEEDS` names a folder that they are written to.

use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::tests::{file, samples};
use super::{RdbReader, compare_exact, fingerprint_rdb, fingerprint_rdb_quietly};

const MUTATIONS: u64 = 100_000;
/// Values at which lengths, counts and markers change meaning.
const ODD: [u8; 12] = [0x00, 0x01, 0x3F, 0x40, 0x7F, 0x80, 0x81, 0xC0, 0xC3, 0xFC, 0xFE, 0xFF];

/// A seeded random number generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 += 1;
        xxh3_64_with_seed(&self.0.to_le_bytes(), 4)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    fn range(&mut self, limit: usize) -> std::ops::Range<usize> {
        let (from, length) = (self.below(limit + 1), self.below(16));
        from..(from + length).min(limit)
    }
}

fn mutate(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(8) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = ODD[random.below(ODD.len())],
        3 => bytes[at] = bytes[at].wrapping_add(1),
        4 => drop(bytes.drain(random.range(bytes.len()))),
        5 => {
            let again = bytes[random.range(bytes.len())].to_vec();
            bytes.splice(at..at, again);
        }
        6 => {
            let foreign = other[random.range(other.len())].to_vec();
            bytes.splice(at..at, foreign);
        }
        _ => {
            let end = (at + 1 + random.below(8)).min(bytes.len());
            bytes[at..end].fill(ODD[random.below(ODD.len())]);
        }
    }
    if bytes.is_empty() {
        bytes.push(0xFF);
    }
}

/// A file from a damaged body, with a right checksum, so that the code behind the checksum runs too.
fn damaged(bodies: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut body = bodies[random.below(bodies.len())].clone();
    let other = &bodies[random.below(bodies.len())];
    for _ in 0..=random.below(4) {
        mutate(&mut body, other, random);
    }
    let version = u32::try_from(random.below(12)).unwrap() + 1;
    file(version, &body)
}

#[test]
fn files_that_are_not_damaged_are_answered() {
    let seeds = std::env::var_os("COMEBACK_FUZZ_SEEDS").map(std::path::PathBuf::from);
    for (number, body) in samples().iter().enumerate() {
        let summary = fingerprint_rdb(&file(12, body)[..]).unwrap();
        assert_eq!(fingerprint_rdb_quietly(&file(12, body)[..]).unwrap(), summary);
        if let Some(folder) = &seeds {
            std::fs::write(folder.join(format!("sample-{number}")), body).unwrap();
        }
    }
}

#[test]
fn damaged_files_are_answered_or_refused() {
    let bodies: Vec<_> = samples();
    let seconds = std::env::var("COMEBACK_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let limit = Duration::from_secs(seconds.unwrap_or(0));
    let (watch, mut random) = (Instant::now(), Random(seconds.unwrap_or(0) << 32));
    let (mut tried, mut answered) = (0, 0);
    while tried < MUTATIONS || watch.elapsed() < limit {
        let bytes = damaged(&bodies, &mut random);
        tried += 1;
        let found = fingerprint_rdb(&bytes[..]);
        assert_eq!(found, fingerprint_rdb_quietly(&bytes[..]), "{bytes:?}");
        let Ok(summary) = found else { continue };
        answered += 1;
        // A file that was accepted once is accepted again, and compares equal to itself.
        let mut reader = RdbReader::open(&bytes[..]).unwrap();
        while reader.next_entry().unwrap().is_some() {}
        if answered % 64 == 0 {
            assert!(summary.fingerprint.compare(&summary.fingerprint, 0).is_same());
            compare_exact(|| Ok(&bytes[..]), || Ok(&bytes[..]), 0, 10).unwrap();
        }
    }
    assert!(answered > tried / 50, "{answered} of {tried}: the damage hides what is to be tried");
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let kilobytes: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    assert!(kilobytes < 1_000_000, "{peak} for files of some hundred bytes");
}
