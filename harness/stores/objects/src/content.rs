//! The bytes of objects: reading in pieces, counting, hashing and comparing.

use comeback_engine::repository::Reader;
use comeback_engine::sha256::Sha256;
use comeback_error::{Context as _, Result};
use comeback_model::content_text;
use crc::{CRC_32_ISCSI, Crc, Digest, Table};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of an object is in memory at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// CRC-32C, as clouds compute it for their objects.
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Starts computing a CRC32C.
pub(super) fn crc32c() -> Digest<'static, u32, Table<16>> {
    CRC32C.digest()
}

/// The size and checksums of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectDigest {
    /// The size in bytes.
    pub bytes: u64,
    /// The CRC32C of the bytes.
    pub crc32c: u32,
    /// The SHA-256 of the bytes, in hexadecimal.
    pub sha256: String,
}

/// Prints `12345 bytes with CRC32C 0a1b2c3d`.
impl std::fmt::Display for ObjectDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&content_text(self.bytes, self.crc32c))
    }
}

/// Reads an object to its end.
pub async fn digest(mut reader: Reader, key: &str) -> Result<ObjectDigest> {
    let mut meter = Meter::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let read = fill(&mut reader, &mut piece).await.context(format_args!("reading {key}"))?;
        if read == 0 {
            return Ok(meter.finish());
        }
        meter.pass(&piece[..read]);
    }
}

/// Reads two objects in parallel. Returns their common digest if every byte is equal, otherwise the digest of
/// each.
pub(super) async fn compare(
    key: &str,
    mut first: Reader,
    mut second: Reader,
) -> Result<Result<ObjectDigest, (ObjectDigest, ObjectDigest)>> {
    let (mut meters, mut equal) = ((Meter::new(), Meter::new()), true);
    let (mut left, mut right) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    loop {
        let read = tokio::try_join!(fill(&mut first, &mut left), fill(&mut second, &mut right));
        let (one, other) = read.context(format_args!("reading {key}"))?;
        equal &= left[..one] == right[..other];
        meters.0.pass(&left[..one]);
        meters.1.pass(&right[..other]);
        if one == 0 && other == 0 {
            let (one, other) = (meters.0.finish(), meters.1.finish());
            return Ok(if equal { Ok(other) } else { Err((one, other)) });
        }
    }
}

/// Fills the piece completely, except at the end of a stream.
async fn fill(reader: &mut (impl AsyncRead + Unpin), piece: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

struct Meter {
    bytes: u64,
    crc32c: Digest<'static, u32, Table<16>>,
    sha256: Sha256,
}

impl Meter {
    fn new() -> Self {
        Self { bytes: 0, crc32c: crc32c(), sha256: Sha256::default() }
    }

    fn pass(&mut self, piece: &[u8]) {
        self.bytes += piece.len() as u64;
        self.crc32c.update(piece);
        self.sha256.update(piece);
    }

    fn finish(self) -> ObjectDigest {
        ObjectDigest { bytes: self.bytes, crc32c: self.crc32c.finalize(), sha256: self.sha256.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(bytes: &[u8]) -> Reader {
        Box::new(std::io::Cursor::new(bytes.to_vec()))
    }

    #[tokio::test]
    async fn the_checksum_is_the_one_that_clouds_use() {
        // The check value of CRC-32/ISCSI in the catalogue of parametrised CRC algorithms.
        let found = digest(reader(b"123456789"), "k").await.unwrap();
        assert_eq!((found.bytes, found.crc32c), (9, 0xe306_9283));
    }

    #[tokio::test]
    async fn two_objects_are_equal_to_the_last_byte_or_not() {
        let long: Vec<u8> = (0..200_001_u32).map(|at| (at % 251) as u8).collect();
        assert_eq!(compare("k", reader(&long), reader(&long)).await.unwrap().unwrap().bytes, 200_001);
        let mut last = long.clone();
        *last.last_mut().unwrap() ^= 1;
        for other in [&last[..], &long[..200_000], b""] {
            let (one, found) = compare("k", reader(&long), reader(other)).await.unwrap().unwrap_err();
            assert_eq!((one.bytes, found.bytes), (200_001, other.len() as u64));
        }
    }
}
